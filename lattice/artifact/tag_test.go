package artifact_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
)

func TestTags(t *testing.T) {
	js, env := store(t)
	push := func(name, data string) artifact.Reference {
		t.Helper()
		text, err := artifact.Push(t.Context(), js, env.Lattice, name, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return parse(t, text)
	}
	tag := func(ref artifact.Reference, tag string) {
		t.Helper()
		ref.Tag = tag
		if err := artifact.Tag(t.Context(), js, env.Lattice, ref); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := artifact.Resolve(t.Context(), js, env.Lattice, parse(t, "lattice://echo:1")); !errors.Is(err,
		lattice.ErrNotFound) {
		t.Errorf("without a store: %v", err)
	}
	one, two := push("echo", "one"), push("echo", "two")
	tag(one, "1")
	tag(one, "stable")
	tag(two, "2")
	for text, want := range map[string]string{"lattice://echo:1": "one", "lattice://echo:stable": "one",
		"lattice://echo:2":               "two",
		"lattice://echo:1@" + two.Digest: "two", "lattice://other:9@" + one.Digest: "one"} {
		if data, err := artifact.Get(t.Context(), js, env.Lattice, parse(t, text), 0); err != nil ||
			string(data) != want {
			t.Errorf("%s: %q, %v", text, data, err)
		}
	}
	tag(two, "stable") // it moves
	if ref, err := artifact.Resolve(t.Context(), js, env.Lattice, parse(t, "lattice://echo:stable")); err != nil ||
		ref.Digest != two.Digest {
		t.Errorf("moved: %v, %v", ref, err)
	}
	all, err := artifact.List(t.Context(), js, env.Lattice)
	if err != nil || len(all) != 2 {
		t.Fatalf("list %+v, %v", all, err)
	}
	for _, i := range all {
		want := map[string][]string{one.Digest: {"echo:1"}, two.Digest: {"echo:2", "echo:stable"}}[i.Digest]
		if !slices.Equal(i.Tags, want) {
			t.Errorf("%s has tags %v, want %v", i, i.Tags, want)
		}
	}
	if err := artifact.Untag(t.Context(), js, env.Lattice, parse(t, "lattice://echo:1")); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"get an untagged": func() error {
			_, err := artifact.Get(t.Context(), js, env.Lattice, parse(t, "lattice://echo:1"), 0)
			return err
		}(),
		"untag again": artifact.Untag(t.Context(), js, env.Lattice, parse(t, "lattice://echo:1")),
		"tag what is absent": artifact.Tag(t.Context(), js, env.Lattice,
			parse(t, "lattice://x:1@sha256:"+strings.Repeat("0", 64))),
	} {
		if !errors.Is(err, lattice.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := artifact.Tag(t.Context(), js, env.Lattice, one); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("no tag: %v", err)
	}
}

func TestUnused(t *testing.T) {
	now := time.Unix(1000, 0)
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	info := func(name, c string, age time.Duration, tags ...string) artifact.Info {
		return artifact.Info{Reference: artifact.Reference{Name: name, Digest: digest(c)}, Pushed: now.Add(-age),
			Tags: tags}
	}
	all := []artifact.Info{info("old", "0", time.Hour), info("new", "1", time.Second), info("tagged", "2", time.Hour,
		"tagged:1"),
		info("running", "3", time.Hour), info("by-tag", "4", time.Hour), info("by-tag", "5", time.Hour),
		info("other", "6", time.Hour)}
	running := []string{"lattice://x@" + digest("3"), "lattice://by-tag:1", "ghcr.io/other:1", "builtin://httpserver",
		"/tmp/other.wasm"}
	var got []string
	for _, i := range artifact.Unused(all, running, now.Add(-time.Minute)) {
		got = append(got, i.Name)
	}
	if !slices.Equal(got, []string{"old", "other"}) || len(all) != 7 || all[1].Name != "new" {
		t.Errorf("unused %v of %v", got, all)
	}
}
