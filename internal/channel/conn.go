package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/internal/clock"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/process/socket"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// DefaultWindow is the default of Config.Window.
const DefaultWindow = 1024

// Config configures a Conn. The zero value serves nothing.
type Config struct {
	Handler invocation.Handler // nil: every call is refused with lattice.ErrNotFound
	// Admit decides whether the peer may make calls from one entity to another; nil permits all. It is asked once per
	// route, and once per call of those that do not fit into the table of routes.
	Admit  func(origin, target wire.Entity) error
	Notice func([]byte) // takes the peer's notices, in order; it must not block nor keep the bytes; nil ignores them
	// Inline serves calls on the goroutine that reads, until one waits (Yield) or takes long. For handlers that are
	// quick as a rule and call Yield before they wait; otherwise each call gets a goroutine of its own.
	Inline   bool
	Window   int    // calls in progress in each direction; default DefaultWindow, at most 65536; both ends must agree
	MaxBytes uint64 // bounds payloads; default invocation.DefaultMaxBytes
	// Streams counts the streams beside calls; nil: nobody looks.
	Streams *stream.Meter
	// Budget bounds what large payloads take of the process's memory; default a budget of its own.
	Budget *load.Budget
	Logger *slog.Logger
}

// Call is one call to make.
type Call struct {
	Origin, Target wire.Entity
	Operation      string
	Payload        []byte // may be used again when the call has returned
	// Body follows Payload, when it is not nil: exactly BodyLength bytes, read once and sent on as they come. An error
	// of the body is the call's, as it is, and the timeout counts from when it has been read.
	Body       io.Reader
	BodyLength int64
	Stay       bool // when it cannot be served at once, the caller will not try elsewhere, see Stays
	Urgent     bool // has room in the window where others are turned away, for questions whether the other end lives
	// Keep lets a large answer be counted longer than the call takes: Held is then what the caller has to give back to
	// Config.Budget.
	Keep bool
	Held int64
	// Stream takes a streamed answer, and sends a body; nil: neither. The peer must be known to stream. A streamed
	// answer is Take's, and Conn.Call then returns nothing. The timeout bounds what comes before its head. The payload
	// ends where the body of Stream begins; Body must be nil. A body makes Stay needful, since it is sent but once.
	Stream *stream.Caller
	// Ended is when the call did by Now, Lasted how long it took until then, Served how much of that it was served by
	// the other end, as its answer says. All are 0 when it did not, or when the payload was large.
	Ended, Lasted, Served time.Duration
}

// once reports whether what comes with the call is read as it goes.
func (c *Call) once() bool { return c.Body != nil || c.Stream.HasBody() }

// Conn is one connection. It is safe for concurrent use. Close it when it is no longer needed, also after it has
// failed.
type Conn struct {
	cfg  Config
	net  net.Conn
	read func([]byte) (int, error)
	out  writer
	log  *slog.Logger
	once sync.Once
	done chan struct{} // closed when the connection is down
	err  error         // why; written before done is closed
	wg   sync.WaitGroup

	// Calls made. Guarded by out.mu, so that one lock serves a call.
	calls  []*slot
	free   []uint16
	turn   uint32 // makes streams unique
	down   bool
	routes map[route]uint16

	shared atomic.Bool // the peer reads until when callers wait, by the clock of this machine

	active  atomic.Int64 // calls made and not yet answered
	serving atomic.Int64 // calls being served

	// Calls served.
	served []atomic.Pointer[served] // by the lower half of the stream
	known  []*knownRoute            // used by the reader only

	partialMu sync.Mutex
	partial   map[uint64]*partial // guarded by partialMu; nil when the connection is down

	reader atomic.Pointer[worker] // has the role
	crew   invocation.Crew[job]
	keeper keeper
}

// New makes a Conn on a connection whose two ends trust each other, and starts to read.
func New(conn net.Conn, cfg Config) *Conn {
	cfg = *cfg.withDefaults()
	c := &Conn{cfg: cfg, net: conn, log: cfg.Logger, done: make(chan struct{}), calls: make([]*slot, cfg.Window),
		routes: map[route]uint16{},
		served: make([]atomic.Pointer[served], cfg.Window), partial: map[uint64]*partial{}}
	for i := cfg.Window - 1; i >= 0; i-- {
		c.free = append(c.free, uint16(i))
	}
	c.out = writer{conn: conn, fail: c.fail, socket: socket.New(conn), kick: make(chan struct{}, 1)}
	c.read = conn.Read
	if c.out.socket != nil {
		c.read = c.out.socket.Read
	}
	c.crew.Hire = c.hire
	c.keeper.init(c)
	c.tellClock()
	c.wg.Go(func() { c.out.run(c.done) })
	c.crew.Start(job{in: newInput(nil)})
	return c
}

// withDefaults fills in what is not set.
func (cfg Config) withDefaults() *Config {
	if cfg.Window <= 0 {
		cfg.Window = DefaultWindow
	}
	cfg.Window = min(cfg.Window, 1<<16)
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = invocation.DefaultMaxBytes
	}
	if cfg.Budget == nil {
		cfg.Budget = load.NewBudget(0)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &cfg
}

