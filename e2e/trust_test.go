package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// newKey makes a key of a kind.
func newKey(t *testing.T, kind byte) signing.KeyPair {
	t.Helper()
	k, err := signing.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// client calls actors as a host with a given cluster key would.
func (r *rig) client(cluster signing.KeyPair) *rpc.Client {
	return rpc.NewClient(r.nc, rpc.ClientConfig{Lattice: r.lattice,
		HostID: lattice.HostID(newKey(r.t, signing.KindHost).Public()), Cluster: cluster})
}

// call asks an actor for an operation, in its own name.
func (r *rig) call(id lattice.ActorID, operation string, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e := wire.ActorEntity(id)
	return r.client(r.cluster).Call(ctx, rpc.Call{Origin: e, Target: e, Operation: operation, Payload: payload})
}

// invocation is a good one, signed, to be spoilt.
func (r *rig) invocation(id lattice.ActorID, cluster signing.KeyPair) *wire.Invocation {
	i := &wire.Invocation{Origin: wire.ActorEntity(id), Target: wire.ActorEntity(id), Operation: "Guest.Echo",
		Msg: []byte("hello"), ID: uuid.NewString(),
		HostID: lattice.HostID(newKey(r.t, signing.KindHost).Public()), ContentLength: 5}
	var err error
	if i.EncodedClaims, err = signing.SignInvocation(cluster,
		signing.Invocation{ID: i.ID, OriginURL: i.OriginURL(), TargetURL: i.TargetURL(),
			Hash: i.Hash()}, time.Now()); err != nil {
		r.t.Fatal(err)
	}
	return i
}

// token makes claims with fields that no sender of weft writes, such as an expiry.
func token(cluster signing.KeyPair, i *wire.Invocation, fields string) string {
	b64 := base64.RawURLEncoding
	body := b64.EncodeToString([]byte(`{"typ":"jwt","alg":"Ed25519"}`)) + "." + b64.EncodeToString(fmt.Appendf(nil,
		`{%s,"jti":"AAAAAAAAAAAAAAAAAAAAAA","iat":%d,"iss":%q,"sub":%q,"wascap":{"target_url":%q,"origin_url":%q,`+
			`"hash":%q},"wascap_revision":3}`,
		fields, time.Now().Unix(), cluster.Public(), i.ID, i.TargetURL(), i.OriginURL(), i.Hash()))
	return body + "." + b64.EncodeToString(cluster.Sign([]byte(body)))
}

// Whoever can reach NATS can send to an actor's subject. Only what the cluster key has signed, whole and in time, gets
// through; the rest is refused by name, and counted.
func TestForgedInvocations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a")
	id := r.actor(module("guest"), "--max", "2")
	foreign := newKey(t, signing.KindCluster)
	for _, forgery := range []struct {
		name  string
		spoil func(i *wire.Invocation)
		code  lattice.Code // 0: it is good
	}{
		{"good", func(*wire.Invocation) {}, 0},
		{"good, with an expiry to come", func(i *wire.Invocation) {
			i.EncodedClaims = token(r.cluster, i, fmt.Sprintf(`"exp":%d`, time.Now().Unix()+60))
		}, 0},
		{"without claims", func(i *wire.Invocation) { i.EncodedClaims = "" }, lattice.ErrTokenMalformed},
		{"claims that are none", func(i *wire.Invocation) { i.EncodedClaims = "a.b.c" }, lattice.ErrTokenMalformed},
		{"foreign cluster", func(i *wire.Invocation) { *i = *r.invocation(id, foreign) }, lattice.ErrUnknownIssuer},
		{"foreign cluster that says it is ours", func(i *wire.Invocation) {
			forged := *i
			good := strings.Split(token(r.cluster, &forged, `"exp":99999999999`), ".")
			bad := strings.Split(token(foreign, &forged, `"exp":99999999999`), ".")
			i.EncodedClaims = good[0] + "." + good[1] + "." + bad[2]
		}, lattice.ErrTokenSignature},
		{"expired", func(i *wire.Invocation) {
			i.EncodedClaims = token(r.cluster, i, fmt.Sprintf(`"exp":%d`, time.Now().Unix()-60))
		}, lattice.ErrTokenExpired},
		{"not yet valid", func(i *wire.Invocation) {
			i.EncodedClaims = token(r.cluster, i, fmt.Sprintf(`"nbf":%d`, time.Now().Unix()+600))
		}, lattice.ErrTokenNotYetValid},
		{"altered payload", func(i *wire.Invocation) { i.Msg = []byte("hellO") }, lattice.ErrHashMismatch},
		{"no payload any more", func(i *wire.Invocation) { i.Msg, i.ContentLength = nil, 0 }, lattice.ErrHashMismatch},
		{"altered operation", func(i *wire.Invocation) { i.Operation = "Guest.Other" }, lattice.ErrHashMismatch},
		{"altered origin", func(i *wire.Invocation) {
			i.Origin = wire.ActorEntity(lattice.ActorID(newKey(t, signing.KindModule).Public()))
		}, lattice.ErrHashMismatch},
		{"claims of another invocation", func(i *wire.Invocation) { i.ID = uuid.NewString() }, lattice.ErrHashMismatch},
		{"signed for somebody else", func(i *wire.Invocation) {
			*i = *r.invocation(lattice.ActorID(newKey(t, signing.KindModule).Public()), r.cluster)
		}, lattice.ErrWrongTarget},
	} {
		t.Run(forgery.name, func(t *testing.T) {
			i := r.invocation(id, r.cluster)
			forgery.spoil(i)
			name := ""
			before := 0.0
			if forgery.code != 0 {
				name = forgery.code.Name()
				before = h.metric("weft_refusals_total", `reason="`+name+`"`)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			m, err := r.nc.RequestWithContext(ctx, subject.Actor(r.lattice, id), i.Encode())
			if err != nil {
				t.Fatal(err)
			}
			answer, err := wire.DecodeResponse(m.Data)
			if err != nil {
				t.Fatal(err)
			}
			if forgery.code == 0 {
				if string(answer.Msg) != "hello" || answer.Error != "" {
					t.Errorf("answer %q, error %q", answer.Msg, answer.Error)
				}
				return
			}
			if len(answer.Msg) > 0 || !strings.HasPrefix(answer.Error, forgery.code.Error()) ||
				m.Header.Get("Weft-Error") != name {
				t.Errorf("answer %q, error %q, code %q; want %s", answer.Msg, answer.Error, m.Header.Get("Weft-Error"),
					name)
			}
			h.counts(before+1, "weft_refusals_total", `reason="`+name+`"`)
		})
	}
	if _, err := r.call(id, "Guest.Echo", []byte("still here")); err != nil {
		t.Error(err)
	}
	if _, err := r.nc.Request(subject.Actor(r.lattice, id), []byte("no msgpack \xc1"), 5*time.Second); err != nil {
		t.Errorf("nonsense is not answered: %v", err)
	}

	// The command line has the same answer for a wrong key, with its own exit code.
	res := r.tryWith([]string{"WEFT_CLUSTER_SEED=" + foreign.Seed()}, "call", "guest", "Guest.Echo", "1", "-o", "json")
	if res.code != 5 || !strings.Contains(res.errout, `"code":"unknown_issuer"`) {
		t.Error(res)
	}
}

// Hosts run what an account has signed and nobody has changed since.
func TestUntrustedModules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a", "--allow-file-load")
	signed := filepath.Join(r.dir, "guest_s.wasm")
	r.weft("sign", module("guest"), "--out", signed)
	good, err := os.ReadFile(signed)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(r.dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tampered := write("tampered.wasm", append(append([]byte{}, good...), 0, 3, 1, 'x', 1)) // one more custom section
	expired := filepath.Join(r.dir, "expired.wasm")
	r.weft("sign", module("guest"), "--out", expired, "--expires", "1s")
	unsigned := write("unsigned.wasm", readFile(t, module("guest")))
	nonsense := write("nonsense.wasm", []byte("\x00asm\x01\x00\x00\x00nonsense"))

	refused := func(ref, reason, words string) {
		t.Helper()
		before := h.metric("weft_refusals_total", `reason="`+reason+`"`)
		r.fails(5, words, "actor", "start", ref)
		h.counts(before+1, "weft_refusals_total", `reason="`+reason+`"`)
	}
	refused("file://"+unsigned, "unsigned", "No claims found in source module")
	refused("file://"+tampered, "hash_mismatch", "hash")
	time.Sleep(time.Until(modified(t, expired).Add(2100 * time.Millisecond))) // an expiry has whole seconds
	refused("file://"+expired, "token_expired", "expired")
	if res := r.try("actor", "start", "file://"+nonsense); res.code != 1 && res.code != 5 {
		t.Error(res)
	}
	// The operator's own weft does not even push such a module.
	r.fails(5, "hash", "actor", "start", tampered)
	if inv := r.inventory(h); len(inv.Actors) != 0 {
		t.Errorf("something was started: %+v", inv.Actors)
	}
	r.weft("actor", "start", "file://"+signed)
	if inv := r.inventory(h); len(inv.Actors) != 1 {
		t.Errorf("the good module was not started: %+v", inv.Actors)
	}

	other := r.host("b") // files are not for everybody
	err = r.ctl.ScaleActor(context.Background(), control.ScaleActorRequest{ActorRef: "file://" + signed,
		HostID: other.ID, MaxInstances: 1})
	if err == nil {
		events := get[[]struct{ Name string }](r, "actor", "list", "--host", "b")
		if len(events) > 0 {
			t.Error("a host loads files though nobody allowed it")
		}
	} else if !errors.Is(err, lattice.ErrDenied) {
		t.Error(err)
	}
	r.fails(5, "", "actor", "start", "file://"+signed, "--host", "b")
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// An actor reaches what both its claims and a link grant, and nothing else.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a")
	r.weft("provider", "start", "httpserver")
	r.weft("provider", "start", "keyvalue-nats")

	// Claims without a link.
	r.actor(module("kvcounter"))
	url := r.web("kvcounter")
	status, body := fetch(t, "GET", url+"/", nil)
	if status != 500 || !strings.Contains(body, lattice.ErrUnlinked.Error()) {
		t.Errorf("no link: %d %s", status, body)
	}
	// Both.
	r.weft("link", "put", "kvcounter", "keyvalue-nats")
	want(t, "GET", url+"/", nil, 200, `{"counter":1}`)

	// A link without claims.
	r.actor(module("kvcounter"), "--name", "poor", "--cap", "wasmcloud:httpserver")
	r.weft("link", "put", "poor", "keyvalue-nats")
	poor := r.web("poor")
	status, body = fetch(t, "GET", poor+"/", nil)
	if status != 500 || !strings.Contains(body, lattice.ErrMissingCapability.Error()) {
		t.Errorf("no claim: %d %s", status, body)
	}
	h.counts(1, "weft_refusals_total", `reason="missing_capability"`)
	h.counts(1, "weft_refusals_total", `reason="unlinked"`)
}
