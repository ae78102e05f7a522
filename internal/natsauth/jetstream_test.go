package natsauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"

	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/grant"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// apiSubjects are the patterns of JetStream's API, read from the source of the library, so that one that it gains is
// seen.
func apiSubjects(t *testing.T) []string {
	t.Helper()
	long.Test(t, "asks the Go toolchain")
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/nats-io/nats-server/v2/server").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				s, _ := strconv.Unquote(lit.Value)
				if strings.HasPrefix(s, "$JS.") && !strings.ContainsAny(s, " \"") {
					found[strings.NewReplacer("%s", "*", "%d", "*").Replace(s)] = true
				}
			}
			return true
		})
	}
	var out []string
	for s := range found {
		out = append(out, s)
	}
	slices.Sort(out)
	if len(out) < 50 {
		t.Fatalf("only %d subjects found in %s", len(out), dir)
	}
	return out
}

// apiOf says which requests to JetStream a role may make at all, by what follows "$JS.API."; with the streams, in the
// order in which they stand in TestJetStreamAPI. Everything else that the library knows is refused.
const (
	readsStream = "STREAM.INFO.* STREAM.MSG.GET.* DIRECT.GET.* DIRECT.GET.*.* DIRECT.GET.*.> CONSUMER.CREATE.* " +
		"CONSUMER.CREATE.*.> CONSUMER.CREATE.*.*.* CONSUMER.INFO.*.* CONSUMER.DELETE.*.* CONSUMER.MSG.NEXT.*.*"
	ownsStream = readsStream + " STREAM.CREATE.* STREAM.PURGE.* STREAM.MSG.DELETE.*"
)

// Each request that JetStream knows, on each stream of a lattice, as each role: refused but for those of the list.
func TestJetStreamAPI(t *testing.T) {
	long.Test(t, "sends every request of JetStream")
	r := newRealm(t)
	host := r.role(natsauth.Host)
	prov, _ := r.provider(host, natsauth.Needs{})
	keeper, _ := r.provider(host, natsauth.Needs{Storage: true})
	streams := []string{"KV_" + subject.KVLattice(edge), subject.ChunkStream(edge),
		"OBJ_" + subject.ArtifactBucket(edge), "KV_mine", "other"}
	may := map[string][5]string{ // by stream
		"host":     {ownsStream, ownsStream, ownsStream},
		"operator": {ownsStream, ownsStream, ownsStream},
		"provider": {"", readsStream + " STREAM.PURGE.*", ""},
		"keeper": {"", readsStream + " STREAM.PURGE.*", "",
			"STREAM.INFO.* STREAM.CREATE.* STREAM.MSG.GET.* DIRECT.GET.* DIRECT.GET.*.* DIRECT.GET.*.>",
			"STREAM.INFO.* STREAM.CREATE.* STREAM.MSG.GET.* DIRECT.GET.* DIRECT.GET.*.* DIRECT.GET.*.>"},
	}
	for who, nc := range map[string]*nats.Conn{"host": r.connect(host),
		"operator": r.connect(r.role(natsauth.Operator)), "provider": r.connect(prov), "keeper": r.connect(keeper)} {
		for _, pattern := range apiSubjects(t) {
			verb, ok := strings.CutPrefix(pattern, "$JS.API.")
			for i, stream := range streams {
				subj := strings.NewReplacer(">", "x", "*", "x").Replace(strings.Replace(pattern, "*", stream, 1))
				if strings.HasSuffix(subj, ".") {
					subj += "x"
				}
				if !grant.ValidSubject(subj) {
					continue
				}
				want := ok && slices.Contains(strings.Fields(may[who][i]+" INFO STREAM.NAMES"), verb)
				// answers to what was read
				if strings.HasPrefix(pattern, "$JS.ACK") || strings.HasPrefix(pattern, "$JS.FC") {
					want = may[who][i] != "" && i < 3 &&
						strings.HasPrefix(subj, pattern[:strings.IndexByte(pattern[4:], '.')+5]+stream+".")
				}
				if got := mayPublish(t, nc, subj); got != want {
					t.Errorf("%s publishes %s: %v, want %v (%s)", who, subj, got, want, pattern)
				}
			}
		}
	}
}

