package recorded_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/e2e/foreign/recorded"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// cluster is the key of the lattices that were recorded: the one of the protocol's golden vectors.
const cluster = "CAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3R53J"

// rustCluster is the key of the 0.82.0 host that was recorded in a lattice with weft; each trusted the other's.
const rustCluster = "CDYX455DFNAJFEAY2QYH4OY6TWX77RZ6IZPSWQCHIV7BUZSHY7BUZEF6"

// emptyTrace is how software in Rust ends an invocation or response without a trace; weft leaves the key out.
var emptyTrace = []byte("\xactraceContext\x80")

func read(t *testing.T, file string) []recorded.Message {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	messages, err := recorded.Read(f)
	if err != nil || len(messages) == 0 {
		t.Fatalf("%s: %d messages, %v", file, len(messages), err)
	}
	return messages
}

// recordings returns the names of all of them.
func recordings(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("recordings: %v, %v", files, err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

// same compares what weft writes with what was recorded. The only difference allowed is an empty trace.
func same(ours, theirs []byte) bool {
	if bare, ok := bytes.CutSuffix(theirs, emptyTrace); ok {
		bare = bytes.Clone(bare)
		bare[0]-- // the map has a key less
		theirs = bare
	}
	return bytes.Equal(ours, theirs)
}

// Every invocation that was recorded is read, its signature and hash hold, and weft writes the same bytes. So are the
// responses, and the ids agree.
func TestInvocations(t *testing.T) {
	verifier := signing.NewVerifier(cluster, rustCluster)
	for _, file := range recordings(t) {
		messages := read(t, file)
		asked := map[string]*wire.Invocation{} // by the subject of the answer
		for _, m := range messages {
			if inv := asked[m.Subject]; inv != nil {
				checkResponse(t, file, m, inv)
				continue
			}
			s, err := subject.ParseRPC(m.Subject)
			if err != nil || s.Verb != "" {
				continue
			}
			inv, err := wire.DecodeInvocation(m.Data)
			if err != nil {
				t.Errorf("%s line %d: %v", file, m.N, err)
				continue
			}
			asked[m.Reply] = inv
			if string(s.Actor)+string(s.Provider) != inv.Target.PublicKey || s.Link != inv.Target.LinkName {
				t.Errorf("%s line %d: sent on %s to %+v", file, m.N, m.Subject, inv.Target)
			}
			hash := inv.Hash()
			if inv.ContentLength > uint64(len(inv.Msg)) {
				continue // its payload travelled in chunks, which are not in the recording
			}
			if _, err := verifier.VerifyInvocation(inv.EncodedClaims,
				signing.Invocation{ID: inv.ID, OriginURL: inv.OriginURL(), TargetURL: inv.TargetURL(),
					Hash: hash}, time.Now()); err != nil {
				t.Errorf("%s line %d: %v", file, m.N, err)
			}
			if ours := inv.Encode(); !same(ours, m.Data) {
				t.Errorf("%s line %d: recorded\n%q\nweft writes\n%q", file, m.N, m.Data, ours)
			}
		}
	}
}

func checkResponse(t *testing.T, file string, m recorded.Message, inv *wire.Invocation) {
	t.Helper()
	r, err := wire.DecodeResponse(m.Data)
	if err != nil {
		t.Errorf("%s line %d: %v", file, m.N, err)
		return
	}
	if r.InvocationID != inv.ID {
		t.Errorf("%s line %d: answers %q, asked was %q", file, m.N, r.InvocationID, inv.ID)
	}
	if ours := r.Encode(); !same(ours, m.Data) {
		t.Errorf("%s line %d: recorded\n%q\nweft writes\n%q", file, m.N, m.Data, ours)
	}
}

// Link definitions and health answers are read, and weft writes the same bytes.
func TestProviderMessages(t *testing.T) {
	links, healths := 0, 0
	for _, file := range recordings(t) {
		health := map[string]bool{} // subjects of answers
		for _, m := range read(t, file) {
			if health[m.Subject] {
				h, err := wire.DecodeHealth(m.Data)
				if err != nil || !h.Healthy || !bytes.Equal(h.Encode(), m.Data) {
					t.Errorf("%s line %d: %+v, %v; weft writes %q of %q", file, m.N, h, err, h.Encode(), m.Data)
				}
				healths++
				continue
			}
			s, err := subject.ParseRPC(m.Subject)
			switch {
			case err != nil:
			case s.Verb == "health":
				health[m.Reply] = true
			case strings.HasPrefix(s.Verb, "linkdefs."):
				l, err := wire.DecodeLinkDefinition(m.Data)
				if err != nil || l.ProviderID != s.Provider || !bytes.Equal(l.Encode(), m.Data) {
					t.Errorf("%s line %d: %+v, %v; weft writes %q of %q", file, m.N, l, err, l.Encode(), m.Data)
				}
				links++
			}
		}
	}
	if links == 0 || healths == 0 {
		t.Errorf("%d links and %d answers for health were recorded", links, healths)
	}
}

// What the httpserver provider sent is read by the contract's own package, and answered as it was.
func TestHTTP(t *testing.T) {
	requests := 0
	for _, m := range read(t, "provider-httpserver-0.17.1.jsonl") {
		inv, err := wire.DecodeInvocation(m.Data)
		if err != nil || inv.Operation != httpserver.HandleRequest || len(inv.Msg) == 0 {
			continue
		}
		requests++
		req, err := httpserver.DecodeRequest(inv.Msg)
		if err != nil || req.Method == "" || req.Path == "" || len(req.Header["host"]) != 1 {
			t.Errorf("line %d: %+v, %v", m.N, req, err)
		}
		if many := req.Header["x-multi"]; req.Method == "POST" && (len(many) != 2 || string(req.Body) != "hallo") {
			t.Errorf("line %d: %q, body %q; two values and a body were sent", m.N, many, req.Body)
		}
	}
	if requests < 8 {
		t.Errorf("%d requests were recorded", requests)
	}
}

// How the NATS client of those days describes objects: the client of today reads it. That it reads ours in turn is
// tested in package rpc.
func TestDescriptions(t *testing.T) {
	theirs := 0
	for _, m := range read(t, "provider-httpserver-0.17.1.jsonl") {
		if !strings.HasPrefix(m.Subject, "$O.default.M.") {
			continue
		}
		var info jetstream.ObjectInfo
		var keys map[string]any
		if err := errors.Join(json.Unmarshal(m.Data, &info), json.Unmarshal(m.Data, &keys)); err != nil ||
			info.Name == "" || info.NUID == "" {
			t.Errorf("line %d: %+v, %v", m.N, info, err)
		}
		if _, today := keys["mtime"]; !today {
			theirs++
			if keys["modified"] == nil || keys["deleted"] == nil {
				t.Errorf("line %d: %s", m.N, m.Data)
			}
		}
	}
	if theirs == 0 {
		t.Error("no description by the provider was recorded")
	}
}
