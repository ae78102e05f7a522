package provider_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider/providertest"
)

// callAs calls the provider signed with a certain cluster key.
func callAs(p *providertest.Process, actor lattice.ActorID, cluster signing.KeyPair) error {
	c := rpc.NewClient(p.NC, rpc.ClientConfig{Lattice: p.Lattice.Name, HostID: p.Host, Cluster: cluster,
		Timeout: providertest.Patience})
	_, err := c.Call(context.Background(), rpc.Call{Origin: wire.ActorEntity(actor),
		Target: wire.ProviderEntity(p.Provider, p.Contract, p.Link), Operation: "Script.Do"})
	return err
}

// A provider that runs learns to trust a new cluster key, signs with it, and forgets the old one, without losing a
// call.
func TestReloadClusterKey(t *testing.T) {
	s := &script{}
	p := start(t, s, plain)
	actor := p.Lattice.ActorID(t)
	p.PutLink(actor, v("x"))
	before, after := p.Lattice.Cluster, latticetest.NewKey(t, 'C')

	// The actor tells by whom the provider's calls to it are signed.
	var signer atomic.Value
	actors := rpc.NewServer(p.NC, rpc.ServerConfig{Lattice: p.Lattice.Name,
		Verifier: signing.NewVerifier(before.ClusterID(), after.ClusterID()), Logger: p.Lattice.Logger})
	defer func() { _ = actors.Close(context.Background()) }()
	subj := subject.Actor(p.Lattice.Name, actor)
	only := map[string]*signing.Verifier{"before": signing.NewVerifier(before.ClusterID()),
		"after": signing.NewVerifier(after.ClusterID())}
	if _, err := actors.Serve(rpc.Endpoint{Target: wire.ActorEntity(actor), Subject: subj, Queue: subj,
		Handler: func(_ context.Context, inv *wire.Invocation) ([]byte, error) {
			for name, verifier := range only {
				if _, err := verifier.VerifyInvocation(inv.EncodedClaims,
					signing.Invocation{ID: inv.ID, OriginURL: inv.OriginURL(), TargetURL: inv.TargetURL(),
						Hash: inv.Hash()}, time.Now()); err == nil {
					signer.Store(name)
				}
			}
			return nil, nil
		}}); err != nil {
		t.Fatal(err)
	}
	signedBy := func() any {
		if _, err := s.env.Call(t.Context(), actor, "Who", nil); err != nil {
			t.Fatal(err)
		}
		return signer.Load()
	}

	var load sync.WaitGroup
	done := make(chan struct{})
	current := atomic.Pointer[signing.KeyPair]{}
	current.Store(&before)
	for range 2 {
		load.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := callAs(p, actor, *current.Load()); err != nil {
					t.Errorf("during the rotation: %v", err)
					return
				}
			}
		})
	}
	hd := p.HostData
	if err := callAs(p, actor, after); lattice.CodeOf(err) != lattice.ErrUnknownIssuer || signedBy() != "before" {
		t.Errorf("at first: %v, signed by %v", err, signedBy())
	}
	hd.ClusterIssuers = []lattice.ClusterID{before.ClusterID(), after.ClusterID()}
	if answer := p.Tell(hd); answer != wire.ReloadedLine || callAs(p, actor, after) != nil ||
		callAs(p, actor, before) != nil || signedBy() != "before" {
		t.Errorf("both trusted: %s, signed by %v", answer, signedBy())
	}
	current.Store(&after)
	hd.InvocationSeed = after.Seed()
	if answer := p.Tell(hd); answer != wire.ReloadedLine || callAs(p, actor, before) != nil || signedBy() != "after" {
		t.Errorf("the new one signs: %s, signed by %v", answer, signedBy())
	}
	close(done)
	load.Wait()
	hd.ClusterIssuers = []lattice.ClusterID{after.ClusterID()}
	if answer := p.Tell(hd); answer != wire.ReloadedLine {
		t.Error(answer)
	}
	if err := callAs(p, actor, before); lattice.CodeOf(err) != lattice.ErrUnknownIssuer {
		t.Errorf("signed with the old key: %v", err)
	}
	if err := callAs(p, actor, after); err != nil || signedBy() != "after" {
		t.Errorf("signed with the new key: %v", err)
	}
}

// What a process cannot take over it says, and goes on with what it has.
func TestReloadRefused(t *testing.T) {
	s := &script{}
	p := start(t, s, plain)
	actor := p.Lattice.ActorID(t)
	p.PutLink(actor, v("x"))
	for name, change := range map[string]func(*wire.HostData){
		"a seed that is none":    func(hd *wire.HostData) { hd.InvocationSeed = "SC" },
		"an issuer that is none": func(hd *wire.HostData) { hd.ClusterIssuers = []lattice.ClusterID{"C"} },
		"another provider":       func(hd *wire.HostData) { hd.ProviderKey = p.Lattice.ProviderID(t) },
		"NATS elsewhere":         func(hd *wire.HostData) { hd.LatticeRPCURL = "nats://127.0.0.1:1" },
		"another kind of login":  func(hd *wire.HostData) { hd.LatticeRPCUserSeed = latticetest.NewKey(t, 'U').Seed() },
		"credentials where no were": func(hd *wire.HostData) {
			hd.LatticeRPCURL = "nats://token@" +
				hd.LatticeRPCURL[len("nats://"):]
		},
	} {
		hd := p.HostData
		change(&hd)
		if answer := p.Tell(hd); answer != wire.RestartLine {
			t.Errorf("%s: %s", name, answer)
		}
		if err := callAs(p, actor, p.Lattice.Cluster); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}
