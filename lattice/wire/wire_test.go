package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/weftlattice/weft/lattice"
)

var update = flag.Bool("update", false, "rewrite testdata; a changed file is a protocol change")

const (
	actorKey    = "MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR"
	providerKey = "VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW"
	hostKey     = "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"
	invID       = "5ed5eabc-38fa-4c61-9a1c-5b1c6b7c1a10"
)

func sampleInvocation() *Invocation {
	return &Invocation{
		Origin:    ActorEntity(actorKey),
		Target:    ProviderEntity(providerKey, "wasmcloud:keyvalue", "default"),
		Operation: "KeyValue.Get", Msg: []byte("\xa5hello"), ID: invID, EncodedClaims: "h.c.s", HostID: hostKey,
		ContentLength: 6,
	}
}

// The vector of the dialect's reference, computed independently of this code.
func TestHashVector(t *testing.T) {
	i := sampleInvocation()
	if got, want := i.OriginURL(), "wasmbus://"+actorKey; got != want {
		t.Errorf("origin url %s, want %s", got, want)
	}
	if got, want := i.TargetURL(), "wasmbus://wasmcloud/keyvalue/default/"+providerKey+"/KeyValue.Get"; got != want {
		t.Errorf("target url %s, want %s", got, want)
	}
	if got, want := i.Hash(), "BBA5A5413A01F3C3692947E455EE8E1D4F964767233CF4882731725B00F91E40"; got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
	if got, want := LinkID("Mbob", "wasmcloud:testy", "default"),
		"B40411AD09B70A2C83D59923584F66BA2C5A3C274DC4F19416DA49CCD6531F9C"; got != want {
		t.Errorf("link id %s, want %s", got, want)
	}
	odd := Entity{PublicKey: "V1", LinkName: "My Link", ContractID: "Acme:Big Thing"}
	if got, want := odd.URL(), "wasmbus://acme/big_thing/my_link/V1"; got != want {
		t.Errorf("url %s, want %s", got, want)
	}
}

// URLs are spelt by what the strings package makes of the names, in whatever script.
func TestURLSpelling(t *testing.T) {
	for _, name := range []string{"", "wasmcloud:httpserver", "A:B c", "größe: X", "İ ẞ:Σ", "tab\tand\x00", "a\xffB"} {
		e := Entity{PublicKey: providerKey, ContractID: lattice.ContractID(name), LinkName: lattice.LinkName(name)}
		contract := strings.ToLower(strings.NewReplacer(":", "/", " ", "_").Replace(name))
		link := strings.ToLower(strings.ReplaceAll(name, " ", "_"))
		want := "wasmbus://" + contract + "/" + link + "/" + providerKey
		if got := e.URL(); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
		i := &Invocation{Origin: e, Target: ActorEntity(actorKey), Operation: "A.B"}
		if origin, target := i.URLs(); origin != want || target != i.TargetURL() {
			t.Errorf("%q: %s, %s", name, origin, target)
		}
	}
}