// Done is closed when the connection is down.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection is down; nil while it is not.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Active is how many calls over the connection are in progress, in both directions.
func (c *Conn) Active() int { return int(c.active.Load() + c.serving.Load()) }

// Close ends the connection, and waits for the calls being served. Their contexts are canceled when ctx ends; it still
// waits for their handlers then, which have to keep to their contexts. Calls made end with an error. Closing twice is
// not an error.
func (c *Conn) Close(ctx context.Context) error {
	c.fail(net.ErrClosed)
	idle := make(chan struct{})
	go func() {
		c.crew.Wait() // whose jobs start what wg waits for
		c.wg.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		for i := range c.served {
			if s := c.served[i].Load(); s != nil {
				s.Cancel(context.Canceled)
			}
		}
		<-idle
	}
	c.keeper.stop()
	return nil
}

// errLost is the cause in the error of calls whose outcome is not known.
var errLost = errors.New("the channel to the other process was lost while the call was in progress")

// Lost reports whether a call failed because the connection ended while it was in progress: whether it has been carried
// out is not known.
func Lost(err error) bool { return errors.Is(err, errLost) }

// fail takes the connection down, once.
func (c *Conn) fail(err error) {
	c.once.Do(func() {
		c.err = err
		if errors.Is(err, errMalformed) {
			c.log.Error("channel ended: the other process does not keep to its format", lattice.LogErr, err)
		} else if !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			c.log.Warn("channel ended", lattice.LogErr, err)
		}
		_ = c.net.Close()
		c.out.close()
		c.out.mu.Lock()
		c.down = true
		var lost []*slot
		for i, s := range c.calls {
			if s != nil {
				lost = append(lost, s)
				c.calls[i] = nil
				c.active.Add(-1)
			}
		}
		c.out.mu.Unlock()
		close(c.done)
		gone := func() error { return &lattice.Error{Code: lattice.ErrUnavailable, Err: errLost} } // each is changed
		for _, s := range lost {
			if s.attached != nil {
				s.attached.Lost(gone())
			}
			if !s.flowing {
				s.finish(nil, gone())
			}
		}
		for i := range c.served {
			if s := c.served[i].Load(); s != nil && s.Offer != nil {
				s.Offer.Stream.Lost(gone())
				s.Cancel(context.Canceled)
			}
		}
		c.crew.End()
		c.dropAll()
	})
}

// clockNotice begins the notice by which each end says that it reads flagUntil, and by which clock. Older peers ignore
// it.
const clockNotice = "clock "

// tellClock sends that notice before all else.
func (c *Conn) tellClock() {
	if id := clock.ID(); id != 0 {
		c.out.mu.Lock()
		start := len(c.out.buf)
		c.out.buf = end(append(begin(c.out.buf, kindNotice, 0, 0, 0), clockNotice+strconv.FormatUint(uint64(id),
			16)...), start)
		c.out.added()
		c.out.mu.Unlock()
		c.out.flush(false)
	}
}

// noticed takes a notice.
func (c *Conn) noticed(body []byte) {
	if text, ok := strings.CutPrefix(string(body[:min(len(body), len(clockNotice)+8)]), clockNotice); ok {
		c.shared.Store(text == strconv.FormatUint(uint64(clock.ID()), 16))
		return
	}
	if c.cfg.Notice != nil {
		c.cfg.Notice(body)
	}
}

// Notify sends a message outside of calls, at most maxNotice bytes. It waits for room, and fails when the connection is
// down.
func (c *Conn) Notify(ctx context.Context, message []byte) error {
	if len(message) > MaxNotice {
		return &lattice.Error{Code: lattice.ErrTooLarge, Op: "notify",
			Detail: fmt.Sprintf("%d bytes, at most %d allowed", len(message), MaxNotice)}
	}
	c.out.mu.Lock()
	if err := c.out.wait(ctx, c.done); err != nil {
		c.out.mu.Unlock()
		return err
	}
	if c.down {
		c.out.mu.Unlock()
		return downError(nil)
	}
	start := len(c.out.buf)
	c.out.buf = end(append(begin(c.out.buf, kindNotice, 0, 0, 0), message...), start)
	c.out.added()
	c.out.mu.Unlock()
	c.out.flush(false)
	return nil
}

// MaxNotice bounds the bytes of a notice.
const MaxNotice = segment

// now is a cheap clock: the time since the process began.
func now() time.Duration { return time.Since(epoch) }

var epoch = time.Now()

// sharedEpoch is epoch by the machine's clock, in microseconds.
var sharedEpoch = clock.Now().Micros - uint64(now().Microseconds())

// shared is a moment by now as one of the machine's clock, in microseconds.
func shared(at time.Duration) uint64 { return sharedEpoch + uint64(max(0, at.Microseconds())) }

// Now is the clock of Call.Ended.
func Now() time.Duration { return now() }
