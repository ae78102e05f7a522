package providertest

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// local stands in for a host's end of the local channel to one process.
type local struct {
	t        testing.TB
	env      *Lattice
	listener *channel.Listener
	group    channel.Group
	conns    sync.WaitGroup

	mu      sync.Mutex
	actors  map[lattice.ActorID]Actor // guarded by mu
	tellers map[teller]bool           // those that have asked for the actors; guarded by mu
}

// teller is a way by which a process has asked for the actors.
type teller interface {
	Notify(ctx context.Context, message []byte) error
}

func listen(t testing.TB, env *Lattice) *local {
	l := &local{t: t, env: env, actors: map[lattice.ActorID]Actor{}, tellers: map[teller]bool{}}
	var err error
	if l.listener, err = channel.Listen("", env.Logger); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.listener.Close(); err != nil {
			t.Error(err)
		}
		l.cut()
		l.conns.Wait()
	})
	return l
}

func (l *local) accept(nc net.Conn) {
	asked := make(chan struct{}, 1)
	conn := channel.New(nc, channel.Config{Inline: true, Logger: l.env.Logger, Handler: l.serve,
		Notice: func(b []byte) {
			if string(b) == channel.WantActors {
				asked <- struct{}{}
			}
		}})
	l.group.Add(conn)
	l.conns.Go(func() {
		select {
		case <-asked:
			l.mu.Lock()
			l.tellers[conn] = true
			for id := range l.actors {
				l.tell(conn, id)
			}
			l.mu.Unlock()
		case <-conn.Done():
		}
		<-conn.Done()
		l.group.Remove(conn)
		l.mu.Lock()
		delete(l.tellers, conn)
		l.mu.Unlock()
		_ = conn.Close(context.Background())
	})
}

// pair stands in for a host whose process the provider shares; end is the provider's.
func pair(env *Lattice) (l *local, end *channel.End) {
	l = &local{env: env, actors: map[lattice.ActorID]Actor{}, tellers: map[teller]bool{}}
	mine, theirs := channel.Pair()
	mine.Serve(channel.Config{Logger: env.Logger, Handler: l.serve, Notice: func(b []byte) {
		if string(b) == channel.WantActors {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.tellers[mine] = true
		}
	}})
	l.group.Join(mine)
	return l, theirs
}

func (l *local) tell(conn teller, id lattice.ActorID) {
	for _, notice := range channel.EncodeActors(channel.Come, []lattice.ActorID{id}) {
		_ = conn.Notify(context.Background(), notice) // else it is lost, and will ask again
	}
}

func (l *local) serve(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	l.mu.Lock()
	h := l.actors[inv.Target.Actor()]
	l.mu.Unlock()
	if h == nil {
		return nil, &lattice.Error{Code: lattice.ErrNoResponders, Detail: "not here"}
	}
	channel.Yield(ctx)
	return h(ctx, inv)
}

// cut closes all connections.
func (l *local) cut() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range l.group.All() {
		_ = c.Close(ctx)
	}
}

// ServeLocal stands in for an actor on the host of a process with a Channel: h gets what comes over it.
func (p *Process) ServeLocal(actor lattice.ActorID, h Actor) {
	p.t.Helper()
	l := p.local
	l.mu.Lock()
	defer l.mu.Unlock()
	l.actors[actor] = h
	for conn := range l.tellers {
		l.tell(conn, actor)
	}
}

// CutChannel closes the connections of the local channel, as a fault would. The process opens them again.
func (p *Process) CutChannel() { p.local.cut() }
