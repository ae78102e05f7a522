package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/subject"
)

// After a push of little data nats.go 1.55 may leave a goroutine that waits for a channel which has been forgotten
// already.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}

func store(t *testing.T) (jetstream.JetStream, *latticetest.Env) {
	t.Helper()
	env := latticetest.NATS(t)
	js, err := jetstream.New(env.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	return js, env
}

func parse(t *testing.T, s string) artifact.Reference {
	t.Helper()
	ref, err := artifact.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// noise returns n bytes that differ by seed.
func noise(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func TestPushAndGet(t *testing.T) {
	js, env := store(t)
	module := append([]byte("\x00asm\x01\x00\x00\x00"), noise(1<<20, 1)...) // several chunks
	text, err := artifact.Push(t.Context(), js, env.Lattice, "echo", module)
	if err != nil {
		t.Fatal(err)
	}
	if want := "lattice://echo@" + artifact.Digest(module); text != want {
		t.Errorf("reference %s, want %s", text, want)
	}
	got, err := artifact.Get(t.Context(), js, env.Lattice, parse(t, text), 0)
	if err != nil || !bytes.Equal(got, module) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	again, err := artifact.Push(t.Context(), js, env.Lattice, "other-name", module)
	if err != nil || parse(t, again).Digest != parse(t, text).Digest {
		t.Errorf("second push: %s, %v", again, err)
	}
	if _, err := artifact.Push(t.Context(), js, env.Lattice, "archive", []byte("\x1f\x8b")); err != nil {
		t.Fatal(err)
	}
	infos, err := artifact.List(t.Context(), js, env.Lattice)
	if err != nil || len(infos) != 2 {
		t.Fatalf("list %+v, %v", infos, err)
	}
	i := infos[1]
	if infos[0].Kind != artifact.KindProvider || i.Kind != artifact.KindActor || i.String() != text ||
		i.SizeBytes != uint64(len(module)) || time.Since(i.Pushed) > time.Minute {
		t.Errorf("list %+v", infos)
	}
	if err := artifact.Delete(t.Context(), js, env.Lattice, parse(t, text)); err != nil {
		t.Fatal(err)
	}
	if _, err := artifact.Get(t.Context(), js, env.Lattice, parse(t, text), 0); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("after delete: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	js, env := store(t)
	missing := parse(t, "lattice://x@sha256:"+strings.Repeat("0", 64))
	text, err := artifact.Push(t.Context(), js, env.Lattice, "small", []byte("12345678"))
	if err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	other := env.Lattice + "-other"
	push := func(name string, data []byte) func() error {
		return func() error { _, err := artifact.Push(t.Context(), js, env.Lattice, name, data); return err }
	}
	get := func(ctx context.Context, l lattice.Name, ref artifact.Reference, limit int64) func() error {
		return func() error { _, err := artifact.Get(ctx, js, l, ref, limit); return err }
	}
	for _, tc := range []struct {
		name string
		do   func() error
		want lattice.Code
	}{
		{"no name", push("", []byte("x")), lattice.ErrInvalid},
		{"bad name", push("a/b", []byte("x")), lattice.ErrInvalid},
		{"no data", push("a", nil), lattice.ErrInvalid},
		{"too much data", push("a", make([]byte, artifact.MaxBytes+1)), lattice.ErrTooLarge},
		{"unknown digest", get(t.Context(), env.Lattice, missing, 0), lattice.ErrNotFound},
		{"no bucket", get(t.Context(), other, missing, 0), lattice.ErrNotFound},
		{"over the limit", get(t.Context(), env.Lattice, parse(t, text), 7), lattice.ErrTooLarge},
		{"canceled", get(canceled, env.Lattice, parse(t, text), 0), lattice.ErrCanceled},
		{"delete unknown", func() error { return artifact.Delete(t.Context(), js, env.Lattice, missing) },
			lattice.ErrNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.do(); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
	if infos, err := artifact.List(t.Context(), js, other); err != nil || len(infos) != 0 {
		t.Errorf("list without bucket: %v, %v", infos, err)
	}
}

func TestCorruptObject(t *testing.T) {
	js, env := store(t)
	text, err := artifact.Push(t.Context(), js, env.Lattice, "a", []byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := js.ObjectStore(t.Context(), subject.ArtifactBucket(env.Lattice))
	if err != nil {
		t.Fatal(err)
	}
	object := strings.TrimPrefix(parse(t, text).Digest, "sha256:")
	if _, err := bucket.PutBytes(t.Context(), object, []byte("wrong")); err != nil {
		t.Fatal(err)
	}
	if _, err := artifact.Get(t.Context(), js, env.Lattice, parse(t, text), 0); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}

func TestServerGone(t *testing.T) {
	js, env := store(t)
	env.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := artifact.Push(ctx, js, env.Lattice, "a", []byte("x")); !errors.Is(err, lattice.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func TestConcurrentPushes(t *testing.T) {
	js, env := store(t)
	data := noise(300<<10, 2)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := artifact.Push(t.Context(), js, env.Lattice, "a", data); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ref := artifact.Reference{Name: "a", Digest: artifact.Digest(data)}
	if got, err := artifact.Get(t.Context(), js, env.Lattice, ref, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestParseReference(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for _, s := range []string{"lattice://a@sha256:" + hex, "lattice://Edge-1.2_x@sha256:" + hex} {
		if ref, err := artifact.ParseReference(s); err != nil || ref.String() != s || !artifact.IsReference(s) {
			t.Errorf("%s: %v, %v", s, ref, err)
		}
	}
	for _, s := range []string{"", "lattice://", "lattice://a", "lattice://a@" + hex, "lattice://@sha256:" + hex,
		"oci://a@sha256:" + hex,
		"lattice://a@sha256:" + strings.ToUpper(hex), "lattice://a@sha256:" + hex + "0", "lattice://a/b@sha256:" + hex,
		"lattice://.a@sha256:" + hex, "lattice://a@b@sha256:" + hex, "lattice://" + strings.Repeat("a", 129) +
			"@sha256:" + hex} {
		if _, err := artifact.ParseReference(s); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("%q: error %v", s, err)
		}
	}
}

func TestCleanName(t *testing.T) {
	for in, want := range map[string]string{"echo": "echo", "Echo Actor.wasm": "Echo-Actor.wasm", "/a//b": "a-b",
		"..": "artifact", "": "artifact",
		"-x-": "x", "é": "artifact", "a é": "a", strings.Repeat("x", 200): strings.Repeat("x", 128)} {
		if got := artifact.CleanName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"lattice://a@sha256:" + strings.Repeat("0", 64), "lattice://", "@",
		"lattice://a@sha256:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ref, err := artifact.ParseReference(s); err == nil && ref.String() != s {
			t.Errorf("%q became %q", s, ref)
		}
		clean := artifact.CleanName(s)
		ref := artifact.Reference{Name: clean, Digest: artifact.Digest(nil)}
		if back, err := artifact.ParseReference(ref.String()); err != nil || back != ref {
			t.Errorf("clean name %q of %q: %v", clean, s, err)
		}
	})
}

func TestListIsOrdered(t *testing.T) {
	js, env := store(t)
	for i, name := range []string{"b", "a", "b", "a"} {
		if _, err := artifact.Push(t.Context(), js, env.Lattice, name, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	infos, err := artifact.List(t.Context(), js, env.Lattice)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range infos {
		got = append(got, i.Name)
	}
	if !slices.Equal(got, []string{"a", "a", "b", "b"}) || infos[0].Pushed.Before(infos[1].Pushed) {
		t.Errorf("order %v", got)
	}
}
