package recorded_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/e2e/foreign/recorded"
	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

const hostFile = "host-0.82.0.jsonl"

// lost tells what of theirs is not in ours, by the path in the JSON. What weft says besides is no matter, null and
// absent are one, and so is the order of keys.
func lost(theirs, ours any, path string) []string {
	switch t := theirs.(type) {
	case nil:
		return nil
	case map[string]any:
		o, _ := ours.(map[string]any)
		var list []string
		for _, k := range slices.Sorted(maps.Keys(t)) {
			list = append(list, lost(t[k], o[k], path+"/"+k)...)
		}
		if o == nil {
			list = append(list, path)
		}
		return list
	case []any:
		o, _ := ours.([]any)
		if len(o) != len(t) {
			return []string{fmt.Sprintf("%s: %d, want %d", path, len(o), len(t))}
		}
		var list []string
		for i := range t {
			list = append(list, lost(t[i], o[i], fmt.Sprintf("%s/%d", path, i))...)
		}
		return list
	default:
		if theirs != ours {
			return []string{fmt.Sprintf("%s: %v, want %v", path, ours, theirs)}
		}
		return nil
	}
}

// keeps checks that what weft writes of what it has read says all that was recorded.
func keeps(t *testing.T, m recorded.Message, data []byte, read any, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("line %d: %v of %s", m.N, err, data)
		return
	}
	b, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	var theirs, ours any
	if err := json.Unmarshal(data, &theirs); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &ours); err != nil {
		t.Fatal(err)
	}
	if list := lost(theirs, ours, ""); len(list) > 0 {
		t.Errorf("line %d: %s\nis read as %s\nlost: %q", m.N, data, b, list)
	}
}

// Each kind of event that the host published is one that weft knows, and no field of it is lost. The general subject
// carries the same bytes as the typed one.
func TestEventsOfHost(t *testing.T) {
	kinds := map[string]int{}
	var general []byte
	for _, m := range read(t, hostFile) {
		name, typed := strings.CutPrefix(m.Subject, subject.Event("default")+".")
		switch {
		case m.Subject == subject.Event("default"):
			general = m.Data
			continue
		case !typed:
			continue
		}
		if general != nil && string(general) != string(m.Data) {
			t.Errorf("line %d: on the general subject %s, on its own %s", m.N, general, m.Data)
		}
		general = nil
		e, err := event.DecodeEvent(m.Data)
		if err != nil || e.Name() != name || e.HostID() == "" || e.ID == "" || e.Time.IsZero() {
			t.Errorf("line %d: %+v, %v", m.N, e, err)
			continue
		}
		data, err := e.Decode()
		if other, is := data.(event.Other); is {
			t.Errorf("line %d: weft does not know %s", m.N, other.Name)
		}
		keeps(t, m, e.Data, data, err)
		kinds[name]++
	}
	for _, name := range []string{event.NameHostStarted, event.NameHostHeartbeat, event.NameHostStopped,
		event.NameActorsStarted,
		event.NameActorsStopped, event.NameActorScaled, event.NameProviderStarted, event.NameProviderStartFailed,
		event.NameProviderStopped, event.NameHealthCheckPassed, event.NameHealthCheckStatus, event.NameLinkSet,
		event.NameLinkDeleted} {
		if kinds[name] == 0 {
			t.Errorf("no %s was recorded", name)
		}
	}
}

// What the host answered to control requests is read whole.
func TestAnswersOfHost(t *testing.T) {
	asked := map[string]string{} // subjects of requests, by those of their answers
	answers := map[string]int{}
	for _, m := range read(t, hostFile) {
		if m.Reply != "" && strings.HasPrefix(m.Subject, "wasmbus.ctl.") {
			asked[m.Reply] = m.Subject
			continue
		}
		request := asked[m.Subject]
		switch {
		case request == "":
			continue
		case strings.HasSuffix(request, ".ping.hosts"):
			h, err := control.DecodeHost(m.Data)
			keeps(t, m, m.Data, h, err)
		case strings.HasSuffix(request, ".inv"):
			inv, err := control.DecodeInventory(m.Data)
			keeps(t, m, m.Data, inv, err)
		case strings.Contains(request, ".auction."):
			var bid control.ProviderAuctionAck // an actor's has less
			err := json.Unmarshal(m.Data, &bid)
			if id, bad := lattice.ParseHostID(string(bid.HostID)); bad != nil || id == "" {
				t.Errorf("line %d: a bid by %q", m.N, bid.HostID)
			}
			if strings.HasSuffix(request, ".actor") {
				var actor control.ActorAuctionAck
				err = json.Unmarshal(m.Data, &actor)
				keeps(t, m, m.Data, actor, err)
			} else {
				keeps(t, m, m.Data, bid, err)
			}
		case strings.HasSuffix(request, ".get.claims"):
			var list struct {
				Claims []control.Claims `json:"claims"`
			}
			err := json.Unmarshal(m.Data, &list)
			keeps(t, m, m.Data, list, err)
		case strings.HasSuffix(request, ".get.links"):
			var list struct {
				Links []wire.LinkDefinition `json:"links"`
			}
			err := json.Unmarshal(m.Data, &list)
			keeps(t, m, m.Data, list, err)
		default:
			if string(m.Data) != `{"accepted":true,"error":""}` {
				t.Errorf("line %d: %s is answered %s", m.N, request, m.Data)
			}
		}
		answers[request[strings.LastIndexByte(request, '.'):]]++
	}
	for _, verb := range []string{".hosts", ".inv", ".claims", ".links", ".scale", ".sa", ".upd", ".lp", ".sp",
		".stop", ".put", ".del", ".actor",
		".provider"} {
		if answers[verb] == 0 {
			t.Errorf("no answer to %s was recorded", verb)
		}
	}
}

