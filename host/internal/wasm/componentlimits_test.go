package wasm

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// quiet is the surroundings of components of the suite.
type quiet struct{}

func (quiet) Streams(lattice.LinkName, lattice.ContractID) bool { return false }

func (quiet) HostCall(context.Context, lattice.LinkName, lattice.ContractID, string, []byte,
	*stream.Caller) ([]byte, error) {
	return nil, nil
}
func (quiet) Reserve(context.Context, int) error  { return nil }
func (quiet) Spent(uint64)                        {}
func (quiet) Log(context.Context, Source, string) {}

// Whatever a component does, the limits of modules end it: in its own code, and in what the host asks of it.
func TestComponentsThatMisbehave(t *testing.T) {
	e, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	file, err := os.ReadFile("../component/testdata/loop.wasm")
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Compile(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		limits Limits
		args   []any
		want   lattice.Code
	}{
		"spin": {Limits{Execution: 50 * time.Millisecond}, nil, lattice.ErrInterrupted},
		"deep": {Limits{}, nil, lattice.ErrStack},
		"trap": {Limits{}, nil, lattice.ErrTrap},
		"far":  {Limits{}, nil, lattice.ErrTrap},
		"take": {Limits{Fuel: 1 << 24}, []any{"text"}, lattice.ErrFuel},
		// The host pays for a large value before any guest code runs.
		"take, large": {Limits{Fuel: 1 << 20}, []any{strings.Repeat("x", 32<<20)}, lattice.ErrFuel},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := m.Instantiate(t.Context(), c.limits, quiet{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close(context.Background())
			function, _, _ := strings.Cut(name, ",")
			if _, err := i.invoke(t.Context(), function, c.args); lattice.CodeOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			if _, err := i.invoke(t.Context(), function, c.args); lattice.CodeOf(err) != lattice.ErrUnavailable {
				t.Errorf("it goes on after that: %v", err)
			}
		})
	}
	i, err := m.Instantiate(t.Context(), Limits{MemoryBytes: 1 << 20}, quiet{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.Background())
	if got, err := i.invoke(t.Context(), "grow", nil); err != nil || got != uint32(1<<32-1) {
		t.Errorf("a memory beyond its limit: %v, %v", got, err)
	}
	// Another goroutine ends a call in progress.
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := i.invoke(ctx, "spin", nil)
		done <- err
	}()
	cancel()
	if err := <-done; lattice.CodeOf(err) != lattice.ErrCanceled {
		t.Error(err)
	}
}