// harmless are the fields that a role may set, and why nothing leaves the stream by them. What the library gains is not
// here.
var harmless = map[string]string{
	"name": "checked against the subject", "subjects": "checked against the name", "description": "text",
	"metadata":  "text",
	"retention": "what is dropped", "max_consumers": "a limit", "max_msgs": "a limit", "max_bytes": "a limit",
	"max_age":              "a limit",
	"max_msgs_per_subject": "a limit", "max_msg_size": "a limit", "discard": "what is dropped", "storage": "where",
	"num_replicas":     "where",
	"duplicate_window": "a limit", "compression": "how", "deny_delete": "less", "deny_purge": "less",
	"allow_rollup_hdrs": "of its own subjects",
	"allow_direct":      "reading it, which has rights of its own", "allow_msg_ttl": "when its messages end",
	"subject_delete_marker_ttl": "as above",
	"persist_mode":              "how", "allow_atomic": "how its own subjects are written",
	"allow_msg_counter": "as above",
	"first_seq":         "a number",
	"consumer_limits":   "a limit", "no_ack": "less",

	"deliver_policy": "from where it reads", "opt_start_seq": "as above", "opt_start_time": "as above",
	"ack_policy": "how it reads",
	"ack_wait":   "a limit", "max_deliver": "a limit", "filter_subject": "what of the stream",
	"filter_subjects": "as above",
	"replay_policy":   "how fast", "rate_limit_bps": "a limit", "max_waiting": "a limit", "max_ack_pending": "a limit",
	"flow_control":   "how",
	"idle_heartbeat": "how", "headers_only": "less", "max_batch": "a limit", "max_expires": "a limit",
	"max_bytes_":      "a limit",
	"deliver_subject": "an inbox, checked", "inactive_threshold": "a limit, bounded", "mem_storage": "where",
	"backoff": "a limit",
}

// hostile makes a value that says something, for every type: subjects where there may be some.
func hostile(t reflect.Type, depth int) any {
	switch t.Kind() {
	case reflect.Pointer:
		return hostile(t.Elem(), depth)
	case reflect.Bool:
		return true
	case reflect.String:
		return "wasmbus.ctl.edge.linkdefs.put"
	case reflect.Slice, reflect.Array:
		return []any{hostile(t.Elem(), depth+1)}
	case reflect.Map:
		return map[string]any{"x": "wasmbus.>"}
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return time.Now()
		}
		object := map[string]any{}
		if depth < 3 {
			for _, name := range fieldNames(t) {
				f, _ := fieldOf(t, name)
				object[name] = hostile(f.Type, depth+1)
			}
		}
		return object
	}
	return 1
}

func fieldNames(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "-" {
			if name == "" {
				name = f.Name
			}
			names = append(names, name)
		}
	}
	return names
}

func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name || tag == "" && f.Name == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// ask makes a request of JetStream's API and returns what it says is wrong.
func ask(t *testing.T, nc *nats.Conn, subj string, body any) error {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nc.Request(subj, data, 20*time.Second)
	if err != nil {
		t.Fatalf("%s %s: %v", subj, data, err)
	}
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Error != nil {
		return errors.New(answer.Error.Description)
	}
	return nil
}

