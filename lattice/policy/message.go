package policy

import (
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
	PublicKey    string               `json:"publicKey"`
	ContractID   lattice.ContractID   `json:"contractId"`
	LinkName     lattice.LinkName     `json:"linkName"`
	Capabilities []lattice.ContractID `json:"capabilities"`
	Issuer       lattice.AccountID    `json:"issuer"`
	IssuedOn     string               `json:"issuedOn"`
	ExpiresAt    int64                `json:"expiresAt"` // seconds since 1970; a minute from now when there is no end
	Expired      bool                 `json:"expired"`
}

// RequestTarget is what is called or started.
type RequestTarget struct {
	PublicKey  string             `json:"publicKey"`
	Issuer     lattice.AccountID  `json:"issuer"`
	ContractID lattice.ContractID `json:"contractId"`
	LinkName   lattice.LinkName   `json:"linkName"`
}

// RequestHost is the host that asks.
type RequestHost struct {
	PublicKey      lattice.HostID      `json:"publicKey"`
	Issuer         lattice.ClusterID   `json:"issuer"`
	LatticeID      lattice.Name        `json:"latticeId"`
	Labels         map[string]string   `json:"labels"`
	ClusterIssuers []lattice.ClusterID `json:"clusterIssuers"`
}

// Response is what a policy service answers, and what it publishes when it changes its mind.
type Response struct {
	RequestID string `json:"requestId"`
	Permitted bool   `json:"permitted"`
	Message   string `json:"message,omitempty"`
}

// DefaultTimeout is how long a host waits for the answer of a policy service, unless it is told otherwise.
const DefaultTimeout = time.Second
