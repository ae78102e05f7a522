package wasm_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// compilerArg makes the test binary the compiler that Config.Compiler asks for.
const compilerArg = "be-the-compiler"

// compilerMains are what the test binary can be instead, by its first argument.
var compilerMains = map[string]func(args []string) int{
	compilerArg: func(args []string) int { return wasm.CompilerMain(args, os.Stdin, os.Stdout) },
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if main := compilerMains[os.Args[1]]; main != nil {
			os.Exit(main(os.Args[2:]))
		}
	}
	goleak.VerifyTestMain(m)
}

// host is the surroundings of guests under test.
type host struct {
	call func(ctx context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
		payload []byte) ([]byte, error)

	mu    sync.Mutex
	log   []string
	spent []uint64
}

func (h *host) Reserve(context.Context, int) error { return nil }

func (h *host) Spent(fuel uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spent = append(h.spent, fuel)
}

// fuel is what has been spent since it was last asked, call by call.
func (h *host) fuel() []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	spent := h.spent
	h.spent = nil
	return spent
}

func (h *host) HostCall(ctx context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
	payload []byte, beside *stream.Caller) ([]byte, error) {
	if h.call == nil {
		return nil, nil
	}
	return h.call(ctx, link, contract, operation, payload)
}

func (h *host) Streams(lattice.LinkName, lattice.ContractID) bool { return false }

func (h *host) Log(_ context.Context, source wasm.Source, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, string(source)+":"+text)
}

func (h *host) logged() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.log)
}

func newEngine(t testing.TB) *wasm.Engine {
	t.Helper()
	// Stock Go under the race detector, on a machine that is busy, takes longer than the default.
	e, err := wasm.New(t.Context(), wasm.Config{CompileTime: 15 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compile(t testing.TB, e *wasm.Engine, code []byte) *wasm.Module {
	t.Helper()
	m, err := e.Compile(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func instantiate(t testing.TB, m *wasm.Module, l wasm.Limits, h wasm.Host) *wasm.Instance {
	t.Helper()
	i, err := m.Instantiate(t.Context(), l, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.Close(context.Background()) })
	return i
}

// wantCode fails unless err has the code.
func wantCode(t testing.TB, err error, code lattice.Code) {
	t.Helper()
	if lattice.CodeOf(err) != code {
		t.Fatalf("got %v (%s), want %s", err, lattice.CodeOf(err).Name(), code.Name())
	}
}

// goGuest builds the actor in stock Go, once for all tests.
var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "goguest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, ".")
	cmd.Dir = filepath.Join("testdata", "goguest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return os.ReadFile(out)
})

func loadGo(t testing.TB) []byte {
	t.Helper()
	long.Test(t, "builds a guest with Go")
	b, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
