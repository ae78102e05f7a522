package signing

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// ActorClaims are the claims embedded in an actor module.
type ActorClaims struct {
	Subject lattice.ActorID   `json:"subject"` // the module's key; set by signing
	Issuer  lattice.AccountID `json:"issuer"`  // the account that vouches for it; set by signing
	Name    string            `json:"name"`    // for people; may be empty
	// SHA-256 of the module without its claims, upper-case hex; set by signing
	Hash      string               `json:"hash"`
	Tags      []string             `json:"tags"`                 //
	Caps      []lattice.ContractID `json:"caps"`                 // contracts that the actor may call
	Revision  int32                `json:"revision"`             // grows with each release; 0: see EffectiveRevision
	Version   string               `json:"version,omitempty"`    // for people
	CallAlias string               `json:"call_alias,omitempty"` // another name to call it by; normalised by signing
	Provider  bool                 `json:"provider,omitempty"`   // a capability provider compiled to wasm

	Validity

	// TokenRevision is the revision of the token's format: 0 and 2 are old, 3 is what signing writes.
	TokenRevision uint32 `json:"token_revision"`
	// HashMismatch says that the hash in a token older than revision 3 is not that of the module. Old tools computed it
	// in other ways, so it proves no tampering; a host should warn. Newer tokens are refused instead.
	HashMismatch bool `json:"hash_mismatch,omitempty"`
}

// EffectiveRevision is the revision, or the time of issue cut to 32 bits for a module without one.
func (c *ActorClaims) EffectiveRevision() int32 { return c.revisionOr(c.Revision) }

// normalizeAlias returns a call alias in the form that modules carry and callers use: ASCII only, trimmed, lower case,
// with '_' for space, '-' and '.'.
func normalizeAlias(alias string) string {
	alias = strings.Map(func(r rune) rune {
		if r > 0x7e || r < 0x20 {
			return -1
		}
		return r
	}, alias)
	return strings.NewReplacer(" ", "_", "-", "_", ".", "_").Replace(strings.ToLower(strings.TrimSpace(alias)))
}

// actorWascap is the "wascap" object of an actor's token.
type actorWascap struct {
	Name      string               `json:"name"`
	Hash      string               `json:"hash"`
	Tags      []string             `json:"tags"`
	Caps      []lattice.ContractID `json:"caps"`
	Rev       int32                `json:"rev"`
	Ver       string               `json:"ver"`
	CallAlias string               `json:"call_alias"`
	Prov      bool                 `json:"prov"`
}

// SignModule returns the module with claims for it embedded, in place of those that it had. Subject, Issuer and Hash
// are computed, TokenID and IssuedAt filled in when empty. The rest of the module stays as it is. It returns
// ErrBadModule for what is no module and ErrInvalid for keys of the wrong kind and negative times.
func SignModule(wasm []byte, account, module KeyPair, c ActorClaims) ([]byte, error) {
	if err := checkSigners("sign module", c.Validity, account, module, KindModule); err != nil {
		return nil, err
	}
	if err := checkNames(append([]string{c.Name, c.Version, c.CallAlias},
		slices.Concat(c.Tags, lattice.Texts(c.Caps))...)); err != nil {
		return nil, during(err, "sign module", "")
	}
	m, err := parseWasm(wasm)
	if err != nil {
		return nil, during(err, "sign module", "")
	}
	c.Subject, c.Issuer = module.ActorID(), account.AccountID()
	c.Hash, c.CallAlias = m.hash(), normalizeAlias(c.CallAlias)
	c.fill()
	text := signToken(account, appendActorClaims(&c))
	if len(text) > maxTokenBytes {
		return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: "sign module", Detail: "the claims exceed 1 MiB"}
	}
	return m.withToken(text), nil
}

// checkNames refuses claims that would not be shown as they are, see lattice.CheckName.
func checkNames(claims []string) error {
	for _, s := range claims {
		if err := lattice.CheckName("claims", s); err != nil {
			return err
		}
	}
	return nil
}

