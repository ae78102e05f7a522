package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/grant"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice/subject"
)

// notUsedHere are rights that no part of weft uses in this test, and why they are granted.
var notUsedHere = map[string]string{
	"$JS.API.INFO":               "NATS's clients ask whether there is JetStream",
	"$JS.API.STREAM.NAMES":       "NATS's clients look for the stream of a subject",
	"$JS.API.STREAM.MSG.DELETE.": "kv purge and object stores of NATS's clients",
	"$JS.API.STREAM.PURGE.":      "deleting objects: artifacts that are replaced, payloads that are left behind",
	"$JS.API.STREAM.MSG.GET.":    "reading where direct gets are off, as in buckets that others have made",
	"$JS.API.DIRECT.GET.":        "reading the state by key, artifacts and payloads",
	"$JS.API.CONSUMER.INFO.":     "NATS's clients look after their consumers",
	"$JS.API.CONSUMER.DELETE.":   "the end of a watch",
	"$JS.API.CONSUMER.MSG.NEXT.": "reading by pulling, which only large payloads do; others push",
	"$JS.API.CONSUMER.CREATE.":   "without a filter, as old clients",
	"$JS.API.STREAM.CREATE.":     "of buckets that the host has made before",
	"$JS.ACK.":                   "consumers that want it, as old clients make them",
	"$JS.FC.":                    "only when a reader falls behind",
	"wadm.api.":                  "an application manager's clients",
	"wasmbus.rpc.{l}.*.*.health": "wash and the SDKs of providers",
	"wasmbus.rpc.{l}.*.*.links":  "weft link list asks",
	"$O.WEFT_ARTIFACTS_{l}.":     "a host keeps references of what it pulled",
	"$O.{l}.":                    "large payloads",
	"$KV.LATTICEDATA_{l}.":       "an operator's wash ctl",
	"wasmbus.rpc.{l}.*.*":        "an operator's calls of providers",
}

// A lattice that does all that weft does uses each right that its roles have, but for those that are granted for
// others, and nothing else: that is refused, which ends every test of this package (process.noFaults).
func TestRightsAreUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	witness := r.newToken("witness", "--role", "operator", "--allow-subscribe", ">").Connection()
	nc, err := natsconn.Connect(t.Context(), witness)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var mu sync.Mutex
	seen := map[string]bool{}
	if _, err := nc.Subscribe(">", func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		seen[strings.Replace(m.Subject, "weft.js.", "$JS.API.", 1)] = true
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-nats", "--host", "b")
	r.actor(module("pinger"), "--host", "a", "--max", "4")
	r.actor(module("ponger"), "--host", "b", "--max", "4")
	r.actor(module("guest"), "--host", "b", "--max", "4")
	r.actor(module("kvcounter"), "--host", "a", "--max", "4")
	pinger, guest, counter := r.web("pinger"), r.web("guest"), r.web("kvcounter")
	r.weft("link", "put", "kvcounter", "keyvalue-nats")
	want(t, "GET", pinger+"/", nil, 200, `{"value":"pong"}`)
	want(t, "GET", counter+"/x", nil, 200, `{"counter":1}`)
	// over NATS, in pieces
	if status, _, err := request("POST", guest+"/echo", bytes.Repeat([]byte("large"), 1<<19)); err != nil {
		t.Errorf("a large request: %d %v", status, err)
	}
	r.weft("call", "guest", "Guest.Echo", `"hi"`)
	for _, list := range []string{"host", "actor", "provider", "link"} {
		r.weft(list, "list")
	}
	want(t, "POST", guest+"/log", []byte("something happened"), 200, "")
	r.weft("logs", "guest")
	r.weft("link", "del", "kvcounter", "keyvalue-nats")
	r.weft("provider", "stop", "keyvalue-nats")
	r.weft("actor", "stop", "ponger")

	c := subject.Control{Lattice: r.lattice}
	roles := map[string]grant.Grant{"host": grant.Host(c), "operator": grant.Operator(c),
		"provider": grant.Provider(r.lattice, httpserverID, "default", false),
		"keeper":   grant.Provider(r.lattice, kvnatsID, "default", true)}
	unused := func() (list []string) {
		mu.Lock()
		defer mu.Unlock()
		for role, g := range roles {
		patterns:
			for _, p := range g.Publish {
				for s := range seen {
					if matches(p, s) {
						continue patterns
					}
				}
				plain := strings.NewReplacer("_"+string(r.lattice), "_{l}", "."+string(r.lattice), ".{l}").Replace(p)
				for why := range notUsedHere {
					if strings.HasPrefix(plain, why) {
						continue patterns
					}
				}
				list = append(list, role+" may publish "+p)
			}
		}
		slices.Sort(list)
		return list
	}
	latticetest.Eventually(t, func() error {
		if list := unused(); len(list) > 0 {
			return fmt.Errorf("granted, but never used:\n%s", strings.Join(list, "\n"))
		}
		return nil
	})
}

// matches reports whether a subject is one of a pattern's.
func matches(pattern, s string) bool {
	p, tokens := strings.Split(pattern, "."), strings.Split(s, ".")
	for i, want := range p {
		switch {
		case want == ">":
			return len(tokens) > i
		case i >= len(tokens) || want != "*" && want != tokens[i]:
			return false
		}
	}
	return len(p) == len(tokens)
}