// Each field of the configurations that the library knows, with a hostile value: refused, or harmless for the reason
// that the list gives. Afterwards no stream hears, copies or sends anything but its own.
func TestJetStreamConfigurations(t *testing.T) {
	r := newRealm(t)
	operator := r.connect(r.role(natsauth.Operator))
	c, _ := r.provider(r.role(natsauth.Host), natsauth.Needs{Storage: true})
	keeper := r.connect(c)
	for name, tc := range map[string]struct {
		nc     *nats.Conn
		stream string
		own    []string
	}{
		"operator, state": {operator, "KV_" + subject.KVLattice(edge),
			[]string{"$KV." + subject.KVLattice(edge) + ".>"}},
		"operator, chunks": {operator, subject.ChunkStream(edge), []string{"$O.edge.C.>", "$O.edge.M.>"}},
		"keeper, a bucket": {keeper, "KV_mine", []string{"$KV.mine.>"}},
	} {
		t.Run(name, func(t *testing.T) {
			refusals := 0
			for _, field := range fieldNames(reflect.TypeFor[server.StreamConfig]()) {
				f, _ := fieldOf(reflect.TypeFor[server.StreamConfig](), field)
				config := map[string]any{"name": tc.stream, "subjects": tc.own, "retention": "limits",
					"storage": "memory", "num_replicas": 1, field: hostile(f.Type, 0)}
				err := ask(t, tc.nc, "$JS.API.STREAM.CREATE."+tc.stream, config)
				refusedByGate := err != nil && strings.HasPrefix(err.Error(), "weft: ")
				if refusedByGate {
					refusals++
				}
				if harmless[field] == "" && !refusedByGate {
					t.Errorf("%s: %v, want a refusal; if it is harmless, say why in the list", field, err)
				}
			}
			if refusals < 10 {
				t.Errorf("only %d fields were refused", refusals)
			}
			for _, body := range []any{map[string]any{"name": tc.stream}, map[string]any{"name": tc.stream,
				"subjects": []string{">"}}, map[string]any{"Name": tc.stream, "SUBJECTS": []string{">"}},
				map[string]any{"name": tc.stream, "subjects": tc.own, "Sources": []any{map[string]any{"name": "x"}}},
				[]any{}, nil} {
				if err := ask(t, tc.nc, "$JS.API.STREAM.CREATE."+tc.stream, body); err == nil ||
					!strings.HasPrefix(err.Error(), "weft: ") {
					t.Errorf("%v: %v", body, err)
				}
			}
			if err := ask(t, tc.nc, "$JS.API.STREAM.CREATE."+tc.stream, map[string]any{"name": tc.stream,
				"subjects": tc.own, "storage": "memory", "retention": "limits", "num_replicas": 1,
				"allow_direct": true, "max_msgs_per_subject": 1}); err != nil && !strings.Contains(err.Error(),
				"already in use") {
				t.Errorf("a bucket as clients make them: %v", err)
			}
			m, err := tc.nc.Request("$JS.API.STREAM.INFO."+tc.stream, nil, patience)
			if err != nil {
				t.Fatal(err)
			}
			var info struct{ Config server.StreamConfig }
			if err := json.Unmarshal(m.Data, &info); err != nil {
				t.Fatal(err)
			}
			if c := info.Config; !slices.Equal(c.Subjects, tc.own) || c.Mirror != nil || c.Sources != nil ||
				c.RePublish != nil || c.SubjectTransform != nil {
				t.Errorf("the stream is %+v", c)
			}
		})
	}
	if !refused(t, keeper, "publish", "$JS.API.CONSUMER.CREATE.KV_mine",
		func() error { return keeper.Publish("$JS.API.CONSUMER.CREATE.KV_mine", nil) }) {
		t.Error("a provider makes consumers of its buckets, which it never does")
	}
	stream := "KV_" + subject.KVLattice(edge)
	for _, field := range fieldNames(reflect.TypeFor[server.ConsumerConfig]()) {
		f, _ := fieldOf(reflect.TypeFor[server.ConsumerConfig](), field)
		config := map[string]any{"ack_policy": "none", field: hostile(f.Type, 0)}
		err := ask(t, operator, "$JS.API.CONSUMER.CREATE."+stream, map[string]any{"stream_name": stream,
			"config": config})
		byGate := err != nil && strings.HasPrefix(err.Error(), "weft: ")
		if field == "deliver_subject" && !byGate || harmless[field] == "" && field != "max_bytes" && !byGate {
			t.Errorf("consumer's %s: %v, want a refusal", field, err)
		}
	}
	for _, deliver := range []string{"wasmbus.rpc.edge." + otherID + ".default.linkdefs.put", "_INBOX", "_INBOX_",
		"$JS.API.STREAM.DELETE.x", "_inbox.x"} {
		if err := ask(t, operator, "$JS.API.CONSUMER.CREATE."+stream, map[string]any{"stream_name": stream,
			"config": map[string]any{"deliver_subject": deliver}}); err == nil || !strings.HasPrefix(err.Error(),
			"weft: ") {
			t.Errorf("delivery to %s: %v", deliver, err)
		}
	}
	if err := ask(t, operator, "$JS.API.CONSUMER.CREATE."+stream, map[string]any{"stream_name": "KV_mine",
		"config": map[string]any{"ack_policy": "none"}}); err == nil || !strings.HasPrefix(err.Error(), "weft: ") {
		t.Errorf("a consumer of another stream than the subject says: %v", err)
	}
}

