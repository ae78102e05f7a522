package node

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/nodefile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
)

// Deployment is what a node file puts on a node. All fields are required.
type Deployment struct {
	Node    *Node
	File    *nodefile.File
	Dir     datadir.Dir // keeps which links the file has made
	Signer  func() (*operate.Signer, error)
	Lattice operate.Config    // for the commands; Control is the node's
	Name    string            // shown by NATS
	Warn    func(text string) // called with what a person should know
}

// How long what a file names and could not be started waits for another try, at first and at most.
const (
	pauseFirst = 5 * time.Second
	pauseMost  = time.Minute
)

// Apply starts what the file names. What could not be started is in the result and is not an error: the node is up
// without it, and KeepTrying tries again.
func (d *Deployment) Apply(ctx context.Context) (*operate.Applied, error) {
	s, err := d.Signer()
	if err != nil {
		return nil, err
	}
	if err := d.Node.way.May(natsauth.Operator, "start what the file names"); err != nil {
		return nil, err
	}
	return d.once(ctx, s, nil)
}

// once is one try, after that which made before.
func (d *Deployment) once(ctx context.Context, s *operate.Signer, before *operate.Applied) (*operate.Applied, error) {
	l, done, err := d.Node.way.Open(ctx, d.Name, d.Lattice)
	if err != nil {
		return nil, err
	}
	defer done()
	applied := l.Apply(ctx, s, d.File, d.Node.host.ID(), before, d.Dir.Made())
	if err := d.Dir.SaveMade(applied.Made()); err != nil { // a full disk is no reason to be down
		d.Warn(fmt.Sprintf("links that leave the file will stay in the lattice: %v", err))
	}
	return applied, nil
}

// again reads the file anew, which a person may have mended; of one that is broken now, what it said before holds.
func (d *Deployment) again(log *slog.Logger) {
	f, err := nodefile.Load(d.File.Path)
	if err == nil {
		d.File = f
		return
	}
	log.Warn("the file is broken now; what it said before is tried again", lattice.LogErr, err)
	if err := d.File.Locate(); err != nil {
		log.Warn("a file is gone", lattice.LogErr, err)
	}
}

// KeepTrying starts what Apply could not start, until all is, and says so in the log. stop ends it and waits.
func (d *Deployment) KeepTrying(ctx context.Context, applied *operate.Applied, log *slog.Logger) (stop func()) {
	if len(applied.Failed) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.keepTrying(ctx, applied, log)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (d *Deployment) keepTrying(ctx context.Context, applied *operate.Applied, log *slog.Logger) {
	pauses := backoff.Series{Policy: backoff.Policy{First: pauseFirst, Max: pauseMost}}
	for len(applied.Failed) > 0 {
		pause := pauses.Next()
		for _, text := range applied.Failed {
			log.Warn("the file's wish is not fulfilled", "file", d.File.Path, "what", text, "next", pause)
		}
		if backoff.Sleep(ctx, pause) != nil {
			return
		}
		d.again(log)
		s, err := d.Signer()
		if err == nil {
			var next *operate.Applied
			if next, err = d.once(ctx, s, applied); next != nil {
				applied = next
			}
		}
		if err != nil {
			log.Warn("the file is not applied", lattice.LogErr, err)
		}
	}
	log.Info("all that the file names is started", "file", d.File.Path)
}
