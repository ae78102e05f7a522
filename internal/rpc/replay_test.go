package rpc_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest/output"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// signed is an invocation of the rig's actor, as if it was made at a time.
func (r *rig) signed(t *testing.T, id string, at time.Time) *wire.Invocation {
	t.Helper()
	inv := &wire.Invocation{Origin: r.origin, Target: wire.ActorEntity(r.actor), Operation: "Test.Count",
		Msg: []byte("msg"), ID: id,
		HostID: r.env.HostID(t), ContentLength: 3}
	var err error
	if inv.EncodedClaims, err = signing.SignInvocation(r.env.Cluster,
		signing.Invocation{ID: id, OriginURL: inv.OriginURL(), TargetURL: inv.TargetURL(),
			Hash: inv.Hash()}, at); err != nil {
		t.Fatal(err)
	}
	return inv
}

// send delivers an invocation as it is and returns the name and the text of the error in the answer.
func (r *rig) send(t *testing.T, inv *wire.Invocation) (code, text string) {
	t.Helper()
	reply, err := r.nc.Request(subject.Actor(r.env.Lattice, r.actor), inv.Encode(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := wire.DecodeResponse(reply.Data)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Header.Get("Weft-Error"), resp.Error
}

func (r *rig) wantCode(t *testing.T, what string, inv *wire.Invocation, want lattice.Code) {
	t.Helper()
	name := ""
	if want != 0 {
		name = want.Name()
	}
	if code, text := r.send(t, inv); code != name {
		t.Errorf("%s: %q %q, want %q", what, code, text, name)
	}
}

func TestReplay(t *testing.T) {
	r := newRigWith(t, 5*time.Minute, 2*time.Minute)
	var served atomic.Int32
	busy := true
	r.serve(t, 0, func(_ context.Context, inv *wire.Invocation) ([]byte, error) {
		served.Add(1)
		switch inv.ID {
		case "busy":
			if busy {
				busy = false
				return nil, &lattice.Error{Code: lattice.ErrBusy}
			}
		case "busy elsewhere":
			return nil, &lattice.Error{Code: lattice.ErrBusy, Remote: true}
		case "fails":
			return nil, &lattice.Error{Code: lattice.ErrGuest, Detail: "no"}
		}
		return nil, nil
	})
	want := func(n int32) {
		t.Helper()
		if got := served.Load(); got != n {
			t.Errorf("served %d calls, want %d", got, n)
		}
	}
	now := time.Now()
	inv := r.signed(t, "once", now)
	r.wantCode(t, "first", inv, 0)
	r.wantCode(t, "replayed", inv, lattice.ErrReplayed)
	inv.HostID = r.env.HostID(t)
	r.wantCode(t, "replayed in another host's name", inv, lattice.ErrReplayed)
	inv.ID = ""
	r.wantCode(t, "replayed without the id beside the claims", inv, lattice.ErrReplayed)
	r.wantCode(t, "the same id, signed again", r.signed(t, "once", now.Add(time.Second)), lattice.ErrReplayed)
	want(1)

	// What is not verified must not use an id up.
	good := r.signed(t, "poison", now)
	for what, spoil := range map[string]func(*wire.Invocation){
		"altered": func(i *wire.Invocation) { i.Msg = []byte("gsm") },
		"forged": func(i *wire.Invocation) {
			i.EncodedClaims = i.EncodedClaims[:len(i.EncodedClaims)-86] + strings.Repeat("A", 86)
		},
		"no host": func(i *wire.Invocation) { i.HostID = "" },
	} {
		bad := *good
		spoil(&bad)
		if code, _ := r.send(t, &bad); code == "" {
			t.Errorf("%s: served", what)
		}
	}
	r.wantCode(t, "too old", r.signed(t, "poison", now.Add(-time.Hour)), lattice.ErrTokenExpired)
	r.wantCode(t, "after attempts to burn its id", good, 0)
	want(2)

	// Nothing was done for a call that was turned away as busy, so that it may come again.
	r.wantCode(t, "busy", r.signed(t, "busy", now), lattice.ErrBusy)
	r.wantCode(t, "after busy", r.signed(t, "busy", now), 0)
	r.wantCode(t, "after busy and served", r.signed(t, "busy", now), lattice.ErrReplayed)
	r.wantCode(t, "a failure", r.signed(t, "fails", now), lattice.ErrGuest)
	r.wantCode(t, "after a failure", r.signed(t, "fails", now), lattice.ErrReplayed)
	r.wantCode(t, "busy elsewhere", r.signed(t, "busy elsewhere", now), lattice.ErrBusy)
	r.wantCode(t, "after busy elsewhere", r.signed(t, "busy elsewhere", now), lattice.ErrReplayed)
	want(6)
}

// A replay is refused on all subjects of a server.
func TestReplayAcrossEndpoints(t *testing.T) {
	r := newRig(t)
	h := func(context.Context, *wire.Invocation) ([]byte, error) { return nil, nil }
	first := r.serve(t, 0, h)
	inv := r.signed(t, "id", time.Now())
	r.wantCode(t, "first", inv, 0)
	if err := first.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.serve(t, 0, h)
	r.wantCode(t, "after the actor was started again", inv, lattice.ErrReplayed)
}

func TestClocksThatDiffer(t *testing.T) {
	r := newRig(t)
	log := &output.Text{}
	server := rpc.NewServer(r.env.Conn(t), rpc.ServerConfig{Lattice: r.env.Lattice,
		Verifier: signing.NewVerifier(r.env.Cluster.ClusterID()),
		Logger:   slog.New(slog.NewTextHandler(log, nil)), MaxAge: 10 * time.Minute, MaxAhead: 4 * time.Minute})
	defer server.Close(context.Background())
	s := subject.Actor(r.env.Lattice, r.actor)
	if _, err := server.Serve(rpc.Endpoint{Target: wire.ActorEntity(r.actor), Subject: s, Queue: s,
		Handler: func(context.Context, *wire.Invocation) ([]byte, error) { return nil, nil }}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id     string
		behind time.Duration
		want   lattice.Code
		text   string // in the answer
		logged int    // lines about the host
	}{
		{"right", 20 * time.Second, 0, "", 0},
		{"behind", 9 * time.Minute, 0, "", 1},
		{"ahead", -3 * time.Minute, 0, "", 1},
		{"too far behind", 12 * time.Minute, lattice.ErrTokenExpired, "is 12m0s behind", 1},
		{"too far ahead", -12 * time.Minute, lattice.ErrTokenNotYetValid, "is 12m0s ahead", 1},
	} {
		inv := r.signed(t, tt.id, time.Now().Add(-tt.behind))
		for range 3 {
			code, text := r.send(t, inv)
			if tt.want != 0 && (code != tt.want.Name() || !strings.Contains(text, tt.text) ||
				!strings.Contains(text, string(inv.HostID))) {
				t.Errorf("%s: %q %q, want %s", tt.id, code, text, tt.want.Name())
			}
			if tt.want == 0 && code != "" && code != lattice.ErrReplayed.Name() {
				t.Errorf("%s: %q %q, want it accepted once", tt.id, code, text)
			}
		}
		if n := strings.Count(log.String(), string(inv.HostID)); n != tt.logged {
			t.Errorf("%s: %d lines in the log, want %d", tt.id, n, tt.logged)
		}
	}
}

// Without a window, as the dialect has none, age does not matter, and an id is served once all the same.
func TestAnyAge(t *testing.T) {
	r := newRig(t)
	r.serve(t, 0, func(context.Context, *wire.Invocation) ([]byte, error) { return nil, nil })
	old := r.signed(t, "old", time.Unix(1_700_000_000, 0))
	r.wantCode(t, "years old", old, 0)
	r.wantCode(t, "years old, again", old, lattice.ErrReplayed)
	r.wantCode(t, "a year ahead", r.signed(t, "ahead", time.Now().AddDate(1, 0, 0)), 0)
}
