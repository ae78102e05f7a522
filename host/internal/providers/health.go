package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// How a host knows that its providers live. It asks the very process, over its own channel. NATS may be away. And a
// health subject names no host, so the same provider of another host would answer for a process that hangs. Processes
// of other SDKs have no channel. Of those the host sees whether the kernel has stopped them, and asks for their health
// over NATS while it is itself connected; that NATS is away is not their fault.

// How providers are watched. A process that hangs is replaced after lookInterval + looksMissed * lookTimeout at the
// latest: 8 s.
const (
	lookInterval = 2 * time.Second
	lookTimeout  = 2 * time.Second
	// looks, one right after another, that find no life, before the process is replaced
	looksMissed    = 3
	healthInterval = 30 * time.Second // between questions for the health, which providers may answer by asking others
	healthRetry    = 5 * time.Second  // after one that was not answered well
	healthTimeout  = 2 * time.Second
	healthMisses   = 3 // questions without any answer, one after another, before the process is restarted
	// NATSGrace is for how long after the host's connection is back no answer means nothing: others may still be away.
	NATSGrace = time.Minute
)

// watch looks after the provider's processes until ctx ends.
func (p *Provider) watch(ctx context.Context) {
	var w watched
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		// NATS was away: the links may have changed unseen.
		case <-p.kick:
			w.reconnected, w.asked = true, time.Time{}
		case <-timer.C:
		}
		wait := lookInterval
		switch now := time.Now(); {
		case !p.serves():
			// What was seen of the last process says nothing about the next one.
			wait, w = time.Second, watched{reconnected: w.reconnected}
		case p.look(ctx):
			w.silent = 0
			if now.Sub(w.asked) >= w.wait {
				p.check(ctx, &w)
				w.asked = now
			}
		case ctx.Err() != nil:
			return
		default:
			wait = 0 // at once: each look takes its time
			if w.silent++; w.silent >= looksMissed {
				w.silent = 0
				p.unhealthy("it hangs")
				p.process.Replace(fmt.Sprintf("it hangs: no sign of life at %d looks", looksMissed))
				wait = lookInterval
			}
		}
		timer.Reset(wait)
	}
}

// watched is what the looks at one process have shown so far.
type watched struct {
	silent      int           // looks without a sign of life, one after another
	asked       time.Time     // for the health
	wait        time.Duration // from asked until the next question
	misses      int           // questions without an answer, one after another
	reconnected bool          // since the links were compared
}

// look reports whether the process shows a sign of life; false comes after lookTimeout. What cannot be known counts as
// life.
func (p *Provider) look(ctx context.Context) bool {
	pid := p.pid()
	switch {
	case p.run != nil: // it is in this very process
		return true
	case p.opened.Load():
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		for { // a channel that was lost is opened again by a process that lives
			_, err := p.ask(ctx, channel.OpAlive)
			var e *lattice.Error
			if err == nil || errors.As(err, &e) && e.Remote {
				return true
			}
			select {
			case <-ctx.Done():
				return false
			case <-time.After(lookTimeout / 20):
			}
		}
	case halted(pid):
		select { // someone may look into it for a moment
		case <-ctx.Done():
		case <-time.After(lookTimeout):
		}
		return !halted(pid)
	}
	return true
}

// halted reports whether the kernel has stopped a process, as by SIGSTOP, as far as /proc tells. One under a debugger
// is not meant.
func halted(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(b[max(0, strings.LastIndexByte(string(b), ')')):]), ") ")
	return ok && strings.HasPrefix(rest, "T ")
}

// ask asks the very process, over its channel. The error has Remote set when it was the process that refused.
func (p *Provider) ask(ctx context.Context, operation string) ([]byte, error) {
	return p.channel.Call(ctx, &channel.Call{Origin: wire.Entity{PublicKey: string(p.cfg.Self.ID)},
		Target:    wire.ProviderEntity(p.id, p.contract, p.link),
		Operation: operation, Urgent: true, Stay: true}, healthTimeout)
}

// check asks for the health, compares the links, and restarts a process that does not answer.
func (p *Provider) check(ctx context.Context, w *watched) {
	w.wait = healthInterval
	health, err := p.askHealth(ctx)
	if ctx.Err() != nil || !p.serves() {
		return
	}
	if errors.Is(err, errNotAsked) {
		w.wait, w.misses = healthRetry, 0
		return
	}
	if err != nil {
		w.misses++
		health = wire.Health{Message: err.Error()}
	} else {
		w.misses = 0
	}
	p.noteHealth(health)
	if !health.Healthy {
		w.wait = healthRetry
	}
	// Links and direct calls are matters of NATS: while it is away, what the process has cannot be put right.
	if !p.cfg.away() {
		p.noteDirect(ctx)
		if err == nil {
			p.relink(ctx, w.reconnected)
			w.reconnected = false
			if len(p.extra) > 0 {
				w.wait = healthRetry
			}
		}
	}
	if w.misses >= healthMisses {
		w.misses = 0
		p.process.Restart(fmt.Sprintf("no answer to %d health checks", healthMisses))
	}
}

