package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/weftlattice/weft/lattice"
)

// HostData is what a host writes to a provider's standard input when it starts it: where and who it is, its links, and
// the cluster seed that it signs with. It is the superset of what providers of all versions need, so that each finds
// the fields it requires. It holds secrets: never log it.
type HostData struct {
	HostID              lattice.HostID      `json:"host_id"`
	LatticeRPCPrefix    lattice.Name        `json:"lattice_rpc_prefix"`
	LinkName            lattice.LinkName    `json:"link_name"`
	LatticeRPCUserJWT   string              `json:"lattice_rpc_user_jwt"`
	LatticeRPCUserSeed  string              `json:"lattice_rpc_user_seed"`
	LatticeRPCURL       string              `json:"lattice_rpc_url"`
	ProviderKey         lattice.ProviderID  `json:"provider_key"`
	InvocationSeed      string              `json:"invocation_seed"`
	EnvValues           map[string]string   `json:"env_values"`
	InstanceID          string              `json:"instance_id"`
	LinkDefinitions     []LinkDefinition    `json:"link_definitions"`
	ClusterIssuers      []lattice.ClusterID `json:"cluster_issuers"`
	ConfigJSON          string              `json:"config_json,omitempty"`
	DefaultRPCTimeoutMS uint64              `json:"default_rpc_timeout_ms"`
	StructuredLogging   bool                `json:"structured_logging"`
	// LogLevel stays empty: providers on wasmbus-rpc up to 0.15 ignore RUST_LOG once it is set.
	LogLevel   string     `json:"log_level,omitempty"`
	OtelConfig OtelConfig `json:"otel_config"`
	// JSDomain is the JetStream domain of what the lattice stores, where it has one.
	JSDomain string `json:"js_domain,omitempty"`
	// Channel is where weft's own providers find their host's local socket; nil where there is none. Others ignore it.
	Channel *Channel `json:"weft_channel,omitempty"`
	// NATS is how weft's own providers reach NATS by themselves, where LatticeRPCURL leads through the host, which may
	// hang; nil where it does not, or they cannot. The credentials are the same. Others ignore it.
	NATS *NATSAccess `json:"weft_nats,omitempty"`
	// ProfileSocket is where weft's own providers serve their profiles, as a Unix socket, when it is not empty. Others
	// ignore it.
	ProfileSocket string `json:"weft_profile_socket,omitempty"`
	// FilesDirs are the folders below which the files lie that link values may name. Others ignore it.
	FilesDirs []string `json:"weft_files_dirs,omitempty"`
}

// NATSAccess is where NATS is and how its certificate is checked.
type NATSAccess struct {
	URL   string `json:"url"`             // one or more, comma separated, without credentials
	Roots string `json:"roots,omitempty"` // PEM of the authorities to trust; empty: the system's
	Name  string `json:"name,omitempty"`  // that the certificate must have; empty: the host in the URL
	First bool   `json:"first,omitempty"` // the handshake comes before the server's greeting
}

// OtelConfig must be present for providers of the 0.82 SDK; its members may be null.
type OtelConfig struct {
	TracesExporter       *string `json:"traces_exporter"`
	ExporterOTLPEndpoint *string `json:"exporter_otlp_endpoint"`
}

// Channel lets a provider open the local channel to its host, see package channel. The secret is one: never log it.
type Channel struct {
	Socket string `json:"socket"` // path of a Unix socket
	ID     string `json:"id"`     // says which secret is meant; 32 hex digits
	Secret string `json:"secret"` // 64 hex digits
}

// String does not tell the secret.
func (c Channel) String() string { return c.Socket + " as " + c.ID }

// GoString is String.
func (c Channel) GoString() string { return c.String() }

// What a provider built on weft's SDK prints on standard output, each a line: ReadyLine once it serves, and after each
// further line of host data that the host writes, either ReloadedLine, when it has taken over the keys and credentials
// there, or RestartLine, when it cannot.
const (
	ReadyLine    = "weft:ready"
	ReloadedLine = "weft:reloaded"
	RestartLine  = "weft:restart"
)

// MaxHostDataBytes bounds the line a provider reads.
const MaxHostDataBytes = 16 << 20

// Encode returns the one line to write to the provider's standard input: padded base64 of JSON, and a newline.
func (h HostData) Encode() []byte {
	if h.EnvValues == nil {
		h.EnvValues = map[string]string{}
	}
	h.LinkDefinitions = append([]LinkDefinition{}, h.LinkDefinitions...) // a list even when empty, and not the caller's
	for i, l := range h.LinkDefinitions {
		if l.Values == nil {
			h.LinkDefinitions[i].Values = map[string]string{}
		}
	}
	if h.ClusterIssuers == nil {
		h.ClusterIssuers = []lattice.ClusterID{}
	}
	raw, err := json.Marshal(h)
	if err != nil {
		panic(err) // unreachable: strings, maps of strings and numbers always marshal
	}
	line := make([]byte, base64.StdEncoding.EncodedLen(len(raw)), base64.StdEncoding.EncodedLen(len(raw))+1)
	base64.StdEncoding.Encode(line, raw)
	return append(line, '\n')
}

// DecodeHostData reads such a line. Errors are lattice.ErrInvalid and never quote the line.
func DecodeHostData(line []byte) (HostData, error) {
	var h HostData
	bad := func(detail string) (HostData, error) {
		return HostData{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "decode host data", Detail: detail}
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return bad("the line is empty")
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Decode(raw, line)
	if err != nil {
		return bad("not base64")
	}
	if err := json.Unmarshal(raw[:n], &h); err != nil {
		return bad("not the expected JSON")
	}
	return h, nil
}
