package operate

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
)

// DefaultTimeout bounds a command whose ctx has no deadline.
const DefaultTimeout = 30 * time.Second

// Step is one phase of a command that is under way, for people to read.
type Step struct {
	Text string // "pushing app.wasm (27 kB)"
	Host string // friendly name, or empty
}

// Builtin is a provider that comes with weft, known by a name instead of a file.
type Builtin struct {
	Name       string
	ID         lattice.ProviderID
	ContractID lattice.ContractID
}

// Config configures a Lattice. Control is required.
type Config struct {
	Control  subject.Control
	Builtins []Builtin
	NoWait   bool       // commands return once they are accepted
	Progress func(Step) // called for each phase, one at a time; nil: no call
}

// Lattice is an operator's view of one lattice. It is safe for concurrent use. It does not own its connection.
type Lattice struct {
	nc    *nats.Conn
	ctl   *control.Client
	cfg   Config
	steps *sync.Mutex // one Progress at a time
}

// New makes a Lattice on a connection.
func New(nc *nats.Conn, cfg Config) *Lattice {
	if cfg.Progress == nil {
		cfg.Progress = func(Step) {}
	}
	return &Lattice{nc: nc, ctl: control.NewClient(nc, cfg.Control, 0), cfg: cfg, steps: new(sync.Mutex)}
}

// NoWait returns the same lattice, whose commands return once they are accepted.
func (l *Lattice) NoWait(noWait bool) *Lattice {
	c := *l
	c.cfg.NoWait = noWait
	return &c
}

// Name returns the name of the lattice.
func (l *Lattice) Name() lattice.Name { return l.cfg.Control.Lattice }

// Control returns the control client, for what needs no decision.
func (l *Lattice) Control() *control.Client { return l.ctl }

// Conn returns the connection.
func (l *Lattice) Conn() *nats.Conn { return l.nc }

func (l *Lattice) step(text, host string) {
	l.steps.Lock()
	defer l.steps.Unlock()
	l.cfg.Progress(Step{text, host})
}

// bound adds the default timeout to a context without a deadline.
func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}
