package actortest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/actor-sdk/internal/guest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/contract/numbergen"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Func answers operations in the place of an actor or a provider.
type Func func(operation string, payload []byte) ([]byte, error)

// Host is a host for one test. Safe for concurrent use; invocations run one at a time, over all hosts of the test
// binary, as they do within an instance. A Func must therefore not invoke the actor again.
type Host struct {
	t testing.TB

	mu        sync.Mutex
	now       time.Time                   // guarded by mu
	rng       *rand.Rand                  // guarded by mu
	logs      []logging.Entry             // guarded by mu
	console   []string                    // guarded by mu
	stores    map[lattice.LinkName]*Store // guarded by mu
	actors    map[string]Func             // by key or alias; guarded by mu
	providers map[provided]Func           // guarded by mu
	calls     []string                    // guarded by mu
}

// provided is what a test gives the actor over a link.
type provided struct {
	contract lattice.ContractID
	link     lattice.LinkName
}

// New returns a host whose stores are empty, whose clock shows 2000-01-01 00:00 UTC, and whose random numbers are the
// same in every run.
func New(t testing.TB) *Host {
	return &Host{
		t:         t,
		now:       time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		rng:       rand.New(rand.NewPCG(1, 2)),
		stores:    map[lattice.LinkName]*Store{},
		actors:    map[string]Func{},
		providers: map[provided]Func{},
	}
}

// Actor makes fn answer calls to another actor, under its public key or its call alias.
func (h *Host) Actor(target string, fn Func) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.actors[target] = fn
}

// Provider makes fn answer calls to a contract over a link ("" is the default one), also in the place of what the host
// offers itself: to try how the actor bears a broken store, return errors.
func (h *Host) Provider(contract lattice.ContractID, link lattice.LinkName, fn Func) {
	if link == "" {
		link = lattice.DefaultLink
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.providers[provided{contract, link}] = fn
}

// Store returns the key-value store behind the default link.
func (h *Host) Store() *Store { return h.StoreOf(lattice.DefaultLink) }

// StoreOf returns the key-value store behind a link. Each link has a store of its own.
func (h *Host) StoreOf(link lattice.LinkName) *Store {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stores[link]
	if s == nil {
		s = newStore(h.Now)
		h.stores[link] = s
	}
	return s
}

// Now returns the host's time.
func (h *Host) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// Advance moves the host's time on, which lets keys expire.
func (h *Host) Advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// Logs returns what the actor logged.
func (h *Host) Logs() []logging.Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.logs)
}

// ConsoleLines returns the diagnostics, such as the stack of a panic.
func (h *Host) ConsoleLines() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.console)
}

// Calls returns what the actor called, in order: "wasmcloud:keyvalue/default KeyValue.Get", "weft/ponger
// Pingpong.Ping".
func (h *Host) Calls() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// running is held while a handler runs, since guest.Current is one for the process.
var running sync.Mutex

// Invoke runs the actor's handler of an operation.
func (h *Host) Invoke(operation string, payload []byte) (result []byte, err error) {
	h.Run(func() { result, err = guest.Dispatch(operation, payload) })
	return result, err
}

// Run calls fn with this host in place, to try code that calls the host outside of a handler.
func (h *Host) Run(fn func()) {
	running.Lock()
	defer running.Unlock()
	guest.Current = link{h}
	defer func() { guest.Current = nil }()
	fn()
}

// link is the side of the host that the actor sees.
type link struct{ h *Host }

func (l link) Console(text string) {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	l.h.console = append(l.h.console, text)
}

func (l link) Call(r guest.Request) ([]byte, error) {
	h, to, contract := l.h, r.Namespace, lattice.ContractID(r.Namespace)
	if r.Link != "" {
		to = fmt.Sprintf("%s/%s", to, r.Link)
	}
	h.mu.Lock()
	h.calls = append(h.calls, to+" "+r.Operation)
	fn := h.providers[provided{contract, r.Link}]
	if fn == nil {
		fn = h.actors[r.Namespace]
	}
	h.mu.Unlock()
	if fn != nil {
		return fn(r.Operation, slices.Clone(r.Payload))
	}
	switch contract {
	case logging.ID:
		return nil, h.writeLog(r.Operation, r.Payload)
	case numbergen.ID:
		return h.random(r.Operation, r.Payload)
	case keyvalue.ID:
		return h.StoreOf(r.Link).Call(r.Operation, r.Payload)
	}
	if strings.Contains(r.Namespace, ":") {
		return nil, &lattice.Error{Code: lattice.ErrUnlinked,
			Detail: fmt.Sprintf("%s on %s; the test may give one with Provider", r.Namespace, r.Link)}
	}
	return nil, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call", Entity: r.Namespace,
		Detail: "the test may give this actor with Actor"}
}

func (h *Host) writeLog(operation string, payload []byte) error {
	e, err := logging.DecodeEntry(payload)
	if err != nil {
		return err
	}
	if operation != logging.WriteLog {
		return unknown(operation)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logs = append(h.logs, e)
	return nil
}

func (h *Host) random(operation string, payload []byte) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch operation {
	case numbergen.Random32:
		return msgpack.EncodeUint(uint64(h.rng.Uint32())), nil
	case numbergen.RandomInRange:
		g, err := numbergen.DecodeRange(payload)
		if err != nil {
			return nil, err
		}
		if g.Min > g.Max {
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: operation, Detail: "min exceeds max"}
		}
		return msgpack.EncodeUint(uint64(g.Min) + h.rng.Uint64N(uint64(g.Max)-uint64(g.Min)+1)), nil
	case numbergen.GenerateGUID:
		hi, lo := h.rng.Uint64()&^0xf000|0x4000, h.rng.Uint64()&^(3<<62)|1<<63
		return msgpack.EncodeStr(fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48,
			lo&(1<<48-1))), nil
	}
	return nil, unknown(operation)
}

func unknown(operation string) error {
	return &lattice.Error{Code: lattice.ErrNotFound, Op: operation, Detail: "no such operation"}
}
