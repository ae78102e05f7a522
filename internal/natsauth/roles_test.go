package natsauth_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/internal/grant"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	edge      = lattice.Name("edge")
	actorID   = "MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR"
	otherID   = "VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW"
	hostID    = "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"
	link      = lattice.LinkName("default")
	patience  = time.Minute
	userAgent = "role test"
	noInbox   = "weft.reply_is_no_inbox" // what the server says of a message whose reply is no inbox
)

// realm is a NATS server that knows users by roles, behind TLS.
type realm struct {
	t         *testing.T
	authority signing.KeyPair
	users     natsauth.Users
	ca        *natsauth.CA
	server    *natsserver.Server
}

func newRealm(t *testing.T) *realm {
	t.Helper()
	dir := t.TempDir()
	r := &realm{t: t, authority: latticetest.NewKey(t, 'A'),
		users: natsauth.OpenUsers(filepath.Join(dir, "users.json"))}
	var err error
	if r.ca, err = natsauth.OpenCA(filepath.Join(dir, "ca")); err != nil {
		t.Fatal(err)
	}
	r.server, err = natsserver.Start(t.Context(), natsserver.Config{Port: -1, DataDir: filepath.Join(dir, "nats"),
		TLS:   r.ca.ServerTLS(),
		Users: natsauth.NewVerifier(r.authority.Public(), filepath.Join(dir, "users.json"), nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *realm) issue(id natsauth.Identity) (natsauth.Credentials, natsauth.Identity) {
	r.t.Helper()
	if id.Lattice == "" {
		id.Lattice = edge
	}
	c, id, err := natsauth.Issue(r.authority, id)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.users.Add(id); err != nil {
		r.t.Fatal(err)
	}
	return c, id
}

func (r *realm) role(roles ...natsauth.Role) natsauth.Credentials {
	r.t.Helper()
	c, _ := r.issue(natsauth.Identity{Roles: roles})
	return c
}

func (r *realm) provider(host natsauth.Credentials, n natsauth.Needs) (natsauth.Credentials, lattice.ProviderID) {
	r.t.Helper()
	issuer, ok := natsauth.NewHostIssuer(host)
	if !ok {
		r.t.Fatal("no issuer")
	}
	id := lattice.ProviderID(latticetest.NewKey(r.t, 'V').Public())
	c, err := issuer.Provider(id, link, n)
	if err != nil {
		r.t.Fatal(err)
	}
	return c, id
}

func (r *realm) config(c natsauth.Credentials) natsconn.Config {
	return natsconn.Config{URL: r.server.URL(), JWT: c.JWT, Seed: c.Seed, TLSRoots: r.ca.PEM(),
		TLSName: natsauth.ServerName, Name: userAgent}
}

func (r *realm) connect(c natsauth.Credentials) *nats.Conn {
	r.t.Helper()
	return r.dial(r.config(c))
}

// inside connects within the server's process, where replies are not looked at.
func (r *realm) inside(c natsauth.Credentials) *nats.Conn {
	r.t.Helper()
	cfg := r.config(c)
	cfg.InProcess = r.server
	cfg.URL, cfg.TLSRoots, cfg.TLSName = "", "", ""
	return r.dial(cfg)
}

func (r *realm) dial(cfg natsconn.Config) *nats.Conn {
	r.t.Helper()
	nc, err := natsconn.Connect(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(nc.Close)
	return nc
}

// refused does something to a subject and reports whether the server refused it.
func refused(t *testing.T, nc *nats.Conn, verb, subj string, do func() error) bool {
	t.Helper()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	err := nc.LastError() // set before the answer to the flush
	// the server names what it passes on to its gate so
	for _, guarded := range []string{"STREAM.CREATE.", "CONSUMER.CREATE."} {
		if verb == "publish" {
			subj = strings.Replace(subj, "$JS.API."+guarded, "weft.js."+guarded, 1)
		}
	}
	return err != nil && errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(strings.ToLower(err.Error()),
		verb+` to "`+strings.ToLower(subj)+`"`)
}

func mayPublish(t *testing.T, nc *nats.Conn, subj string) bool {
	t.Helper()
	return !refused(t, nc, "publish", subj, func() error { return nc.Publish(subj, nil) })
}

func maySubscribe(t *testing.T, nc *nats.Conn, subj string) bool {
	t.Helper()
	return !refused(t, nc, "subscription", subj, func() error { _, err := nc.SubscribeSync(subj); return err })
}

func TestRolesMayOnlyWhatTheyNeed(t *testing.T) {
	r := newRealm(t)
	host := r.role(natsauth.Host)
	prov, provID := r.provider(host, natsauth.Needs{SharedInbox: true})
	keeper, _ := r.provider(host, natsauth.Needs{Storage: true})
	c := subject.Control{Lattice: edge}
	foreign := subject.Control{Lattice: "other"}
	const op, hst, pro, kee = "o", "h", "p", "k"
	conns := map[string]*nats.Conn{op: r.connect(r.role(natsauth.Operator)), hst: r.connect(host),
		pro: r.connect(prov), kee: r.connect(keeper)}
	self := func(id lattice.ProviderID) string { return subject.Provider(edge, id, link) }
	for _, tc := range []struct {
		subj     string
		pub, sub string // the letters of those who may
	}{
		{c.Command(hostID, subject.CmdStopHost), op, hst},
		{c.Command(hostID, subject.CmdStartActor), op, hst},
		{c.LinkPut(), op, hst},
		{c.PingHosts(), op, hst},
		{foreign.Command(hostID, subject.CmdStopHost), "", ""},
		{subject.Event(edge), hst, op},
		{subject.EventTyped(edge, "host_stopped"), hst, op + hst},
		{subject.Event("other"), "", ""},
		{subject.Beat(edge, hostID), hst, op + hst + pro + kee},
		{subject.Beat("other", hostID), "", ""},
		{subject.Host(edge, hostID), op + hst + pro + kee, hst},
		{subject.ProviderAt(edge, provID, link, hostID), hst, pro},
		{subject.ProviderAt(edge, otherID, link, hostID), hst, ""},
		{subject.Log(edge, actorID), hst, op},
		{subject.Actor(edge, actorID), op + hst + pro + kee, hst},
		{subject.Actor("other", actorID), "", ""},
		{self(otherID), op + hst, ""},
		{self(provID), op + hst, pro},
		{subject.LinkPut(edge, otherID, link), hst, ""},
		{subject.LinkPut(edge, provID, link), hst, pro},
		{subject.LinkDel(edge, provID, link), hst, pro},
		{subject.LinkCheck(edge, provID, link), hst, pro},
		{subject.Shutdown(edge, otherID, link), hst, ""},
		{subject.Shutdown(edge, provID, link), hst, pro},
		{subject.Health(edge, provID, link), op + hst, pro},
		{subject.LinkStates(edge, provID, link), op + hst, pro},
		{subject.ProviderMetrics(edge, provID, link, hostID), hst, pro},
		{subject.Provider(edge, provID, "other"), op + hst, ""},
		{"wasmbus.>", "", ""},
		{">", "", ""},
		{"_INBOX.somebody", "", pro},
		{"_INBOX.>", "", pro},
		{grant.HostInbox(edge) + ".x", "", hst},
		{grant.OperatorInbox(edge) + ".x", "", op},
		{grant.ProviderInbox(edge, provID, link) + ".x", "", pro},
		{grant.ProviderInbox(edge, otherID, link) + ".x", "", ""},
		{"$KV." + subject.KVLattice(edge) + ".LINKDEF_x", op + hst, ""},
		// in its own lattice's account, where the bucket belongs to no lattice
		{"$KV." + subject.KVLattice("other") + ".LINKDEF_x", kee, ""},
		{"$KV.mine.key", kee, ""},
		{"$O." + subject.ArtifactBucket(edge) + ".C.x", op + hst, ""},
		{"$O." + subject.ChunkBucket(edge) + ".C.x", op + hst + pro + kee, ""},
		{"$JS.API.STREAM.CREATE.KV_" + subject.KVLattice(edge), op + hst, ""},
		{"$JS.API.STREAM.DELETE.KV_" + subject.KVLattice(edge), "", ""},
		{"$JS.API.STREAM.MSG.GET.KV_" + subject.KVLattice(edge), op + hst, ""},
		{"$JS.API.DIRECT.GET.KV_" + subject.KVLattice(edge) + ".$KV.x", op + hst, ""},
		{"$JS.API.CONSUMER.CREATE.KV_" + subject.KVLattice(edge) + ".x", op + hst, ""},
		{"$JS.API.STREAM.CREATE.OBJ_" + subject.ChunkBucket(edge), op + hst, ""},
		{"$JS.API.STREAM.CREATE.KV_mine", kee, ""},
		{"$JS.API.STREAM.CREATE.anything", kee, ""},
		{"$JS.API.STREAM.SNAPSHOT.KV_" + subject.KVLattice(edge), "", ""},
		{"$JS.API.ACCOUNT.PURGE.x", "", ""},
		{"$SYS.REQ.SERVER.PING", "", ""},
		{subject.AppPresence(edge), hst, ""},
		{subject.AppPresence("other"), "", ""},
		{"$JS.API.STREAM.PURGE.OBJ_" + subject.ChunkBucket(edge), op + hst + pro + kee, ""},
		{"$JS.API.STREAM.PURGE.KV_" + subject.KVLattice(edge), op + hst, ""},
	} {
		for who, nc := range conns {
			if !strings.Contains(tc.subj, "*") && !strings.Contains(tc.subj, ">") {
				if got, want := mayPublish(t, nc, tc.subj), strings.Contains(tc.pub, who); got != want {
					t.Errorf("%s publishes %s: %v, want %v", who, tc.subj, got, want)
				}
			}
			if got, want := maySubscribe(t, nc, tc.subj), strings.Contains(tc.sub, who); got != want {
				t.Errorf("%s subscribes %s: %v, want %v", who, tc.subj, got, want)
			}
		}
	}
}

// A provider answers whom it is asked by, once, and nobody else.
func TestProviderAnswersOnlyWhatItWasAsked(t *testing.T) {
	r := newRealm(t)
	host := r.role(natsauth.Host)
	c, id := r.provider(host, natsauth.Needs{})
	prov, asker := r.connect(c), r.connect(host)
	subj := subject.Provider(edge, id, link)
	if _, err := prov.Subscribe(subj, func(m *nats.Msg) {
		_ = m.Respond([]byte("once"))
		_ = m.Respond([]byte("twice"))
	}); err != nil {
		t.Fatal(err)
	}
	if err := prov.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	inbox := asker.NewInbox()
	answers, err := asker.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := asker.PublishRequest(subj, inbox, nil); err != nil {
		t.Fatal(err)
	}
	if m, err := answers.NextMsg(patience); err != nil || string(m.Data) != "once" {
		t.Fatalf("got %v, %v", m, err)
	}
	latticetest.Eventually(t, func() error {
		if err := prov.LastError(); !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(),
			inbox) {
			return fmt.Errorf("the second answer was not refused: %v", err)
		}
		return nil
	})
	if mayPublish(t, prov, asker.NewInbox()) {
		t.Error("a provider publishes to an inbox unasked")
	}
	// It cannot ask itself either, to be allowed to answer on a subject of its choice.
	for reply, verdict := range map[string]string{prov.NewInbox(): subj, "wasmbus.ctl.edge.cmd." + hostID +
		".stop": noInbox} {
		if !refused(t, prov, "publish", verdict, func() error { return prov.PublishRequest(subj, reply, nil) }) {
			t.Errorf("a provider asks itself, with reply %s", reply)
		}
	}
}

// NATS lets who may subscribe to "a.*" subscribe to "a.>"; nothing more must come of it.
func TestHostDoesNotHearProviders(t *testing.T) {
	r := newRealm(t)
	host := r.role(natsauth.Host)
	c, id := r.provider(host, natsauth.Needs{})
	spy, operator, prov := r.connect(host), r.connect(r.role(natsauth.Operator)), r.connect(c)
	heard, err := spy.SubscribeSync("wasmbus.rpc.edge.>")
	if err != nil {
		t.Fatal(err)
	}
	got, err := prov.SubscribeSync(subject.Provider(edge, id, link))
	if err != nil {
		t.Fatal(err)
	}
	for _, nc := range []*nats.Conn{spy, prov} {
		if err := nc.FlushTimeout(patience); err != nil {
			t.Fatal(err)
		}
	}
	if err := operator.Publish(subject.Provider(edge, id, link), []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := operator.Publish(subject.Actor(edge, actorID), []byte("for hosts")); err != nil {
		t.Fatal(err)
	}
	if _, err := got.NextMsg(patience); err != nil {
		t.Fatal(err)
	}
	if m, err := heard.NextMsg(patience); err != nil || string(m.Data) != "for hosts" { // it was sent later
		t.Fatalf("a host heard %v, %v", m, err)
	}
}

// A host cleans the store of large payloads, and asks for an application manager, without a permission that it lacks.
func TestHostSweeps(t *testing.T) {
	r := newRealm(t)
	nc := r.connect(r.role(natsauth.Host))
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	store, err := js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket(edge)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutBytes(t.Context(), uuid.NewString(), make([]byte, 5<<20)); err != nil {
		t.Fatal(err)
	}
	if n, err := chunks.Sweep(t.Context(), nc, edge, time.Now().Add(time.Minute)); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	stream, err := js.Stream(t.Context(), subject.ChunkStream(edge))
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d messages left", n)
	}
	if _, err := nc.Request(subject.AppPresence(edge), nil, patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("asked for an application manager: %v", err)
	}
	if err := nc.LastError(); err != nil {
		t.Errorf("the server refused something: %v", err)
	}
}

func TestNotAdmitted(t *testing.T) {
	r := newRealm(t)
	good := r.role(natsauth.Operator)
	otherCA, err := natsauth.OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := natsauth.Issue(latticetest.NewKey(t, 'A'),
		natsauth.Identity{Roles: []natsauth.Role{natsauth.Operator}, Lattice: edge})
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*natsconn.Config)) natsconn.Config {
		c := r.config(good)
		change(&c)
		return c
	}
	for _, tc := range []struct {
		name string
		cfg  natsconn.Config
		want error
	}{
		{"good", r.config(good), nil},
		{"none", with(func(c *natsconn.Config) { c.JWT, c.Seed = "", "" }), lattice.ErrDenied},
		{"token", with(func(c *natsconn.Config) { c.JWT, c.Seed, c.Token = "", "", "guess" }), lattice.ErrDenied},
		{"password", with(func(c *natsconn.Config) { c.JWT, c.Seed, c.User, c.Password = "", "", "admin", "admin" }),
			lattice.ErrDenied},
		{"seed alone", with(func(c *natsconn.Config) { c.JWT = "" }), lattice.ErrDenied},
		{"another's seed", with(func(c *natsconn.Config) { c.Seed = r.role(natsauth.Host).Seed }), lattice.ErrDenied},
		{"another authority's", r.config(foreign), lattice.ErrDenied},
		{"wrong CA", with(func(c *natsconn.Config) { c.TLSRoots = otherCA.PEM() }), lattice.ErrUnavailable},
		{"no CA", with(func(c *natsconn.Config) { c.TLSRoots = "" }), lattice.ErrUnavailable},
		{"wrong name", with(func(c *natsconn.Config) { c.TLSName = "example.org" }), lattice.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			nc, err := natsconn.Connect(t.Context(), tc.cfg)
			if nc != nil {
				nc.Close()
			}
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// Who is revoked or expires is shown out, a revoked host's providers as well, and does not come in again.
func TestShownOut(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	r := newRealm(t)
	host, id := r.issue(natsauth.Identity{Name: "second", Roles: []natsauth.Role{natsauth.Host}})
	prov, _ := r.provider(host, natsauth.Needs{})
	short, _ := r.issue(natsauth.Identity{Roles: []natsauth.Role{natsauth.Host},
		Expires: time.Now().Add(2 * time.Second)})
	shortProv, _ := r.provider(short, natsauth.Needs{})
	stays := r.connect(r.role(natsauth.Host))
	out := []*nats.Conn{r.connect(host), r.connect(prov), r.connect(short), r.connect(shortProv)}
	if _, err := r.users.Revoke(id.ID); err != nil {
		t.Fatal(err)
	}
	for i, nc := range out {
		latticetest.Eventually(t, func() error {
			if nc.IsConnected() {
				return fmt.Errorf("connection %d is still there", i)
			}
			return nil
		})
	}
	for i, c := range []natsauth.Credentials{host, prov, short, shortProv} {
		if nc, err := natsconn.Connect(t.Context(), r.config(c)); !errors.Is(err, lattice.ErrDenied) {
			if nc != nil {
				nc.Close()
			}
			t.Errorf("connection %d came in again: %v", i, err)
		}
	}
	if err := stays.FlushTimeout(patience); err != nil || stays.Reconnects > 0 {
		t.Errorf("somebody else was shown out: %v", err)
	}
}

// Providers and hosts can do their work with what they have: buckets, objects, calls.
func TestRolesCanWork(t *testing.T) {
	r := newRealm(t)
	host := r.role(natsauth.Host)
	prov, _ := r.provider(host, natsauth.Needs{})
	keeper, _ := r.provider(host, natsauth.Needs{Storage: true})
	store := func(c natsauth.Credentials) jetstream.JetStream {
		js, err := jetstream.New(r.connect(c))
		if err != nil {
			t.Fatal(err)
		}
		return js
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	chunks, err := store(host).CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket(edge)})
	if err != nil {
		t.Fatal(err)
	}
	big := []byte(strings.Repeat("0123456789abcdef", 1<<16))
	for name, js := range map[string]jetstream.JetStream{"provider": store(prov),
		"operator": store(r.role(natsauth.Operator))} {
		o, err := js.ObjectStore(ctx, subject.ChunkBucket(edge))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := o.PutBytes(ctx, "call-"+name, big); err != nil {
			t.Fatal(name, err)
		}
		if b, err := chunks.GetBytes(ctx, "call-"+name); err != nil || string(b) != string(big) {
			t.Fatal(name, err)
		}
		if _, err := chunks.PutBytes(ctx, "answer-"+name, big); err != nil {
			t.Fatal(name, err)
		}
		if b, err := o.GetBytes(ctx, "answer-"+name); err != nil || string(b) != string(big) {
			t.Fatal(name, err)
		}
		if err := o.Delete(ctx, "answer-"+name); err != nil {
			t.Fatal(name, err)
		}
	}
	kv, err := store(keeper).CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "mine", LimitMarkerTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(ctx, "k"); err != nil || string(e.Value()) != "v" {
		t.Fatal(err)
	}
	if err := kv.Purge(ctx, "k"); err != nil {
		t.Fatal(err)
	}
}
