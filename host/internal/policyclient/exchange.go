package policyclient

import (
	"encoding/json"
	"time"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/policy"
)

// NewRequest puts a question into the dialect's form. Services of every era read it: no field is null.
func NewRequest(id string, q *policy.Question, now time.Time) policy.Request {
	s, t, h := q.Origin, q.Target, q.Host
	r := policy.Request{RequestID: id, Action: q.Action,
		Source: policy.RequestSource{PublicKey: s.Key, ContractID: s.Contract, LinkName: s.Link, Capabilities: s.Caps,
			Issuer:    s.Issuer,
			ExpiresAt: s.Expires, Expired: s.Expires > 0 && s.Expires < now.Unix()},
		Target: policy.RequestTarget{PublicKey: t.Key, Issuer: t.Issuer, ContractID: t.Contract, LinkName: t.Link},
		Host: policy.RequestHost{PublicKey: h.ID, Issuer: h.Cluster, LatticeID: h.Lattice, Labels: h.Labels,
			ClusterIssuers: h.Issuers}}
	if s.Expires <= 0 {
		r.Source.ExpiresAt = now.Unix() + 60
	}
	if s.IssuedAt > 0 {
		r.Source.IssuedOn = time.Unix(s.IssuedAt, 0).UTC().Format(time.RFC3339)
	}
	if r.Source.Capabilities == nil {
		r.Source.Capabilities = []lattice.ContractID{}
	}
	if r.Host.Labels == nil {
		r.Host.Labels = map[string]string{}
	}
	if r.Host.ClusterIssuers == nil {
		r.Host.ClusterIssuers = []lattice.ClusterID{}
	}
	return r
}

// maxMessage bounds the text of a service that is kept and shown.
const maxMessage = 1000

// DecodeResponse reads a response in each of its spellings: requestId or request_id. A response that does not say
// whether it permits, or says it otherwise than by true or false, is lattice.ErrInvalid, and so are doubled keys that
// contradict each other.
func DecodeResponse(b []byte) (policy.Response, error) {
	var in struct {
		Camel     *string `json:"requestId"`
		Snake     *string `json:"request_id"`
		Permitted *bool   `json:"permitted"`
		Message   *string `json:"message"`
	}
	bad := func(detail string, err error) (policy.Response, error) {
		return policy.Response{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "read policy decision", Detail: detail,
			Err: err}
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return bad("", err)
	}
	var r policy.Response
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
		r.Message = clip.Text(*in.Message, maxMessage)
	}
	return r, nil
}
