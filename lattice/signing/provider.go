package signing

import (
	"encoding/json"
	"maps"
	"runtime"
	"slices"
	"strconv"

	"github.com/weftlattice/weft/lattice"
)

// ProviderClaims are the claims in a provider archive.
type ProviderClaims struct {
	Subject    lattice.ProviderID `json:"subject"`           // the provider's key; set by signing
	Issuer     lattice.AccountID  `json:"issuer"`            // the account that vouches for it; set by signing
	Name       string             `json:"name"`              // for people; may be empty
	ContractID lattice.ContractID `json:"contract_id"`       // what it provides, e.g. "wasmcloud:keyvalue"
	Vendor     string             `json:"vendor"`            // for people
	Revision   int32              `json:"revision"`          // grows with each release; 0: see EffectiveRevision
	Version    string             `json:"version,omitempty"` // for people
	// upper-case hex SHA-256 of each target's binary; set by signing
	TargetHashes map[string]string `json:"target_hashes"`
	ConfigSchema json.RawMessage   `json:"config_schema,omitempty"`

	Validity

	// TokenRevision is the revision of the token's format; 3 is what signing writes.
	TokenRevision uint32 `json:"token_revision"`
}

// EffectiveRevision is the revision, or the time of issue cut to 32 bits for a provider without one.
func (c *ProviderClaims) EffectiveRevision() int32 { return c.revisionOr(c.Revision) }

// providerWascap is the "wascap" object of a provider's token.
type providerWascap struct {
	Name         string             `json:"name"`
	CapID        lattice.ContractID `json:"capid"`
	Vendor       string             `json:"vendor"`
	Rev          int32              `json:"rev"`
	Ver          string             `json:"ver"`
	TargetHashes map[string]string  `json:"target_hashes"`
	ConfigSchema json.RawMessage    `json:"config_schema"`
}

func appendProviderClaims(c *ProviderClaims) []byte {
	return appendClaims(c.Validity, string(c.Issuer), string(c.Subject), func(b []byte) []byte {
		if c.Name != "" {
			b = appendField(b, "name", c.Name)
		}
		b = appendField(b, "capid", string(c.ContractID))
		b = appendField(b, "vendor", c.Vendor)
		if c.Revision != 0 {
			b = strconv.AppendInt(appendKey(b, "rev"), int64(c.Revision), 10)
		}
		if c.Version != "" {
			b = appendField(b, "ver", c.Version)
		}
		b = append(appendKey(b, "target_hashes"), '{')
		for _, target := range slices.Sorted(maps.Keys(c.TargetHashes)) {
			b = appendField(b, target, c.TargetHashes[target])
		}
		b = append(b, '}')
		if len(c.ConfigSchema) > 0 {
			b = append(appendKey(b, "config_schema"), c.ConfigSchema...)
		}
		return b
	})
}

func (w *providerWascap) check() error {
	switch {
	case w.CapID == "":
		return malformed("capid is missing")
	case len(w.TargetHashes) == 0:
		return malformed("target_hashes are missing")
	}
	return nil
}

// CurrentTarget is the name of this machine's target in provider archives: "x86_64-linux", "aarch64-macos".
func CurrentTarget() string { return targetName(runtime.GOARCH, runtime.GOOS) }

func targetName(arch, system string) string {
	switch arch {
	case "amd64":
		arch = "x86_64"
	case "386":
		arch = "x86"
	case "arm64":
		arch = "aarch64"
	case "ppc64le", "ppc64":
		arch = "powerpc64"
	case "loong64":
		arch = "loongarch64"
	}
	if system == "darwin" {
		system = "macos"
	}
	return arch + "-" + system
}

// isTarget reports whether s has the form arch-os.
func isTarget(s string) bool {
	dashes := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '-' && i > 0 && i < len(s)-1:
			dashes++
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
		default:
			return false
		}
	}
	return dashes == 1 && len(s) <= 64
}
