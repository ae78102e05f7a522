package signing

import (
	"crypto/ed25519"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nuid"

	"github.com/weftlattice/weft/lattice"
)

// Invocation is what the token of an invocation binds.
type Invocation struct {
	ID                   string
	OriginURL, TargetURL string
	Hash                 string // upper-case hex SHA-256 over both URLs, the operation and the whole payload
}

// SignInvocation returns the claims token of one invocation, signed by the cluster key. The token never expires. A key
// of another kind than cluster is ErrInvalid.
func SignInvocation(cluster KeyPair, inv Invocation, now time.Time) (string, error) {
	if cluster.Kind() != KindCluster {
		return "", wrongKind("sign invocation", cluster, KindCluster)
	}
	var buf [768]byte // holds the claims of any invocation with names of usual length
	claims := appendInvocationClaims(buf[:0], nuid.Next(), now.Unix(), cluster.Public(), &inv)
	return signToken(cluster, claims), nil
}

// appendInvocationClaims writes the claims as JSON, by hand: one is made for each call that is signed.
func appendInvocationClaims(b []byte, jti string, iat int64, issuer string, inv *Invocation) []byte {
	b = appendField(append(b, '{'), "jti", jti)
	b = strconv.AppendInt(appendKey(b, "iat"), iat, 10)
	b = appendField(b, "iss", issuer)
	b = appendField(b, "sub", inv.ID)
	b = append(appendKey(b, "wascap"), '{')
	b = appendField(b, "target_url", inv.TargetURL)
	b = appendField(b, "origin_url", inv.OriginURL)
	b = appendField(b, "hash", inv.Hash)
	b = append(b, '}')
	b = strconv.AppendInt(appendKey(b, "wascap_revision"), wascapRevision, 10)
	return append(b, '}')
}

// Verified is what the claims of an invocation say that its receiver cannot know otherwise.
type Verified struct {
	ID       string    // the id that was signed; never empty
	IssuedAt time.Time // by the clock of the signer, in whole seconds; zero when the claims do not say
}

// VerifyInvocation checks the claims token of an invocation against what the receiver computed itself: both URLs and
// the hash over the complete payload. A non-empty ID must be the one the token was made for. The checks come in this
// order, each with its own code: ErrTokenMalformed, ErrTokenExpired, ErrTokenNotYetValid, ErrTokenSignature,
// ErrUnknownIssuer, and ErrHashMismatch for id, URLs and hash. A time bound is compared in whole seconds; exp is valid
// to its last second. How old a token may be is up to the receiver, who finds its age in the result.
func (v *Verifier) VerifyInvocation(tokenText string, want Invocation, now time.Time) (Verified, error) {
	t, err := splitToken(tokenText, maxInvocationToken)
	if err != nil {
		return Verified{}, err
	}
	c, err := parseInvocationClaims(t.claims)
	if err != nil {
		return Verified{}, err
	}
	key, trusted := v.lookup(c.iss)
	if !trusted {
		var raw []byte
		if _, raw, err = decodePublic(string(c.iss)); err != nil {
			return Verified{}, malformed("iss is no public key")
		}
		key = ed25519.PublicKey(raw)
	}
	if err := checkTimes(c.exp.ptr(), c.nbf.ptr(), now); err != nil {
		return Verified{}, err
	}
	if err := verifyToken(&t, key); err != nil {
		return Verified{}, err
	}
	if !trusted {
		return Verified{}, unknownIssuer(string(c.iss))
	}
	switch {
	case want.ID != "" && string(c.sub) != want.ID:
		return Verified{}, differs("id ", want.ID, c.sub)
	case string(c.targetURL) != want.TargetURL:
		return Verified{}, differs("target ", want.TargetURL, c.targetURL)
	case string(c.originURL) != want.OriginURL:
		return Verified{}, differs("origin ", want.OriginURL, c.originURL)
	case string(c.hash) != want.Hash:
		return Verified{}, differs("", want.Hash, c.hash)
	}
	if want.ID == "" {
		want.ID = string(c.sub)
	}
	return Verified{ID: want.ID, IssuedAt: c.iat.time()}, nil
}

// unknownIssuer says which key is not trusted, and the way out.
func unknownIssuer(key string) error {
	return &lattice.Error{Code: lattice.ErrUnknownIssuer, Detail: lattice.Printable(key) + "; one end of the call " +
		"has this cluster key, and the other does not trust it; all hosts of a lattice need the same: start the one " +
		"that has the wrong key again with --join TOKEN or --cluster-seed-file FILE"}
}

func differs(what, have string, signed []byte) error {
	return &lattice.Error{Code: lattice.ErrHashMismatch,
		Detail: what + "(" + lattice.Printable(have) + " / " + lattice.Printable(string(signed)) + ")"}
}

// wrongKind names the kinds of keys, and never the key's seed.
func wrongKind(op string, k KeyPair, want byte) error {
	detail := "no key given"
	if !k.IsZero() {
		detail = fmt.Sprintf("%s is a key of kind %s", k.Public(), KindName(k.Kind()))
	}
	return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Detail: detail + ", want one of kind " + KindName(want)}
}

// invocationClaims are the claims that matter to a receiver. The slices point into the decoded token.
type invocationClaims struct {
	exp, nbf, iat              optional
	iss, sub                   []byte
	targetURL, originURL, hash []byte
}

// optional is a number that may be missing.
type optional struct {
	value uint64
	set   bool
}

func (o *optional) ptr() *uint64 {
	if !o.set {
		return nil
	}
	return &o.value
}

// time is the moment that a number of seconds means; zero when it is missing.
func (o *optional) time() time.Time {
	if !o.set {
		return time.Time{}
	}
	return time.Unix(int64(min(o.value, 1<<40)), 0)
}

// parseInvocationClaims reads what a verification needs, in one pass and without copies. Fields that it does not know
// are passed over, since the dialect's hosts write more than one version of these claims.
func parseInvocationClaims(data []byte) (c invocationClaims, err error) {
	j := scanner{data: data}
	wascap := false
	ok := j.object(func(key []byte) bool {
		switch string(key) {
		case "exp":
			return j.number(&c.exp)
		case "nbf":
			return j.number(&c.nbf)
		case "iat":
			return j.number(&c.iat)
		case "iss":
			return j.text(&c.iss)
		case "sub":
			return j.text(&c.sub)
		case "wascap":
			wascap = true
			return j.object(func(key []byte) bool {
				switch string(key) {
				case "target_url":
					return j.text(&c.targetURL)
				case "origin_url":
					return j.text(&c.originURL)
				case "hash":
					return j.text(&c.hash)
				}
				return j.skip()
			})
		}
		return j.skip()
	}) && j.end()
	switch {
	case !ok:
		return c, malformed("claims are not the JSON of an invocation")
	case len(c.iss) == 0 || len(c.sub) == 0:
		return c, malformed("iss or sub is missing")
	case !wascap || len(c.hash) == 0:
		return c, malformed("wascap claims are missing")
	}
	return c, nil
}