// A provider makes more consumers of the store of large payloads than the server lets a stream have, and the host reads
// from it all the same. No consumer outlives its use by more than five minutes.
func TestLargePayloadsAreReadThoughAProviderHoardsConsumers(t *testing.T) {
	r := newRealm(t)
	host := r.role(natsauth.Host)
	c, _ := r.provider(host, natsauth.Needs{})
	prov := r.connect(c)
	js, err := jetstream.New(r.connect(host))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	store, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket(edge),
		Storage: jetstream.MemoryStorage})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutString(ctx, "payload", "of a call"); err != nil {
		t.Fatal(err)
	}
	stream := subject.ChunkStream(edge)
	create := func(name string, config map[string]any) error {
		config["name"], config["ack_policy"] = name, "none"
		return ask(t, prov, "$JS.API.CONSUMER.CREATE."+stream+"."+name, map[string]any{"stream_name": stream,
			"config": config})
	}
	for _, inactive := range []any{int64(5*time.Minute) + 1, int64(292 * 365 * 24 * time.Hour), -1, "300s", 1e30} {
		if err := create("long", map[string]any{"inactive_threshold": inactive}); err == nil ||
			!strings.Contains(err.Error(),
				"weft: inactive_threshold must be nanoseconds, 300000000000 (5m0s) at most") {
			t.Errorf("kept for %v: %v, want a refusal that says the limit", inactive, err)
		}
	}
	info := func(name string) (jetstream.ConsumerInfo, bool) {
		m, err := prov.Request("$JS.API.CONSUMER.INFO."+stream+"."+name, nil, patience)
		if err != nil {
			t.Fatal(err)
		}
		var i jetstream.ConsumerInfo
		if err := json.Unmarshal(m.Data, &i); err != nil {
			t.Fatal(err)
		}
		return i, i.Name != ""
	}
	for name, config := range map[string]map[string]any{"pull": {}, "zero": {"inactive_threshold": 0},
		"null": {"inactive_threshold": nil}, "push": {"deliver_subject": prov.NewInbox()}} {
		if err := create(name, config); err != nil {
			t.Fatal(name, err)
		}
		if i, ok := info(name); !ok || i.Config.InactiveThreshold != 5*time.Second {
			t.Errorf("%s: kept for %v, want 5s", name, i.Config.InactiveThreshold)
		}
	}
	const hoard = 1100
	for i := range hoard {
		if err := create(fmt.Sprint("hoard", i), map[string]any{"inactive_threshold": 5 * time.Minute}); err != nil {
			t.Fatalf("consumer %d: %v", i, err)
		}
	}
	if _, ok := info("hoard0"); ok {
		t.Error("the first of the hoard is still there")
	}
	if _, ok := info(fmt.Sprint("hoard", hoard-1)); !ok {
		t.Error("the last of the hoard is gone")
	}
	if s, err := js.Stream(ctx, stream); err != nil || s.CachedInfo().State.Consumers > 900 {
		t.Errorf("%+v, %v; want 900 consumers at most", s.CachedInfo().State, err)
	}
	if got, err := store.GetString(ctx, "payload"); err != nil || got != "of a call" {
		t.Errorf("the host reads %q, %v", got, err)
	}
}

