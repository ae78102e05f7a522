package provider

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// maxLanes bounds the connections to the host. Each is read by one goroutine at a time.
const maxLanes = 4

// lanePauses come before a lane is opened again.
var lanePauses = backoff.Policy{First: 10 * time.Millisecond, Max: time.Second, Jitter: 0.2}

// uplink is the provider's end of the local channel to its host. It has some connections, which it opens again when
// they are lost, and what the host has told of the actors that it serves. The first lane is the one over which it
// tells.
type uplink struct {
	access wire.Channel
	config channel.Config
	log    *slog.Logger
	says   []string // notices that come first on the first lane
	group  channel.Group
	end    context.CancelFunc
	wg     sync.WaitGroup

	beat atomic.Int64 // when the host's last beat came, by channel.Now; 0: none has

	mu      sync.RWMutex
	actors  map[lattice.ActorID]*load.Entrance // served on the host; guarded by mu
	streams map[lattice.ActorID]bool           // those of them that take streams; guarded by mu
}

// introduction is what a process tells its host first.
func introduction(info *Info) []string {
	if info.Streams {
		return []string{channel.TakesStreams, channel.WantStreams, channel.WantActors}
	}
	return []string{channel.WantStreams, channel.WantActors}
}

// joinUplink takes the end of a channel that is in this process.
func joinUplink(e *channel.End, config channel.Config, says []string) *uplink {
	u := &uplink{actors: map[lattice.ActorID]*load.Entrance{}, streams: map[lattice.ActorID]bool{}, end: e.Close}
	config.Notice, config.Window = u.notice, maxLanes*channel.DefaultWindow
	e.Serve(config)
	u.group.Join(e)
	for _, notice := range says {
		_ = e.Notify(context.Background(), []byte(notice)) // a host that does not listen is going
	}
	return u
}

// openUplink opens the lanes; the first attempt is over when it returns.
func openUplink(access wire.Channel, config channel.Config, says []string, log *slog.Logger) *uplink {
	u := &uplink{access: access, config: config, log: log, says: says, actors: map[lattice.ActorID]*load.Entrance{},
		streams: map[lattice.ActorID]bool{}}
	ctx, end := context.WithCancel(context.Background())
	u.end = end
	for lane := range min(runtime.GOMAXPROCS(0), maxLanes) {
		conn, err := u.dial(ctx, lane)
		if err != nil {
			u.log.Warn("no local channel to the host; calls go over NATS until there is", lattice.LogErr, err)
		}
		u.wg.Go(func() { u.keep(ctx, lane, conn) })
	}
	return u
}

func (u *uplink) dial(ctx context.Context, lane int) (*channel.Conn, error) {
	nc, err := channel.Dial(u.access)
	if err != nil {
		return nil, err
	}
	config := u.config
	if lane == 0 {
		config.Notice = u.notice
	}
	conn := channel.New(nc, config)
	if lane == 0 {
		for _, notice := range u.says {
			if err := conn.Notify(ctx, []byte(notice)); err != nil {
				_ = conn.Close(ctx)
				return nil, err
			}
		}
	}
	u.group.Add(conn)
	return conn, nil
}

// keep keeps a lane open, beginning with conn unless that is nil.
func (u *uplink) keep(ctx context.Context, lane int, conn *channel.Conn) {
	pauses := backoff.Series{Policy: lanePauses}
	for {
		if conn != nil {
			select {
			case <-conn.Done():
			case <-ctx.Done():
				return // close closes it
			}
			u.group.Remove(conn)
			if lane == 0 {
				u.forget()
			}
			u.log.Warn("local channel to the host lost, opening it again; meanwhile calls go over NATS",
				lattice.LogErr, conn.Err())
			_ = conn.Close(ctx)
			pauses.Reset()
		}
		if backoff.Sleep(ctx, pauses.Next()) != nil {
			return
		}
		var err error
		if conn, err = u.dial(ctx, lane); err != nil {
			u.log.Debug("local channel not opened", lattice.LogErr, err)
			conn = nil
		}
	}
}

// notice takes what the host tells.
func (u *uplink) notice(b []byte) {
	if string(b) == channel.Beat {
		u.beat.Store(int64(channel.Now()))
		return
	}
	what, ids, ok := channel.DecodeActors(b)
	if !ok {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, id := range ids {
		if what == channel.Gone {
			delete(u.actors, id)
			delete(u.streams, id)
			continue
		}
		if u.actors[id] == nil {
			u.actors[id] = new(load.Entrance)
		}
		u.streams[id] = what == channel.Stream
	}
}

// forget makes all actors count as elsewhere until the host tells of them again.
func (u *uplink) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.actors)
	clear(u.streams)
	u.beat.Store(0)
}

// missedBeats is how long without a beat of the host means that it hangs.
const missedBeats = 4 * channel.BeatPeriod

// hangs reports whether the host gives no sign of life, although its end of the channel is open. The clock is read only
// where there are beats.
func (u *uplink) hangs() bool {
	last := u.beat.Load()
	return last != 0 && channel.Now()-time.Duration(last) > missedBeats
}

// entrance is that of an actor which the host has said that it serves, else nil.
func (u *uplink) entrance(actor lattice.ActorID) *load.Entrance {
	if u == nil {
		return nil
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.actors[actor]
}

// takes reports whether an actor takes streams that the host has said that it serves.
func (u *uplink) takes(actor lattice.ActorID) bool {
	if u == nil {
		return false
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.streams[actor]
}

// close ends the lanes, after the calls being served; those still running are canceled when ctx ends.
func (u *uplink) close(ctx context.Context) {
	if u == nil {
		return
	}
	u.end()
	u.wg.Wait()
	for _, conn := range u.group.All() {
		_ = conn.Close(ctx)
	}
}
