package artifact

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	store "github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/signing"
)

// After a push of little data nats.go 1.55 may leave a goroutine that waits for a channel which has been forgotten
// already.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}

func resolver(t *testing.T, cfg Config) *Resolver {
	t.Helper()
	if cfg.CacheDir == "" {
		cfg.CacheDir = t.TempDir()
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func lattices(t *testing.T) (*latticetest.Env, jetstream.JetStream) {
	t.Helper()
	env := latticetest.NATS(t)
	js, err := jetstream.New(env.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	return env, js
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFiles(t *testing.T) {
	path := write(t, "my actor.wasm", []byte("module"))
	r := resolver(t, Config{AllowFileLoad: true, MaxBytes: 6})
	for _, ref := range []string{path, "file://" + path, "file://localhost" + path,
		(&url.URL{Scheme: "file", Path: path}).String()} {
		a, err := r.Fetch(t.Context(), ref)
		if err != nil || string(a.Bytes) != "module" || a.Digest != store.Digest([]byte("module")) || a.Ref != ref {
			t.Errorf("%s: %+v, %v", ref, a, err)
		}
	}
	if err := os.WriteFile(path, []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := r.Fetch(t.Context(), path); err != nil || string(a.Bytes) != "newer" {
		t.Errorf("after a change: %q, %v", a.Bytes, err)
	}
}

func TestRefusals(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0", 64)
	large := write(t, "large", []byte("1234567"))
	dir := filepath.Dir(large)
	for _, tc := range []struct {
		name, ref string
		cfg       Config
		code      lattice.Code
		text      string
	}{
		{"file when not allowed", "/a.wasm", Config{}, lattice.ErrDenied, "--allow-file-load"},
		{"file URL when not allowed", "file:///a.wasm", Config{}, lattice.ErrDenied, "WEFT_ALLOW_FILE_LOAD"},
		{"no such file", "/no/such/a.wasm", Config{AllowFileLoad: true}, lattice.ErrNotFound, "/no/such/a.wasm"},
		{"file too large", large, Config{AllowFileLoad: true, MaxBytes: 6}, lattice.ErrTooLarge, "6 bytes"},
		{"directory", dir, Config{AllowFileLoad: true}, lattice.ErrInvalid, "regular"},
		{"endless file", "/dev/zero", Config{AllowFileLoad: true}, lattice.ErrInvalid, "regular"},
		{"file on another host", "file://host/a.wasm", Config{AllowFileLoad: true}, lattice.ErrInvalid, "file:///"},
		{"relative file URL", "file:a.wasm", Config{AllowFileLoad: true}, lattice.ErrInvalid, "file:///"},
		{"relative path", "./a.wasm", Config{AllowFileLoad: true}, lattice.ErrInvalid, "not absolute"},
		{"bare word", "echo", Config{}, lattice.ErrInvalid, "want registry[:port]/repository:tag"},
		{"empty", "", Config{}, lattice.ErrInvalid, "want registry"},
		{"registry, no client", "ghcr.io/x/echo@sha256:" + strings.Repeat("0", 64), Config{}, lattice.ErrUnavailable,
			"no registry"},
		{"malformed", "lattice://a", Config{}, lattice.ErrInvalid, "digest is missing"},
		{"not cached, no connection", "lattice://a" + digest, Config{}, lattice.ErrUnavailable, "not cached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := resolver(t, tc.cfg).Fetch(t.Context(), tc.ref)
			var e *lattice.Error
			if !errors.Is(err, tc.code) || !strings.Contains(err.Error(), tc.text) || !errors.As(err, &e) ||
				e.Entity != tc.ref {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := New(Config{}); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("no cache directory: %v", err)
	}
}

func TestStoreAndCache(t *testing.T) {
	env, js := lattices(t)
	data := bytes.Repeat([]byte("weft"), 100<<10)
	ref, err := store.Push(t.Context(), js, env.Lattice, "echo", data)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	online := resolver(t, Config{Lattice: env.Lattice, JetStream: js, CacheDir: dir})
	if a, err := online.Fetch(t.Context(), ref); err != nil || !bytes.Equal(a.Bytes, data) ||
		"lattice://echo@"+a.Digest != ref {
		t.Fatalf("%s, %v", a.Digest, err)
	}
	missing := "lattice://x@sha256:" + strings.Repeat("0", 64)
	if _, err := online.Fetch(t.Context(), missing); !errors.Is(err, lattice.ErrNotFound) ||
		!strings.Contains(err.Error(), missing) {
		t.Errorf("missing: %v", err)
	}
	offline := resolver(t, Config{Lattice: env.Lattice, CacheDir: dir})
	if a, err := offline.Fetch(t.Context(), ref); err != nil || !bytes.Equal(a.Bytes, data) {
		t.Errorf("offline: %v", err)
	}
	small := resolver(t, Config{CacheDir: dir, MaxBytes: 10})
	if _, err := small.Fetch(t.Context(), ref); !errors.Is(err, lattice.ErrTooLarge) {
		t.Errorf("cached, but too large: %v", err)
	}

	// A damaged file is noticed, and replaced.
	_, digest, _ := strings.Cut(ref, "@")
	path := offline.blobs.path(digest)
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := offline.Fetch(t.Context(), ref); !errors.Is(err, lattice.ErrUnavailable) {
		t.Errorf("damaged, offline: %v", err)
	}
	if a, err := online.Fetch(t.Context(), ref); err != nil || !bytes.Equal(a.Bytes, data) {
		t.Errorf("damaged, online: %v", err)
	}
	if _, ok := offline.blobs.get(digest); !ok {
		t.Error("not cached again")
	}
}

func TestServerAway(t *testing.T) {
	env, js := lattices(t)
	ref, err := store.Push(t.Context(), js, env.Lattice, "a", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	env.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = resolver(t, Config{Lattice: env.Lattice, JetStream: js}).Fetch(ctx, ref)
	if !errors.Is(err, lattice.ErrTimeout) && !errors.Is(err, lattice.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func TestCacheKeepsTheRecentlyUsed(t *testing.T) {
	now := time.Unix(1000, 0)
	r := resolver(t, Config{CacheBytes: 30})
	c := r.blobs
	c.now = func() time.Time { now = now.Add(time.Second); return now }
	blob := func(b byte) ([]byte, string) {
		data := bytes.Repeat([]byte{b}, 10)
		return data, store.Digest(data)
	}
	has := func(b byte) bool {
		_, digest := blob(b)
		_, err := os.Stat(c.path(digest))
		return err == nil
	}
	for b := range byte(3) {
		data, digest := blob(b)
		c.put(digest, data)
	}
	_, first := blob(0)
	if _, ok := c.get(first); !ok {
		t.Fatal("a cache within its limit forgets")
	}
	data, digest := blob(3)
	c.put(digest, data)
	for b, want := range map[byte]bool{0: true, 1: false, 2: true, 3: true} {
		if has(b) != want {
			t.Errorf("blob %d kept: %v, want %v", b, !want, want)
		}
	}
	huge := make([]byte, 31)
	c.put(store.Digest(huge), huge)
	if _, ok := c.get(store.Digest(huge)); ok || !has(0) {
		t.Error("a blob over the limit was cached, or drove out others")
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, tempPrefix+"*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnwritableCacheDoesNotMatter(t *testing.T) {
	env, js := lattices(t)
	ref, err := store.Push(t.Context(), js, env.Lattice, "a", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	r := resolver(t, Config{Lattice: env.Lattice, JetStream: js, CacheDir: write(t, "a-file", nil)})
	if a, err := r.Fetch(t.Context(), ref); err != nil || string(a.Bytes) != "x" {
		t.Errorf("%q, %v", a.Bytes, err)
	}
}

func TestFlightsAreShared(t *testing.T) {
	var f flights
	var fetches atomic.Int64
	const callers = 16
	inside, release := make(chan struct{}), make(chan struct{})
	fetch := func(context.Context) (Artifact, error) {
		if fetches.Add(1) == 1 {
			close(inside)
		}
		<-release
		return Artifact{Ref: "x"}, nil
	}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if a, err := f.do(t.Context(), "x", fetch); err != nil || a.Ref != "x" {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	<-inside
	latticetest.Eventually(t, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.flights["x"].waiting != callers {
			return errors.New("not all wait yet")
		}
		return nil
	})
	close(release)
	wg.Wait()
	if fetches.Load() != 1 || len(f.flights) != 0 {
		t.Errorf("%d fetches, %d flights left", fetches.Load(), len(f.flights))
	}
}

func TestFlightOutlivesItsFirstCaller(t *testing.T) {
	var f flights
	first, leave := context.WithCancel(t.Context())
	inside, release := make(chan struct{}), make(chan struct{})
	fetch := func(ctx context.Context) (Artifact, error) {
		close(inside)
		select {
		case <-release:
			return Artifact{Ref: "x"}, nil
		case <-ctx.Done():
			return Artifact{}, ctx.Err()
		}
	}
	errs := make(chan error, 2)
	go func() { _, err := f.do(first, "x", fetch); errs <- err }()
	<-inside
	got := make(chan Artifact, 1)
	go func() { a, err := f.do(t.Context(), "x", fetch); errs <- err; got <- a }()
	latticetest.Eventually(t, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.flights["x"].waiting != 2 {
			return errors.New("the second does not wait yet")
		}
		return nil
	})
	leave()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
	close(release)
	if err := <-errs; err != nil || (<-got).Ref != "x" {
		t.Errorf("second: %v", err)
	}
}

func TestFlightEndsWithItsLastCaller(t *testing.T) {
	var f flights
	ctx, leave := context.WithCancel(t.Context())
	inside := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = f.do(ctx, "x", func(ctx context.Context) (Artifact, error) {
			close(inside)
			<-ctx.Done() // else this test hangs
			return Artifact{}, ctx.Err()
		})
	}()
	<-inside
	leave()
	<-done
	f.wait()
	if a, err := f.do(t.Context(), "x", func(context.Context) (Artifact, error) {
		return Artifact{Ref: "new"},
			nil
	}); err != nil || a.Ref != "new" {
		t.Errorf("the next caller got the abandoned fetch: %+v, %v", a, err)
	}
}

func archive(t *testing.T, target string, bin []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	claims := signing.ProviderClaims{Name: "test", ContractID: "test:thing", Vendor: "test"}
	err := signing.WriteArchive(&buf, claims, latticetest.NewKey(t, 'A'), latticetest.NewKey(t, 'V'),
		map[string][]byte{target: bin}, true)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestExecutable(t *testing.T) {
	r := resolver(t, Config{})
	par := archive(t, signing.CurrentTarget(), []byte("#!/bin/sh\nexit 0\n"))
	path, claims, err := r.Executable(par)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o755 || claims.ContractID != "test:thing" {
		t.Fatalf("%v, %v, %+v", info, err, claims)
	}
	again, _, err := r.Executable(par)
	if err != nil || again != path {
		t.Errorf("second: %s, %v", again, err)
	}
	if now, err := os.Stat(path); err != nil || !os.SameFile(info, now) {
		t.Errorf("it was written again: %v", err)
	}
	if other, _, err := r.Executable(archive(t, signing.CurrentTarget(), []byte("other"))); err != nil ||
		other == path {
		t.Errorf("another release: %s, %v", other, err)
	}
	for name, spoil := range map[string]func() error{
		"changed content": func() error { return os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o755) },
		"changed mode":    func() error { return os.Chmod(path, 0o600) },
		"removed":         func() error { return os.Remove(path) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Executable(par); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "#!/bin/sh\nexit 0\n" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != fs.FileMode(0o755) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, _, err := r.Executable(archive(t, "s390x-linux", []byte("x"))); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("another machine's: %v", err)
	}
	if _, _, err := r.Executable([]byte("\x00asm")); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("no archive: %v", err)
	}
}
