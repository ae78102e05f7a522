package host_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
)

// What a httpserver of another SDK writes and reads, by a msgpack library that is not weft's.
type (
	foreignEntity struct {
		PublicKey string `msgpack:"public_key"`
		LinkName  string `msgpack:"link_name"`
		Contract  string `msgpack:"contract_id"`
	}
	foreignInvocation struct {
		Origin        foreignEntity     `msgpack:"origin"`
		Target        foreignEntity     `msgpack:"target"`
		Operation     string            `msgpack:"operation"`
		Msg           []byte            `msgpack:"msg"`
		ID            string            `msgpack:"id"`
		EncodedClaims string            `msgpack:"encoded_claims"`
		HostID        string            `msgpack:"host_id"`
		ContentLength uint64            `msgpack:"content_length"`
		TraceContext  map[string]string `msgpack:"traceContext"`
	}
	foreignAnswer struct {
		Msg           []byte `msgpack:"msg"`
		InvocationID  string `msgpack:"invocation_id"`
		Error         string `msgpack:"error"`
		ContentLength uint64 `msgpack:"content_length"`
	}
	foreignRequest struct {
		Body   []byte              `msgpack:"body"`
		Header map[string][]string `msgpack:"header"`
		Method string              `msgpack:"method"`
		Path   string              `msgpack:"path"`
		Query  string              `msgpack:"queryString"`
	}
	foreignResponse struct {
		Status uint16              `msgpack:"statusCode"`
		Header map[string][]string `msgpack:"header"`
		Body   []byte              `msgpack:"body"`
	}
)

// foreignInline is how many bytes of a payload go within a message; what is larger goes by the lattice's object store.
const foreignInline = 900 << 10

// foreignServer is a httpserver of another SDK, which knows of no streams. It knows the lattice's cluster key, as
// all its providers do.
type foreignServer struct {
	*rig
	id, host string
	store    jetstream.ObjectStore
}

