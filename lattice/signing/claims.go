package signing

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/nats-io/nuid"

	"github.com/weftlattice/weft/lattice"
)

// Validity is what the claims of modules and providers have in common: when and for how long they were made. Times are
// seconds since the epoch.
type Validity struct {
	TokenID   string `json:"token_id"`             // unique id of the token; empty when signing: a new one
	IssuedAt  int64  `json:"issued_at"`            // 0 when signing: now
	Expires   int64  `json:"expires,omitempty"`    // 0: never
	NotBefore int64  `json:"not_before,omitempty"` // 0: immediately
}

// HumanTimes returns the bounds as events carry them: "immediately" or a time, and "never" or a time, RFC 3339 in UTC.
func (v Validity) HumanTimes() (notBefore, expires string) {
	notBefore, expires = "immediately", "never"
	if v.NotBefore > 0 {
		notBefore = humanTime(uint64(v.NotBefore))
	}
	if v.Expires > 0 {
		expires = humanTime(uint64(v.Expires))
	}
	return notBefore, expires
}

// fill puts in what the signer left open.
func (v *Validity) fill() {
	if v.TokenID == "" {
		v.TokenID = nuid.Next()
	}
	if v.IssuedAt == 0 {
		v.IssuedAt = time.Now().Unix()
	}
}

// revisionOr returns rev, or the time of issue cut to 32 bits when there is no revision: what others take for it.
func (v Validity) revisionOr(rev int32) int32 {
	if rev != 0 {
		return rev
	}
	return int32(uint32(v.IssuedAt))
}

// claimsToken is the JSON of a module's or provider's claims.
type claimsToken[W any] struct {
	Exp      *uint64 `json:"exp"`
	JTI      string  `json:"jti"`
	IAT      uint64  `json:"iat"`
	Iss      string  `json:"iss"`
	Nbf      *uint64 `json:"nbf"`
	Sub      string  `json:"sub"`
	Wascap   *W      `json:"wascap"`
	Revision *uint32 `json:"wascap_revision"`
}

// readClaims decodes a token and checks that the keys in it are of the right kinds, nothing else.
func readClaims[W any](text string, subject byte) (*claimsToken[W], *token, error) {
	t, err := splitToken(text, maxTokenBytes)
	if err != nil {
		return nil, nil, err
	}
	var c claimsToken[W]
	if err := json.Unmarshal(t.claims, &c); err != nil {
		return nil, nil, &lattice.Error{Code: lattice.ErrTokenMalformed, Err: err}
	}
	if c.Wascap == nil {
		return nil, nil, malformed("wascap claims are missing")
	}
	if CheckPublic(c.Iss, KindAccount) != nil {
		return nil, nil, malformed("iss is no account key: " + lattice.Printable(c.Iss))
	}
	if CheckPublic(c.Sub, subject) != nil {
		return nil, nil, malformed("sub is no " + KindName(subject) + " key: " + lattice.Printable(c.Sub))
	}
	return &c, &t, nil
}

// verify checks the times and the signature.
func (c *claimsToken[W]) verify(t *token, now time.Time) error {
	if err := checkTimes(c.Exp, c.Nbf, now); err != nil {
		return err
	}
	_, key, err := decodePublic(c.Iss)
	if err != nil {
		return err
	}
	return verifyToken(t, key)
}

func (c *claimsToken[W]) validity() Validity {
	v := Validity{TokenID: c.JTI, IssuedAt: seconds(c.IAT)}
	if c.Exp != nil {
		v.Expires = seconds(*c.Exp)
	}
	if c.Nbf != nil {
		v.NotBefore = seconds(*c.Nbf)
	}
	return v
}

// revision is that of the form of the token; 0: it does not say one, as the oldest tools did not.
func (c *claimsToken[W]) revision() uint32 {
	if c.Revision == nil {
		return 0
	}
	return *c.Revision
}

func seconds(u uint64) int64 { return int64(min(u, 1<<63-1)) }

// appendClaims writes the claims of a module or provider in the order of the reference implementation; wascap writes
// the fields of its object.
func appendClaims(v Validity, iss, sub string, wascap func([]byte) []byte) []byte {
	b := append(make([]byte, 0, 1024), '{')
	if v.Expires != 0 {
		b = strconv.AppendInt(appendKey(b, "exp"), v.Expires, 10)
	}
	b = appendField(b, "jti", v.TokenID)
	b = strconv.AppendInt(appendKey(b, "iat"), v.IssuedAt, 10)
	b = appendField(b, "iss", iss)
	if v.NotBefore != 0 {
		b = strconv.AppendInt(appendKey(b, "nbf"), v.NotBefore, 10)
	}
	b = appendField(b, "sub", sub)
	b = append(wascap(append(appendKey(b, "wascap"), '{')), '}')
	b = strconv.AppendInt(appendKey(b, "wascap_revision"), wascapRevision, 10)
	return append(b, '}')
}

// checkSigners checks what both SignModule and WriteArchive need.
func checkSigners(op string, v Validity, account, subject KeyPair, kind byte) error {
	if account.Kind() != KindAccount {
		return wrongKind(op, account, KindAccount)
	}
	if subject.Kind() != kind {
		return wrongKind(op, subject, kind)
	}
	if v.IssuedAt < 0 || v.Expires < 0 || v.NotBefore < 0 {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Detail: "a time is negative"}
	}
	return nil
}