// Lattices that share a server share nothing else. Roles of lattice "other" that may do most try what they can: each
// asks for A's secrets by every way that JetStream has, and A hears nothing of it.
func TestLatticesAreApart(t *testing.T) {
	long.Test(t, "sends every request of JetStream")
	r := newRealm(t)
	const secret = "the password of edge"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	host := r.connect(r.role(natsauth.Host))
	js, err := jetstream.New(host)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: subject.KVLattice(edge)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(ctx, "LINKDEF_x", secret); err != nil {
		t.Fatal(err)
	}
	witness, _ := r.issue(natsauth.Identity{Roles: []natsauth.Role{natsauth.Operator}, Subscribe: []string{">"}})
	w := r.connect(witness)
	heard := make(chan *nats.Msg, 1000)
	if _, err := w.ChanSubscribe(">", heard); err != nil {
		t.Fatal(err)
	}
	if err := w.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	otherHost, _ := r.issue(natsauth.Identity{Lattice: "other", Roles: []natsauth.Role{natsauth.Host}})
	all := []string{">"} // even a user who may do everything in the other lattice
	almighty, _ := r.issue(natsauth.Identity{Lattice: "other", Roles: []natsauth.Role{natsauth.Operator}, Publish: all,
		Subscribe: all})
	keeper, _ := r.provider(otherHost, natsauth.Needs{Storage: true})
	for who, c := range map[string]natsauth.Credentials{"host": otherHost, "almighty operator": almighty,
		"keeper": keeper} {
		nc := r.connect(c)
		got, err := nc.SubscribeSync(nc.NewInbox())
		if err != nil {
			t.Fatal(err)
		}
		for _, pattern := range apiSubjects(t) {
			if strings.Contains(pattern, "SERVER") || strings.Contains(pattern, "META") ||
				!strings.HasPrefix(pattern, "$JS.API.") {
				continue
			}
			subj := strings.NewReplacer(">", "x", "*", "x").Replace(strings.Replace(pattern, "*",
				"KV_"+subject.KVLattice(edge), 1))
			if grant.ValidSubject(subj) {
				_ = nc.PublishRequest(subj, got.Subject, []byte(`{"last_by_subj":"$KV.LATTICEDATA_edge.LINKDEF_x"}`))
				// so that the answer goes there
				_ = nc.PublishRequest(subj, subject.LinkPut(edge, otherID, link), []byte(`{"seq":1}`))
			}
		}
		for _, config := range []string{
			`"name":"KV_LATTICEDATA_edge","subjects":["$KV.LATTICEDATA_edge.>"]`,
			`"name":"KV_spy","subjects":["$KV.spy.>"],"republish":{"src":">","dest":"` + subject.LinkPut(edge, otherID,
				link) + `"}`,
			`"name":"KV_spy","subjects":[">"]`, `"name":"KV_spy","sources":[{"name":"KV_LATTICEDATA_edge"}]`,
			`"name":"KV_spy","mirror":{"name":"KV_LATTICEDATA_edge","external":{"api":"$JS.API","deliver":"x"}}`,
		} {
			name, _, _ := strings.Cut(strings.TrimPrefix(config, `"name":"`), `"`)
			for _, verb := range []string{"CREATE", "UPDATE"} {
				_ = nc.PublishRequest("$JS.API.STREAM."+verb+"."+name, got.Subject,
					[]byte("{"+config+`,"storage":"memory","retention":"limits","num_replicas":1}`))
			}
		}
		_ = nc.Publish(subject.Event(edge), []byte("forged"))
		_ = nc.Publish("$KV."+subject.KVLattice(edge)+".LINKDEF_forged", []byte("forged"))
		_ = nc.PublishRequest("$JS.API.DIRECT.GET.KV_LATTICEDATA_edge.$KV.LATTICEDATA_edge.LINKDEF_x", got.Subject, nil)
		if err := nc.FlushTimeout(patience); err != nil {
			t.Fatal(who, err)
		}
		for {
			m, err := got.NextMsg(300 * time.Millisecond)
			if err != nil {
				break
			}
			if strings.Contains(string(m.Data), secret) || strings.Contains(string(m.Data), "dGhlIHBhc3N3b3Jk") {
				t.Errorf("%s of another lattice read the secret: %s", who, m.Data)
			}
		}
	}
	if _, err := kv.PutString(ctx, "LINKDEF_x", secret+", again"); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	for mine := false; !mine; { // what A's own host did is heard; before it, nothing of others
		select {
		case m := <-heard:
			mine = string(m.Data) == secret+", again"
			if !mine {
				t.Errorf("heard in the lattice: %s %.100s", m.Subject, m.Data)
			}
		case <-deadline:
			t.Fatal("the lattice's own message is not heard")
		}
	}
	if e, err := kv.Get(ctx, "LINKDEF_forged"); err == nil {
		t.Errorf("forged: %s", e.Value())
	}
}

