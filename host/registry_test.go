package host_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/ocitest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/oci"
	"github.com/weftlattice/weft/lattice/signing"
)

// An actor comes from a registry once the host was told how to log in there; when the registry is gone it stops, scales
// and starts again, on the host that had it.
func TestActorFromRegistry(t *testing.T) {
	r := newRig(t)
	reg := ocitest.Start(t, ocitest.Options{Login: true})
	dir := t.TempDir()
	settings := func(c *host.Config) {
		c.OCI = oci.Config{Insecure: []string{reg.Addr}}
		c.CacheDir = dir
	}
	h := r.host(settings)
	key := latticetest.NewKey(t, 'M')
	file := strings.TrimPrefix(r.module("1", key, signing.ActorClaims{Name: "guest"}), "file://")
	module, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := oci.New(oci.Config{Insecure: []string{reg.Addr},
		Credentials: map[string]oci.Credential{reg.Addr: {Username: ocitest.User, Password: ocitest.Password}}})
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if _, err := writer.Push(t.Context(), oci.Reference{Registry: reg.Addr, Repository: "guest", Tag: "1"},
		oci.Artifact{Bytes: module}); err != nil {
		t.Fatal(err)
	}
	ref := reg.Addr + "/guest:1"
	failures := r.events(event.NameActorStartFailed)
	fails := func(h *host.Host, want lattice.Code) {
		t.Helper()
		if err := r.control.ScaleActor(context.Background(), control.ScaleActorRequest{ActorRef: ref, HostID: h.ID(),
			MaxInstances: 1}); err != nil {
			t.Fatal(err)
		}
		if d, ok := failures.next().(event.ActorStartFailed); !ok || d.Code != want.Name() {
			t.Errorf("%+v, want %s", d, want.Name())
		}
	}
	fails(h, lattice.ErrDenied)
	if err := r.control.PutRegistries(t.Context(), control.RegistryCredentials{reg.Addr: {RegistryType: "bindle",
		Username: ocitest.User, Password: ocitest.Password}}); err != nil {
		t.Fatal(err)
	}
	fails(h, lattice.ErrDenied) // credentials of a kind that is not supported are left out
	login := control.RegistryCredentials{reg.Addr: {RegistryType: "oci", Username: ocitest.User,
		Password: ocitest.Password}}
	if err := r.control.PutRegistries(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	scale := func(max uint32) {
		t.Helper()
		r.start(h, control.ScaleActorRequest{ActorRef: ref, MaxInstances: max})
	}
	scale(2)
	r.wantCall(actorID(key), "Test.Echo", "hello", "hello")
	reg.Stop()
	scale(5)
	scale(0)
	scale(1)
	r.wantCall(actorID(key), "Test.Echo", "again", "again")
	other := r.host(func(c *host.Config) { settings(c); c.CacheDir = t.TempDir() })
	fails(other, lattice.ErrUnavailable)
}