// errNotAsked says that the answer, or that there was none, means nothing.
var errNotAsked = errors.New("NATS is away, over which alone the provider can be asked")

// askHealth asks the process over its channel, or where it has none, over NATS.
func (p *Provider) askHealth(ctx context.Context) (wire.Health, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if p.channel.Up() {
		b, err := p.ask(ctx, channel.OpHealth)
		var e *lattice.Error
		if err == nil {
			return wire.DecodeHealth(b)
		}
		if !errors.As(err, &e) || !e.Remote {
			return wire.Health{}, err
		}
		// It is of an older SDK.
	}
	if p.cfg.away() {
		return wire.Health{}, errNotAsked
	}
	reply, err := p.cfg.Conn.RequestWithContext(ctx, subject.Health(p.cfg.Self.Lattice, p.id, p.link), nil)
	if err == nil {
		return wire.DecodeHealth(reply.Data)
	}
	if p.cfg.away() || time.Since(time.Unix(0, p.all.connected.Load())).Abs() < NATSGrace {
		return wire.Health{}, errNotAsked
	}
	if errors.Is(err, nats.ErrNoResponders) {
		err = errors.New("the provider listens to no health checks")
	}
	return wire.Health{}, err
}

// unhealthy notes that the process does not do its work.
func (p *Provider) unhealthy(why string) { p.noteHealth(wire.Health{Message: why}) }

// noteHealth publishes the outcome of a check: passed and failed when it changes, status when not.
func (p *Provider) noteHealth(now wire.Health) {
	p.mu.Lock()
	before := p.healthy
	p.healthy = now.Healthy
	p.ailing = p.ailing.note(now)
	p.mu.Unlock()
	value := 0.0
	if now.Healthy {
		value = 1
	}
	p.cfg.Metrics.Healthy.WithLabelValues(p.name, string(p.link)).Set(value)
	if before && !now.Healthy {
		p.cfg.Logger.Warn("provider is unhealthy", lattice.LogProvider, p.name, lattice.LogLink, p.link, "message",
			lattice.Printable(now.Message))
	}
	p.cfg.Publish(announce.Health(event.ProviderHealth{PublicKey: p.id, ContractID: p.contract, LinkName: p.link,
		HostID: p.cfg.Self.ID, Message: now.Message}, before, now.Healthy))
}

// probe asks a provider that does not print the ready line whether it serves. Any answer shows that it has
// subscribed.
func (p *Provider) probe(ctx context.Context) error {
	_, err := p.cfg.Conn.RequestWithContext(ctx, subject.Health(p.cfg.Self.Lattice, p.id, p.link), nil)
	return err
}

// askToEnd requests the shutdown of this host's process: over its channel, or over NATS, where others under the same
// subject compare the host id.
func (p *Provider) askToEnd(ctx context.Context) error {
	if p.channel.Up() {
		if _, err := p.ask(ctx, channel.OpShutdown); err == nil || channel.Lost(err) {
			return nil
		}
	}
	if p.cfg.away() {
		return errNotAsked
	}
	body, err := json.Marshal(map[string]string{"host_id": string(p.cfg.Self.ID)})
	if err != nil {
		return err
	}
	_, err = p.cfg.Conn.RequestWithContext(ctx, subject.Shutdown(p.cfg.Self.Lattice, p.id, p.link), body)
	return err
}

// pid is that of the present process; 0 while no process runs.
func (p *Provider) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.Phase != supervisor.Ready {
		return 0
	}
	return p.state.PID
}

// ailing is why a provider is not healthy, and since when. The zero value is that it is.
type ailing struct {
	since   time.Time
	message string
}

func (a ailing) note(h wire.Health) ailing {
	switch {
	case h.Healthy:
		return ailing{}
	case a.since.IsZero():
		a.since = time.Now()
	}
	a.message = h.Message
	return a
}

// String is what operators read, "" while all is well.
func (a ailing) String() string {
	if a.since.IsZero() {
		return ""
	}
	return "not healthy since " + a.since.UTC().Format(time.RFC3339) + ": " + a.message
}

// noteDirect finds out whether the provider's process takes direct calls: those of weft's SDK do. They are told apart
// by trying, since archives of both kinds look alike.
func (p *Provider) noteDirect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if rpc.TakesDirect(ctx, p.cfg.Conn, subject.ProviderAt(p.cfg.Self.Lattice, p.id, p.link,
		p.cfg.Self.ID)) != p.direct.Load() {
		p.direct.Store(!p.direct.Load())
		p.cfg.Served.Changed()
	}
}
