package wasm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
)

// sdkGuest builds the actor of package host's tests, with and without the function that seeds Go's runtime again.
func sdkGuest(args ...string) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "sdkguest")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		out := filepath.Join(dir, "guest.wasm")
		cmd := exec.Command("go", append(append([]string{"build", "-buildmode=c-shared", "-o", out}, args...), ".")...)
		cmd.Dir = filepath.Join("..", "..", "testdata", "guest")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, text)
		}
		return os.ReadFile(out)
	})
}

var (
	reseedingGuest = sdkGuest("-tags=weft_restore", "-ldflags=-checklinkname=0")
	frozenGuest    = sdkGuest()
)

func loadReseeding(t testing.TB) []byte {
	t.Helper()
	long.Test(t, "builds a guest with Go")
	b, err := reseedingGuest()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Instances made from one snapshot, and one that is restored to it again and again, never draw the same random number,
// their maps are sound and their clocks right.
func TestRestoredGoGuest(t *testing.T) {
	tmpl := template(t, compile(t, newEngine(t), loadReseeding(t)), &host{})
	first := fromTemplate(t, tmpl)
	if why := tmpl.Anew(); why != "" {
		t.Fatal(why)
	}
	call := func(i *wasm.Instance, op string) string {
		t.Helper()
		out, err := i.Call(t.Context(), op, nil)
		if err != nil {
			t.Fatal(op, err)
		}
		return string(out)
	}
	sound := func(i *wasm.Instance) {
		t.Helper()
		ms, err := strconv.ParseInt(call(i, "Test.Sound"), 10, 64)
		if d := time.Since(time.UnixMilli(ms)); err != nil || d < -time.Second || d > 10*time.Second {
			t.Errorf("the guest's clock is off by %v, %v", d, err)
		}
	}
	drawn := map[string]bool{}
	draw := func(i *wasm.Instance) {
		t.Helper()
		for range 3 {
			n := call(i, "Test.Draw")
			if drawn[n] {
				t.Fatalf("%s was drawn before", n)
			}
			drawn[n] = true
		}
	}
	draw(first)
	for range 5 {
		i := fromTemplate(t, tmpl)
		draw(i)
		sound(i)
		if n := call(i, "Test.Restores"); n != "1" {
			t.Errorf("OnRestore ran %s times", n)
		}
	}
	for range 20 {
		if err := first.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := call(first, "Test.Count"); n != "1" {
			t.Fatalf("call %s after a restore", n)
		}
		draw(first)
		sound(first)
	}
}

// Without a way to seed it again, an actor is never copied.
func TestGuestsThatCanNotBeSeededInitialiseThemselves(t *testing.T) {
	long.Test(t, "builds a guest with Go")
	code, err := frozenGuest()
	if err != nil {
		t.Fatal(err)
	}
	tmpl := template(t, compile(t, newEngine(t), code), &host{})
	drawn := map[string]bool{}
	for range 3 {
		i := fromTemplate(t, tmpl)
		out, err := i.Call(t.Context(), "Test.Draw", nil)
		if err != nil || drawn[string(out)] {
			t.Fatalf("%s, %v", out, err)
		}
		drawn[string(out)] = true
		if err := i.Restore(t.Context()); err == nil {
			t.Error("it was restored")
		}
	}
	if why := tmpl.Anew(); !strings.Contains(why, "random numbers or the time") {
		t.Error(why)
	}
}
