package policy

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Request is a question as the dialect's policy service gets it, in JSON.
type Request struct {
	RequestID string        `json:"requestId"`
	Action    Action        `json:"action"`
	Source    RequestSource `json:"source"`
	Target    RequestTarget `json:"target"`
	Host      RequestHost   `json:"host"`
}

// RequestSource is who calls. For the start actions everything is empty.
type RequestSource struct {
	PublicKey    string   `json:"publicKey"`
	ContractID   string   `json:"contractId"`
	LinkName     string   `json:"linkName"`
	Capabilities []string `json:"capabilities"`
	Issuer       string   `json:"issuer"`
	IssuedOn     string   `json:"issuedOn"`
	ExpiresAt    int64    `json:"expiresAt"` // seconds since 1970; a minute from now when there is no end
	Expired      bool     `json:"expired"`
}

// RequestTarget is what is called or started.
type RequestTarget struct {
	PublicKey  string `json:"publicKey"`
	Issuer     string `json:"issuer"`
	ContractID string `json:"contractId"`
	LinkName   string `json:"linkName"`
}

// RequestHost is the host that asks.
type RequestHost struct {
	PublicKey      string            `json:"publicKey"`
	Issuer         string            `json:"issuer"`
	LatticeID      string            `json:"latticeId"`
	Labels         map[string]string `json:"labels"`
	ClusterIssuers []string          `json:"clusterIssuers"`
}

// NewRequest puts a question into the dialect's form. Services of every era read it: no field is null.
func NewRequest(id string, q *Question, now time.Time) Request {
	s, t, h := q.Origin, q.Target, q.Host
	r := Request{RequestID: id, Action: q.Action,
		Source: RequestSource{PublicKey: s.Key, ContractID: s.Contract, LinkName: s.Link, Capabilities: s.Caps,
			Issuer:    s.Issuer,
			ExpiresAt: s.Expires, Expired: s.Expires > 0 && s.Expires < now.Unix()},
		Target: RequestTarget{PublicKey: t.Key, Issuer: t.Issuer, ContractID: t.Contract, LinkName: t.Link},
		Host: RequestHost{PublicKey: h.ID, Issuer: h.Cluster, LatticeID: h.Lattice, Labels: h.Labels,
			ClusterIssuers: h.Issuers}}
	if s.Expires <= 0 {
		r.Source.ExpiresAt = now.Unix() + 60
	}
	if s.IssuedAt > 0 {
		r.Source.IssuedOn = time.Unix(s.IssuedAt, 0).UTC().Format(time.RFC3339)
	}
	if r.Source.Capabilities == nil {
		r.Source.Capabilities = []string{}
	}
	if r.Host.Labels == nil {
		r.Host.Labels = map[string]string{}
	}
	if r.Host.ClusterIssuers == nil {
		r.Host.ClusterIssuers = []string{}
	}
	return r
}

// Response is what a policy service answers, and what it publishes when it changes its mind.
type Response struct {
	RequestID string `json:"requestId"`
	Permitted bool   `json:"permitted"`
	Message   string `json:"message,omitempty"`
}

// maxMessage bounds the text of a service that is kept and shown.
const maxMessage = 1000

// DecodeResponse reads a response in each of its spellings: requestId or request_id. A response that does not say
// whether it permits, or says it otherwise than by true or false, is lattice.ErrInvalid, and so are doubled keys that
// contradict each other.
func DecodeResponse(b []byte) (Response, error) {
	var in struct {
		Camel     *string `json:"requestId"`
		Snake     *string `json:"request_id"`
		Permitted *bool   `json:"permitted"`
		Message   *string `json:"message"`
	}
	bad := func(detail string, err error) (Response, error) {
		return Response{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "read policy decision", Detail: detail,
			Err: err}
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return bad("", err)
	}
	var r Response
	switch {
	case in.Permitted == nil:
		return bad("permitted is missing", nil)
	case in.Camel != nil && in.Snake != nil && *in.Camel != *in.Snake:
		return bad("requestId and request_id differ", nil)
	case in.Camel != nil:
		r.RequestID = *in.Camel
	case in.Snake != nil:
		r.RequestID = *in.Snake
	}
	r.Permitted = *in.Permitted
	if in.Message != nil {
		r.Message = strings.ToValidUTF8((*in.Message)[:min(len(*in.Message), maxMessage)], "")
	}
	return r, nil
}
