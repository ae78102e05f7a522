package host_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
)

// An update replaces the process and keeps what it was started with; what cannot be fetched or is another provider
// does not touch the one that runs, and after one that does not start the old one runs again.
func TestProviderUpdate(t *testing.T) {
	r := newRig(t)
	h := r.host(func(c *host.Config) { withProvider(c); c.AllowFileLoad = true })
	ctx := context.Background()
	ev := r.events(event.NameProviderStarted, event.NameProviderStartFailed)
	archive := func(name string, key signing.KeyPair, script string) string {
		t.Helper()
		var buf bytes.Buffer
		claims := signing.ProviderClaims{Name: name, ContractID: "acme:thing"}
		if err := signing.WriteArchive(&buf, claims, latticetest.NewKey(t, 'A'), key,
			map[string][]byte{signing.CurrentTarget(): []byte(script)}, true); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name+".par.gz")
		if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file://" + path
	}
	if err := r.control.StartProvider(ctx, control.StartProviderRequest{ProviderRef: "thing", LinkName: "default",
		HostID: h.ID(), Annotations: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	started, ok := ev.next().(event.ProviderStarted)
	if !ok {
		t.Fatal("not started")
	}
	id, pid := started.PublicKey, r.provider(h).PID
	update := func(ref string, replaces lattice.ProviderID) {
		t.Helper()
		if err := r.control.StartProvider(ctx, control.StartProviderRequest{ProviderRef: ref, LinkName: "default",
			HostID: h.ID(), Replaces: replaces}); err != nil {
			t.Fatal(err)
		}
	}
	for ref, want := range map[string]string{"file:///nowhere.par.gz": "nowhere",
		archive("other", latticetest.NewKey(t, 'V'), "#!/bin/sh\n"): "is another provider"} {
		update(ref, id)
		if failed, ok := ev.next().(event.ProviderStartFailed); !ok || !strings.Contains(failed.Error, want) {
			t.Errorf("%s: %+v, want %q", ref, failed, want)
		}
		if now := r.provider(h).PID; now != pid {
			t.Errorf("%s: process %d became %d", ref, pid, now)
		}
	}
	update("thing", id)
	if d, ok := ev.next().(event.ProviderStarted); !ok || d.PublicKey != id || d.Annotations["a"] != "b" {
		t.Errorf("after an update: %+v", d)
	}
	if now := r.provider(h).PID; now == pid || now == 0 {
		t.Errorf("process %d became %d", pid, now)
	}
	update(archive("thing", signing.Derive('V', "weft test thing"), "#!/bin/sh\nexit 3\n"), id)
	if d, ok := ev.next().(event.ProviderStarted); !ok || d.ImageRef != "thing" || d.Annotations["a"] != "b" {
		t.Errorf("the old one does not run again: %+v", d)
	}
	if failed, ok := ev.next().(event.ProviderStartFailed); !ok || !strings.Contains(failed.Error,
		"thing, which ran before, runs again") {
		t.Errorf("%+v", failed)
	}
}
