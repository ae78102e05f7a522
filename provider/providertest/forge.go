package providertest

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// invocation makes a correct one, unsigned.
func (p *Process) invocation(actor lattice.ActorID, operation string, payload []byte) *wire.Invocation {
	return &wire.Invocation{Origin: wire.ActorEntity(actor),
		Target:    wire.ProviderEntity(p.Provider, p.Contract, p.Link),
		Operation: operation, Msg: payload, ID: uuid.NewString(), HostID: p.Host, ContentLength: uint64(len(payload))}
}

// sign signs as clients do.
func sign(t testing.TB, inv *wire.Invocation, key signing.KeyPair) *wire.Invocation {
	t.Helper()
	claims, err := signing.SignInvocation(key,
		signing.Invocation{ID: inv.ID, OriginURL: inv.OriginURL(), TargetURL: inv.TargetURL(),
			Hash: inv.Hash()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	inv.EncodedClaims = claims
	return inv
}

// signUntil signs with an expiry, which clients never set but receivers must mind.
func signUntil(t testing.TB, inv *wire.Invocation, key signing.KeyPair, expires time.Time) *wire.Invocation {
	t.Helper()
	claims, err := json.Marshal(map[string]any{"exp": expires.Unix(), "iat": expires.Unix() - 60,
		"iss": key.Public(), "sub": inv.ID,
		"jti": "AAAAAAAAAAAAAAAAAAAAAA", "wascap_revision": 3,
		"wascap": map[string]string{"target_url": inv.TargetURL(), "origin_url": inv.OriginURL(), "hash": inv.Hash()}})
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(`{"typ":"jwt","alg":"Ed25519"}`)) + "." + b64(claims)
	inv.EncodedClaims = text + "." + b64(key.Sign([]byte(text)))
	return inv
}

// forgery is an invocation that must be refused.
type forgery struct {
	make func() *wire.Invocation
	want lattice.Code
}

// forgeries are what a provider must not serve, all in the name of an actor that is linked.
func (p *Process) forgeries(t testing.TB, actor lattice.ActorID, operation string, payload []byte) map[string]forgery {
	good := func() *wire.Invocation { return p.invocation(actor, operation, payload) }
	signed := func(change func(*wire.Invocation)) func() *wire.Invocation {
		return func() *wire.Invocation {
			inv := sign(t, good(), p.Lattice.Cluster)
			change(inv)
			return inv
		}
	}
	stranger := latticetest.NewKey(t, 'C')
	return map[string]forgery{
		"no claims":       {good, lattice.ErrTokenMalformed},
		"claims no token": {signed(func(i *wire.Invocation) { i.EncodedClaims = "a.b" }), lattice.ErrTokenMalformed},
		"foreign cluster": {func() *wire.Invocation { return sign(t, good(), stranger) }, lattice.ErrUnknownIssuer},
		"payload altered": {signed(func(i *wire.Invocation) {
			i.Msg = append([]byte("x"), i.Msg...)
			i.ContentLength++
		}), lattice.ErrHashMismatch},
		"origin altered": {signed(func(i *wire.Invocation) { i.Origin = wire.ActorEntity(p.Lattice.ActorID(t)) }),
			lattice.ErrHashMismatch},
		"claims of others": {signed(func(i *wire.Invocation) { i.ID = uuid.NewString() }), lattice.ErrHashMismatch},
		"signature altered": {signed(func(i *wire.Invocation) {
			b := []byte(i.EncodedClaims)
			if c := &b[len(b)-10]; *c == 'A' {
				*c = 'B'
			} else {
				*c = 'A'
			}
			i.EncodedClaims = string(b)
		}), lattice.ErrTokenSignature},
		"issued by a name, signed by another": {func() *wire.Invocation {
			inv := signUntil(t, good(), stranger, time.Now().Add(time.Hour))
			other := signUntil(t, p.invocation(actor, operation, payload), p.Lattice.Cluster, time.Now().Add(time.Hour))
			inv.EncodedClaims = other.EncodedClaims[:len(
				other.EncodedClaims)-86] + inv.EncodedClaims[len(inv.EncodedClaims)-86:]
			return inv
		}, lattice.ErrTokenSignature},
		"expired": {func() *wire.Invocation {
			return signUntil(t, good(), p.Lattice.Cluster, time.Now().Add(-time.Minute))
		}, lattice.ErrTokenExpired},
		"another target": {func() *wire.Invocation {
			inv := good()
			inv.Target.PublicKey = string(p.Lattice.ProviderID(t))
			return sign(t, inv, p.Lattice.Cluster)
		}, lattice.ErrWrongTarget},
		"unlinked actor": {func() *wire.Invocation {
			return sign(t, p.invocation(p.Lattice.ActorID(t), operation, payload), p.Lattice.Cluster)
		}, lattice.ErrUnlinked},
		"a provider as origin": {func() *wire.Invocation {
			inv := good()
			inv.Origin = wire.ProviderEntity(p.Provider, p.Contract, p.Link)
			return sign(t, inv, p.Lattice.Cluster)
		}, lattice.ErrUnlinked},
		"an absurd length": {func() *wire.Invocation {
			inv := good()
			inv.ContentLength = 1 << 40
			return sign(t, inv, p.Lattice.Cluster)
		}, lattice.ErrTooLarge},
		"chunks that are not there": {func() *wire.Invocation {
			inv := good()
			inv.ContentLength = wire.MaxInlineBytes * 2
			return sign(t, inv, p.Lattice.Cluster)
		}, lattice.ErrUnavailable},
	}
}

// send sends an invocation as it is and returns the answer's fields as they are on the wire, and the code header.
func (p *Process) send(t testing.TB, inv []byte) (fields map[string]any, code string) {
	t.Helper()
	reply, err := p.NC.RequestMsg(&nats.Msg{Subject: subject.Provider(p.Lattice.Name, p.Provider, p.Link), Data: inv},
		Patience)
	if err != nil {
		t.Fatalf("no answer: %v; log:\n%s", err, p.stderr)
	}
	if err := msgpack.Unmarshal(reply.Data, &fields); err != nil {
		t.Fatal(err)
	}
	return fields, reply.Header.Get(wire.HeaderError)
}

// refused checks that an answer is an error of the wanted code that every client of the dialect can read.
func refused(t testing.TB, fields map[string]any, code string, want lattice.Code) {
	t.Helper()
	if code != want.Name() {
		t.Errorf("code %q (%v), want %q", code, fields["error"], want.Name())
	}
	if text, _ := fields["error"].(string); text == "" {
		t.Errorf("the answer has no error text: %v", fields)
	}
	if _, ok := fields["content_length"]; !ok {
		t.Errorf("the error answer lacks content_length: %v", fields)
	}
	if b, _ := fields["msg"].([]byte); len(b) > 0 {
		t.Errorf("the error answer has a payload")
	}
}