// What the host wrote into the lattice's bucket is read, and found under the key that weft would take.
func TestStateOfHost(t *testing.T) {
	links, claims := 0, 0
	for _, m := range read(t, hostFile) {
		key, is := strings.CutPrefix(m.Subject, "$KV.LATTICEDATA_default.")
		if !is {
			continue
		}
		id, publicKey, ok := subject.ParseKVKey(key)
		switch {
		case !ok:
			t.Errorf("line %d: no key of weft: %s", m.N, key)
		case id != "":
			l, err := control.DecodeLink(m.Data)
			if l.ID() != id {
				t.Errorf("line %d: the link's id is %s, stored under %s", m.N, l.ID(), id)
			}
			keeps(t, m, m.Data, l, err)
			links++
		default:
			c, err := control.DecodeClaims(m.Data)
			if err != nil || c.Subject != publicKey || c.Name == "" || c.Issuer == "" || c.Revision == 0 ||
				c.IsProvider() != (c.ContractID != "") || c.IsProvider() == (len(c.Caps) > 0) {
				t.Errorf("line %d: %s is read as %+v, %v", m.N, m.Data, c, err)
			}
			claims++
		}
	}
	if links == 0 || claims < 2 {
		t.Errorf("%d links and %d claims were recorded", links, claims)
	}
}

// weft gives providers at least what the host gave to one.
func TestHostDataOfHost(t *testing.T) {
	line, err := os.ReadFile("testdata/hostdata-0.82.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(line)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := wire.DecodeHostData(line)
	if err != nil || len(data.LinkDefinitions) != 1 || len(data.ClusterIssuers) != 2 || data.ConfigJSON == "" {
		t.Fatalf("%d links, %v", len(data.LinkDefinitions), err)
	}
	ours, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(data.Encode())))
	if err != nil {
		t.Fatal(err)
	}
	keeps(t, recorded.Message{N: 1}, theirs, json.RawMessage(ours), nil)
	var keys map[string]any
	if err := json.Unmarshal(ours, &keys); err != nil || keys["otel_config"] == nil || keys["env_values"] == nil {
		t.Errorf("what providers of that time cannot do without: %v, %v", slices.Sorted(maps.Keys(keys)), err)
	}
}

// The host leaves the description of a payload that it has fetched, marked as deleted and with "mtime":null; the sweep
// removes it, and one that nobody fetched.
func TestSweepOfHost(t *testing.T) {
	nc := connect(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateObjectStore(t.Context(),
		jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket("default")}); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), subject.ChunkStream("default"))
	if err != nil {
		t.Fatal(err)
	}
	n, deleted := 0, 0
	for _, m := range read(t, hostFile) {
		if !strings.HasPrefix(m.Subject, "$O.default.M.") {
			continue
		}
		if strings.Contains(string(m.Data), `"deleted":true`) {
			deleted++
		}
		if _, err := js.Publish(t.Context(), m.Subject, m.Data); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if deleted == 0 || n == deleted {
		t.Fatalf("%d descriptions, %d of them deleted", n, deleted)
	}
	info, err := stream.Info(t.Context())
	if err != nil || info.State.Msgs != uint64(n) {
		t.Fatalf("%d messages, %v", info.State.Msgs, err)
	}
	if swept, err := chunks.Sweep(t.Context(), nc, "default", info.State.LastTime.Add(1)); err != nil || swept != n {
		t.Errorf("swept %d of %d, %v", swept, n, err)
	}
	if info, err = stream.Info(t.Context()); err != nil || info.State.Msgs != 0 {
		t.Errorf("%d messages are left, %v", info.State.Msgs, err)
	}
}
