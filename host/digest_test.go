package host_test

import (
	"context"
	"fmt"
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

// TestMovedTag: what a tag meant when an actor was started is told, and is what other hosts can be made to start after
// the tag has moved. The actor can be called by its reference.
func TestMovedTag(t *testing.T) {
	r := newRig(t)
	reg := ocitest.Start(t, ocitest.Options{})
	settings := func(c *host.Config) {
		c.OCI = oci.Config{Insecure: []string{reg.Addr}}
		c.CacheDir = t.TempDir()
	}
	writer, err := oci.New(oci.Config{Insecure: []string{reg.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	key := latticetest.NewKey(t, 'M')
	push := func(version string) (digest string) {
		file := strings.TrimPrefix(r.module(version, key, signing.ActorClaims{Name: "guest"}), "file://")
		module, err := os.ReadFile(file)
		if err == nil {
			digest, err = writer.Push(t.Context(), oci.Reference{Registry: reg.Addr, Repository: "guest",
				Tag: "stable"}, oci.Artifact{Bytes: module})
		}
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	first := push("1")
	ref := reg.Addr + "/guest:stable"
	started := r.events(event.NameActorStarted, event.NameRefmapSet)
	h1 := r.host(settings)
	r.start(h1, control.ScaleActorRequest{ActorRef: ref, MaxInstances: 2}) // it calls itself
	var digest, mapped string
	for range 2 {
		switch d := started.next().(type) {
		case event.ActorStarted:
			digest = d.Digest
		case event.RefmapSet:
			mapped = d.OCIURL + " " + d.PublicKey
		}
	}
	if digest != first || mapped != ref+" "+key.Public() {
		t.Errorf("started with %s, reference of %q; want %s", digest, mapped, first)
	}
	inv, err := r.control.Inventory(t.Context(), h1.ID())
	if err != nil || len(inv.Actors) != 1 || inv.Actors[0].Digest != first || inv.Actors[0].ImageRef != ref {
		t.Errorf("%+v, %v; want the digest %s", inv.Actors, err, first)
	}
	latticetest.Eventually(t, func() error { // the reference comes by the bucket
		got, err := r.call(actorID(key), "Test.Call", ref+" Test.Echo self")
		if err != nil || got != "self" {
			return fmt.Errorf("%q, %w", got, err)
		}
		return nil
	})

	second := push("2")
	h2 := r.host(settings)
	r.start(h2, control.ScaleActorRequest{ActorRef: ref, MaxInstances: 1, Digest: inv.Actors[0].Digest})
	if inv, err = r.control.Inventory(t.Context(), h2.ID()); err != nil || inv.Actors[0].Digest != first ||
		inv.Actors[0].ImageRef != ref {
		t.Errorf("%+v, %v; want the digest %s", inv.Actors, err, first)
	}
	r.wantCall(actorID(key), "Test.Version", "", "1")
	h3 := r.host(settings) // without the digest it is what the tag means now
	r.start(h3, control.ScaleActorRequest{ActorRef: ref, MaxInstances: 1})
	if inv, err = r.control.Inventory(t.Context(), h3.ID()); err != nil || inv.Actors[0].Digest != second {
		t.Errorf("%+v, %v; want the digest %s", inv.Actors, err, second)
	}
	h4 := r.host(settings)
	failed := r.events(event.NameActorScaleFailed)
	if err := r.control.ScaleActor(context.Background(), control.ScaleActorRequest{ActorRef: ref, HostID: h4.ID(),
		MaxInstances: 1, Digest: "stable"}); err != nil {
		t.Fatal(err)
	}
	if d, ok := failed.next().(event.ActorScaleFailed); !ok || d.Code != lattice.ErrInvalid.Name() {
		t.Errorf("%+v", d)
	}
}