// What JetStream can be made to send in its own lattice, to whatever reply a request names, bears its mark, so that
// hosts and providers do not believe it (natsconn.FromStream). That is for other NATS servers: weft's own lets no such
// request in but within its process.
func TestJetStreamsAnswersBearItsMark(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	r := newRealm(t)
	host := r.role(natsauth.Host)
	c, _ := r.provider(host, natsauth.Needs{})
	prov := r.inside(c)
	js, err := jetstream.New(r.connect(host))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket(edge)}); err != nil {
		t.Fatal(err)
	}
	forged := []byte("forged link")
	stream := subject.ChunkStream(edge)
	if _, err := prov.Request(subject.ChunkData(edge, "mine"), forged, patience); err != nil {
		t.Fatal(err)
	}
	victim, _ := r.issue(natsauth.Identity{Roles: []natsauth.Role{natsauth.Operator}, Subscribe: []string{"wasmbus.>"}})
	v := r.connect(victim)
	heard, err := v.SubscribeSync("wasmbus.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	target := subject.LinkPut(edge, otherID, link)
	consumer, err := prov.Request("$JS.API.CONSUMER.CREATE."+stream,
		fmt.Appendf(nil, `{"stream_name":%q,"config":{"ack_policy":"none","name":"c"}}`, stream), patience)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Name string }
	if err := json.Unmarshal(consumer.Data, &made); err != nil || made.Name == "" {
		t.Fatalf("%s: %v", consumer.Data, err)
	}
	for _, req := range [][2]string{
		{"DIRECT.GET." + stream + "." + subject.ChunkData(edge, "mine"), ""}, {"DIRECT.GET." + stream, `{"seq":1}`},
		{"STREAM.MSG.GET." + stream, `{"seq":1}`},
		{"CONSUMER.MSG.NEXT." + stream + "." + made.Name, "1"},
		// no answer at all
		{"CONSUMER.CREATE." + stream, fmt.Sprintf(`{"stream_name":%q,"config":{"ack_policy":"none"}}`, stream)},
	} {
		if err := prov.PublishRequest("$JS.API."+req[0], target, []byte(req[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := prov.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	marked := 0
	for {
		m, err := heard.NextMsg(time.Second)
		if err != nil {
			break
		}
		if string(m.Data) == string(forged) && !natsconn.FromStream(m) {
			t.Errorf("unmarked: %+v", m)
		}
		if natsconn.FromStream(m) {
			marked++
		}
	}
	if marked != 3 { // two direct gets and a delivery; STREAM.MSG.GET wraps what it gets in JSON
		t.Errorf("%d marked messages, want 3", marked)
	}
}

// A lattice that ran without credentials finds its data when it gets them, and each lattice its own after a restart. An
// operator may watch the state with NATS's own client.
func TestDataStays(t *testing.T) {
	dir := t.TempDir()
	authority := latticetest.NewKey(t, 'A')
	value := func(c *nats.Conn, l lattice.Name, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		js, err := jetstream.New(c)
		if err != nil {
			t.Fatal(err)
		}
		kv, err := js.KeyValue(ctx, subject.KVLattice(l))
		if errors.Is(err, jetstream.ErrBucketNotFound) && want == "" {
			kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: subject.KVLattice(l)})
		}
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		if want == "" {
			if _, err := kv.PutString(ctx, "k", "of "+string(l)); err != nil {
				t.Fatal(err)
			}
			return
		}
		w, err := kv.WatchAll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Stop() }()
		select {
		case e := <-w.Updates():
			if e == nil || string(e.Value()) != want {
				t.Errorf("lattice %s holds %v, want %q", l, e, want)
			}
		case <-ctx.Done():
			t.Fatal("the watch tells nothing")
		}
	}
	run := func(users bool, work func(connect func(l lattice.Name) *nats.Conn)) {
		t.Helper()
		cfg := natsserver.Config{Port: -1, DataDir: dir}
		if users {
			cfg.Users, cfg.Lattice = natsauth.NewVerifier(authority.Public(), "", nil), edge
		}
		s, err := natsserver.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		work(func(l lattice.Name) *nats.Conn {
			conn := natsconn.Config{URL: s.URL()}
			if users {
				c, _, err := natsauth.Issue(authority,
					natsauth.Identity{Lattice: l, Roles: []natsauth.Role{natsauth.Operator}})
				if err != nil {
					t.Fatal(err)
				}
				conn.JWT, conn.Seed = c.JWT, c.Seed
			}
			nc, err := natsconn.Connect(t.Context(), conn)
			if err != nil {
				t.Fatal(err)
			}
			return nc
		})
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	run(false, func(connect func(lattice.Name) *nats.Conn) {
		nc := connect(edge)
		defer nc.Close()
		value(nc, edge, "")
	})
	run(true, func(connect func(lattice.Name) *nats.Conn) {
		nc, other := connect(edge), connect("other")
		defer nc.Close()
		defer other.Close()
		value(nc, edge, "of edge")
		value(other, "other", "")
	})
	run(true, func(connect func(lattice.Name) *nats.Conn) {
		nc, other := connect(edge), connect("other")
		defer nc.Close()
		defer other.Close()
		value(nc, edge, "of edge")
		value(other, "other", "of other")
	})
}

// The embedded server may have a JetStream domain; its names pass the same gate, and the same rights hold. So they do
// in the lattice that the server was started for, whose account the server makes by itself.
func TestGateOfADomain(t *testing.T) {
	for name, home := range map[string]lattice.Name{"one of the lattices": "", "its own lattice": edge} {
		t.Run(name, func(t *testing.T) { gateOfADomain(t, home) })
	}
}

func gateOfADomain(t *testing.T, home lattice.Name) {
	authority := latticetest.NewKey(t, 'A')
	s, err := natsserver.Start(t.Context(), natsserver.Config{Port: -1, DataDir: t.TempDir(), Domain: "hub",
		Lattice: home,
		Users:   natsauth.NewVerifier(authority.Public(), "", nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	c, _, err := natsauth.Issue(authority, natsauth.Identity{Lattice: edge, Roles: []natsauth.Role{natsauth.Operator}})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := natsconn.Connect(t.Context(), natsconn.Config{URL: s.URL(), JWT: c.JWT, Seed: c.Seed, JSDomain: "hub"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := natsconn.JetStream(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: subject.KVLattice(edge)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	w, err := kv.WatchAll(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if e := <-w.Updates(); e == nil || string(e.Value()) != "v" {
		t.Errorf("the watch tells %v", e)
	}
	_ = w.Stop()
	stream := "KV_" + subject.KVLattice(edge)
	if err := ask(t, nc, "$JS.hub.API.STREAM.CREATE."+stream, map[string]any{"name": stream,
		"subjects": []string{">"}}); err == nil || !strings.HasPrefix(err.Error(), "weft: ") {
		t.Errorf("a hostile stream: %v", err)
	}
	for _, denied := range []string{"STREAM.DELETE." + stream, "STREAM.CREATE.KV_other", "$KV.other.key"} {
		subj := "$JS.hub.API." + denied
		_ = nc.Publish(subj, nil)
		if err := nc.FlushTimeout(patience); err != nil {
			t.Fatal(err)
		}
		if err := nc.LastError(); err == nil || !strings.Contains(strings.ToLower(err.Error()),
			strings.ToLower(denied)) {
			t.Errorf("%s: %v, want a refusal", subj, err)
		}
	}
}