func (r *rig) foreignServer() *foreignServer {
	r.t.Helper()
	f := &foreignServer{rig: r, id: string(r.env.ProviderID(r.t)), host: string(r.env.HostID(r.t))}
	js, err := jetstream.New(r.nc)
	if err == nil {
		f.store, err = js.CreateOrUpdateObjectStore(r.t.Context(),
			jetstream.ObjectStoreConfig{Bucket: string(r.env.Lattice)})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// handle asks an actor to answer a request. answer is nil when the invocation has failed, which refused tells.
func (f *foreignServer) handle(t *testing.T, actor lattice.ActorID, q foreignRequest) (answer *foreignResponse,
	refused string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	payload, err := msgpack.Marshal(&q)
	must(err)
	inv := foreignInvocation{Origin: foreignEntity{f.id, "default", "wasmcloud:httpserver"},
		Target: foreignEntity{PublicKey: string(actor)}, Operation: "HttpServer.HandleRequest", Msg: payload,
		ID: uuid.NewString(), HostID: f.host, ContentLength: uint64(len(payload)),
		TraceContext: map[string]string{}}
	origin := "wasmbus://wasmcloud/httpserver/default/" + f.id
	target := "wasmbus://" + string(actor) + "/" + inv.Operation
	sum := sha256.Sum256(append([]byte(origin+target+inv.Operation), payload...))
	inv.EncodedClaims, err = signing.SignInvocation(f.env.Cluster, signing.Invocation{ID: inv.ID, OriginURL: origin,
		TargetURL: target, Hash: fmt.Sprintf("%X", sum)}, time.Now())
	must(err)
	if len(payload) > foreignInline {
		_, err := f.store.PutBytes(t.Context(), inv.ID, payload)
		must(err)
		inv.Msg = nil
	}
	b, err := msgpack.Marshal(&inv)
	must(err)
	reply, err := f.nc.Request("wasmbus.rpc."+string(f.env.Lattice)+"."+string(actor), b, time.Minute)
	must(err)
	var got foreignAnswer
	must(msgpack.Unmarshal(reply.Data, &got))
	if got.InvocationID != inv.ID {
		t.Errorf("the answer is to %q", got.InvocationID)
	}
	if got.Error != "" {
		return nil, got.Error
	}
	if got.ContentLength > uint64(len(got.Msg)) {
		got.Msg, err = f.store.GetBytes(t.Context(), inv.ID+"-r")
		must(err)
		must(f.store.Delete(t.Context(), inv.ID+"-r"))
	}
	if got.ContentLength != uint64(len(got.Msg)) {
		t.Errorf("an answer of %d bytes has %d", got.ContentLength, len(got.Msg))
	}
	answer = new(foreignResponse)
	must(msgpack.Unmarshal(got.Msg, answer))
	return answer, ""
}

// A httpserver that knows no streams gets whole answers of a component that streams them, and a component the whole
// body of its request.
func TestForeignServerOfAComponentThatStreams(t *testing.T) {
	r := newRig(t)
	h := r.host(nil)
	code, err := os.ReadFile("internal/component/testdata/stream.wasm")
	if err != nil {
		t.Fatal(err)
	}
	key := latticetest.NewKey(t, 'M')
	signed, err := signing.SignModule(code, r.account, key, signing.ActorClaims{Name: "stream",
		Caps: []lattice.ContractID{"wasmcloud:httpserver"}})
	if err != nil {
		t.Fatal(err)
	}
	r.start(h, control.ScaleActorRequest{ActorRef: r.file(key.Public()+".wasm", signed), MaxInstances: 1})
	f := r.foreignServer()
	events := ""
	for i := range 3 {
		events += fmt.Sprintf("data: %d\n\n", i)
	}
	small, large := bytes.Repeat([]byte("weft"), 100_000), bytes.Repeat([]byte("weft"), 1_000_000)
	for _, c := range []struct {
		name, method, path, query string
		body, want                []byte
	}{
		{"a small answer", "GET", "/", "", nil, []byte("hello\n")},
		{"one that comes in pieces", "GET", "/sse", "n=3&ms=1", nil, []byte(events)},
		{"one that a message holds", "GET", "/big", "n=500000", nil, bytes.Repeat([]byte("x"), 500_000)},
		{"one that the store holds", "GET", "/big", "n=3000000", nil, bytes.Repeat([]byte("x"), 3_000_000)},
		{"one of a length", "GET", "/big", "length=70000", nil, bytes.Repeat([]byte("x"), 70_000)},
		{"a body that a message holds", "POST", "/echo", "", small, small},
		{"a body that the store holds", "POST", "/echo", "", large, large},
		{"a body that is counted", "POST", "/count", "", large, []byte("4000000\n")},
		{"a body that is not read", "POST", "/drop", "", large, []byte("dropped\n")},
		{"trailers, for which it has no place", "POST", "/trailers", "", small, small},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, refused := f.handle(t, actorID(key), foreignRequest{Method: c.method, Path: c.path, Query: c.query,
				Header: map[string][]string{"host": {"x"}}, Body: c.body})
			if refused != "" || got.Status != 200 || !bytes.Equal(got.Body, c.want) || got.Header == nil {
				t.Errorf("%q, %+.100v, want %d bytes", refused, got, len(c.want))
			}
		})
	}
	for _, c := range []struct {
		name, path, query, want string
	}{
		{"an answer that is too large", "/big", "n=200000000", "too large: a response of more than 134217728 bytes"},
		{"one that breaks after its head", "/trap", "", "after the head"},
		{"one that is left unfinished", "/short", "", "without finishing the body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, refused := f.handle(t, actorID(key), foreignRequest{Method: "GET", Path: c.path, Query: c.query,
				Header: map[string][]string{"host": {"x"}}})
			if !strings.Contains(refused, c.want) {
				t.Errorf("%q, %+.100v, want %q", refused, got, c.want)
			}
		})
	}
	// It serves on after all that.
	if got, refused := f.handle(t, actorID(key), foreignRequest{Method: "GET", Path: "/"}); refused != "" ||
		string(got.Body) != "hello\n" {
		t.Errorf("afterwards: %q, %+v", refused, got)
	}
}