// WithoutToken returns the module as it was before it was signed, to the byte. It returns ErrBadModule for what is no
// module.
func WithoutToken(wasm []byte) ([]byte, error) {
	m, err := parseWasm(wasm)
	if err != nil {
		return nil, during(err, "read module", "")
	}
	return m.withoutToken(), nil
}

func appendActorClaims(c *ActorClaims) []byte {
	return appendClaims(c.Validity, string(c.Issuer), string(c.Subject), func(b []byte) []byte {
		if c.Name != "" {
			b = appendField(b, "name", c.Name)
		}
		b = appendField(b, "hash", c.Hash)
		b = appendStrings(appendKey(b, "tags"), c.Tags)
		b = appendStrings(appendKey(b, "caps"), c.Caps)
		if c.Revision != 0 {
			b = strconv.AppendInt(appendKey(b, "rev"), int64(c.Revision), 10)
		}
		if c.Version != "" {
			b = appendField(b, "ver", c.Version)
		}
		if c.CallAlias != "" {
			b = appendField(b, "call_alias", c.CallAlias)
		}
		return strconv.AppendBool(appendKey(b, "prov"), c.Provider)
	})
}

// ReadModule returns the claims of a module after verifying all of them. The refusals, each with its own code:
// ErrBadModule, ErrUnsigned, ErrTokenMalformed (among it keys of the wrong kind), ErrTokenExpired, ErrTokenNotYetValid,
// ErrTokenSignature and ErrHashMismatch. Who the issuer is, is not judged here.
func ReadModule(wasm []byte, now time.Time) (*ActorClaims, error) {
	c, wire, t, err := readModule(wasm)
	if err != nil {
		return nil, err
	}
	if err := wire.verify(t, now); err != nil {
		return nil, during(err, "verify module", wire.Sub)
	}
	if c.HashMismatch && c.TokenRevision >= wascapRevision {
		have, _ := moduleHash(wasm)
		return nil, &lattice.Error{Code: lattice.ErrHashMismatch, Op: "verify module", Entity: wire.Sub,
			Detail: "(" + have + " / " + lattice.Printable(c.Hash) + "); " + altered}
	}
	return c, nil
}

// altered is what a person reads behind the two hashes of a module that is not the one that was signed.
const altered = "it was altered after it was signed; to sign it as it is: weft sign FILE"

// InspectModule returns the claims of a module without verifying anything, to be shown to people.
func InspectModule(wasm []byte) (*ActorClaims, error) {
	c, _, _, err := readModule(wasm)
	return c, err
}

func readModule(wasm []byte) (*ActorClaims, *claimsToken[actorWascap], *token, error) {
	const op = "read module"
	m, err := parseWasm(wasm)
	if err != nil {
		return nil, nil, nil, during(err, op, "")
	}
	text, err := m.token()
	if err != nil {
		return nil, nil, nil, during(err, op, "")
	}
	if text == "" {
		return nil, nil, nil, &lattice.Error{Code: lattice.ErrUnsigned, Op: op, Detail: "sign it with: weft sign FILE"}
	}
	wire, t, err := readClaims[actorWascap](text, KindModule)
	if err != nil {
		return nil, nil, nil, during(err, op, "")
	}
	w := wire.Wascap
	if w.Hash == "" {
		return nil, nil, nil, during(malformed("hash is missing"), op, wire.Sub)
	}
	return &ActorClaims{
		Subject: lattice.ActorID(wire.Sub), Issuer: lattice.AccountID(wire.Iss),
		Name: w.Name, Hash: w.Hash, Tags: w.Tags, Caps: w.Caps, Revision: w.Rev, Version: w.Ver,
		CallAlias: w.CallAlias, Provider: w.Prov, Validity: wire.validity(),
		TokenRevision: wire.revision(), HashMismatch: w.Hash != m.hash(),
	}, wire, t, nil
}