func TestGolden(t *testing.T) {
	traced := sampleInvocation()
	traced.TraceContext = map[string]string{"tracestate": "a=b",
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	timed := sampleInvocation()
	timed.Timeout = 1500
	link := LinkDefinition{ActorID: actorKey, ProviderID: providerKey, LinkName: "default",
		ContractID: "wasmcloud:keyvalue",
		Values:     map[string]string{"URL": "redis://127.0.0.1:6379", "PREFIX": "a"}}
	for name, got := range map[string][]byte{
		"invocation":        sampleInvocation().Encode(),
		"invocation_traced": traced.Encode(),
		"invocation_timed":  timed.Encode(),
		"response":          (&Response{Msg: []byte{0x2a}, InvocationID: invID, ContentLength: 1}).Encode(),
		"response_error":    (&Response{InvocationID: invID, Error: "unlinked actor"}).Encode(),
		"link":              link.Encode(),
		"health":            Health{Healthy: true}.Encode(),
		"health_message":    Health{Message: "no disk"}.Encode(),
		"hostdata": HostData{HostID: hostKey, LatticeRPCPrefix: "default", LinkName: "default",
			LatticeRPCURL: "nats://127.0.0.1:4222",
			ProviderKey:   providerKey, InvocationSeed: "SC", InstanceID: invID,
			LinkDefinitions: []LinkDefinition{link},
			ClusterIssuers:  []lattice.ClusterID{"C"}, DefaultRPCTimeoutMS: 2000}.Encode(),
	} {
		file := filepath.Join("testdata", name+".hex")
		text := hex.Dump(got)
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s changed:\n%s\nwant\n%s", name, text, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	inv := sampleInvocation()
	inv.TraceContext, inv.Timeout = map[string]string{"traceparent": "x"}, 1500
	inv.Depth = 7
	got, err := DecodeInvocation(inv.Encode())
	if err != nil || !reflect.DeepEqual(got, inv) {
		t.Errorf("got %+v, %v; want %+v", got, err, inv)
	}
	resp := &Response{Msg: []byte("ok"), InvocationID: invID, ContentLength: 2}
	r, err := DecodeResponse(resp.Encode())
	if err != nil || !reflect.DeepEqual(r, resp) {
		t.Errorf("got %+v, %v; want %+v", r, err, resp)
	}
	h, err := DecodeHealth(Health{Healthy: true, Message: "m"}.Encode())
	if err != nil || !h.Healthy || h.Message != "m" {
		t.Errorf("got %+v, %v", h, err)
	}
	data := HostData{HostID: hostKey, LinkDefinitions: []LinkDefinition{{ActorID: actorKey}},
		InvocationSeed: "SCsecret"}
	d, err := DecodeHostData(data.Encode())
	if err != nil || d.HostID != hostKey || len(d.LinkDefinitions) != 1 || d.LinkDefinitions[0].Values == nil {
		t.Errorf("got %+v, %v", d, err)
	}
	if data.LinkDefinitions[0].Values != nil {
		t.Error("Encode changed the caller's links")
	}
}

// What other implementations of the dialect send.
func TestDecodeForeign(t *testing.T) {
	enc := func(v any) []byte {
		b, err := msgpack.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	inv, err := DecodeInvocation(enc(map[string]any{"msg": []int{1, 2, 255}, "operation": "A.B", "id": "x",
		"origin":       map[string]any{"public_key": "M", "extra": map[string]any{"deep": []any{1, nil, "x"}}},
		"traceContext": nil}))
	if err != nil || !bytes.Equal(inv.Msg, []byte{1, 2, 255}) || inv.ContentLength != 3 {
		t.Errorf("old invocation: %+v, %v", inv, err)
	}
	resp, err := DecodeResponse(enc(map[string]any{"error": "boom", "invocation_id": "x", "instance_id": "y",
		"msg": "text"}))
	if err != nil || resp.Error != "boom" || string(resp.Msg) != "text" {
		t.Errorf("error reply without content_length: %+v, %v", resp, err)
	}
	link, err := DecodeLinkDefinition(enc(map[string]any{"actor_id": "M", "id": "hash",
		"values": map[string]string{"a": "b"}}))
	if err != nil || link.ActorID != "M" || link.Values["a"] != "b" {
		t.Errorf("link: %+v, %v", link, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 100)...)
	for name, b := range map[string][]byte{"empty": nil, "array": {0x90}, "cut": sampleInvocation().Encode()[:60],
		"deep":            deep,
		"bytes above 255": {0x81, 0xa3, 'm', 's', 'g', 0x91, 0xcd, 1, 0}, "huge length": {0x81, 0xa3, 'm', 's', 'g',
			0xc6, 0xff, 0xff, 0xff, 0xff}} {
		if _, err := DecodeInvocation(b); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	for _, line := range []string{"", "\n", "!!", "e30", strings.Repeat("A", 99)} {
		if _, err := DecodeHostData([]byte(line)); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("host data %q: %v, want ErrInvalid", line, err)
		}
	}
}

// A few bytes that promise gigabytes cost nothing, however often they come: what a decoder has made room for would
// stay.
func TestFalseLengthsCostNothing(t *testing.T) {
	for _, claim := range []string{"\x81\xc6\xae\x4b\x6e\x48", "\x81\xdb\xff\xff\xff\xff",
		"\x81\xa1k\xc9\xff\xff\xff\xff\x00", "\x81\xa6origin\xdf\xff\xff\xff\xff", "\x81\xa3msg\xc6\xff\xff\xff\xff"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 1000 {
			if _, err := DecodeInvocation([]byte(claim)); lattice.CodeOf(err) != lattice.ErrInvalid {
				t.Fatalf("%x: %v", claim, err)
			}
			if _, err := DecodeResponse([]byte(claim)); lattice.CodeOf(err) != lattice.ErrInvalid {
				t.Fatalf("%x: %v", claim, err)
			}
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%x: 2000 messages took %d MiB", claim, used>>20)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sampleInvocation().Encode())
	f.Add((&Response{Msg: []byte("x"), InvocationID: "i", Error: "e"}).Encode())
	f.Add(LinkDefinition{Values: map[string]string{"a": "b"}}.Encode())
	f.Add(Health{Healthy: true, Message: "m"}.Encode())
	f.Add(HostData{HostID: "N"}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if i, err := DecodeInvocation(b); err == nil {
			if again, err := DecodeInvocation(i.Encode()); err != nil || again.Hash() != i.Hash() {
				t.Fatalf("invocation does not survive a round trip: %v", err)
			}
		}
		if r, err := DecodeResponse(b); err == nil {
			if again, err := DecodeResponse(r.Encode()); err != nil || !bytes.Equal(again.Msg, r.Msg) ||
				again.Error != r.Error {
				t.Fatalf("response does not survive a round trip: %v", err)
			}
		}
		if l, err := DecodeLinkDefinition(b); err == nil {
			if again, err := DecodeLinkDefinition(l.Encode()); err != nil || !again.Equal(l) {
				t.Fatalf("link does not survive a round trip: %v", err)
			}
		}
		_, _ = DecodeHealth(b)
		_, _ = DecodeHostData(b)
	})
}

func BenchmarkInvocation(b *testing.B) {
	inv := sampleInvocation()
	inv.EncodedClaims = strings.Repeat("c", 700)
	b.ReportAllocs()
	for b.Loop() {
		got, err := DecodeInvocation(inv.Encode())
		if err != nil || got.ID != inv.ID {
			b.Fatal(err)
		}
	}
}

func TestTheFirstUnknownReservedValueIsNamed(t *testing.T) {
	for range 50 { // maps are walked in any order
		_, err := LinkDefinition{Values: map[string]string{"weft.c": "1", "weft.b": "1", "weft.a": "1",
			"weft.d": "1"}}.Route()
		if err == nil || !strings.Contains(err.Error(), "weft.a") {
			t.Fatal(err)
		}
	}
}
