package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/host/internal/actors"
	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/host/internal/monitor"
	"github.com/weftlattice/weft/host/internal/providers"
	"github.com/weftlattice/weft/host/internal/served"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/host/internal/twin"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// Host is a node of a lattice. Make it with New, then Run it once. Its other methods are safe for concurrent use.
type Host struct {
	cfg  Config
	self *identity.Self
	log  *slog.Logger

	registry *prometheus.Registry
	metrics  *metrics.Metrics
	large    *load.Budget    // of large payloads
	streams  *stream.Meter   // of the bodies beside calls
	refusals *rate.Limiter   // of lines in the log: an attacker must not fill it
	changes  *served.Changes // of what is served here
	monitor  *monitor.Server
	keys     atomic.Pointer[Keys]
	renewal  renewal
	ready    chan struct{}
	quit     chan time.Duration // a stop command; the value is how long to drain

	base  base
	units // made by Run before anything can use them
}

// New makes a host. It has no side effects; all that is wrong with cfg is reported at once.
func New(cfg Config) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	guests, large := cfg.divide(memory.Available())
	h := &Host{cfg: cfg, self: identity.New(lattice.HostID(cfg.HostKey.Public()), cfg.FriendlyName, cfg.Lattice,
		cfg.labels()),
		registry: prometheus.NewRegistry(), large: load.NewBudget(large), streams: new(stream.Meter),
		refusals: rate.NewLimiter(10, 100),
		ready:    make(chan struct{}), quit: make(chan time.Duration, 1)}
	h.log = cfg.Logger.With(lattice.LogHost, h.self.Name)
	h.metrics = metrics.New(h.registry)
	h.changes = served.NewChanges(h.self.Started)
	h.keys.Store(&Keys{Cluster: cfg.Cluster, Issuers: cfg.Issuers})
	h.base = base{cfg: &h.cfg, log: h.log, guests: newBudget(guests),
		nats:  connections{config: h.cfg.connection(h.self.Name, h.log)},
		twins: &twin.Guard{Self: h.self, Served: h.changes, Metrics: h.metrics, Limit: h.refusals, Logger: h.log},
		access: providers.NewAccess(providers.AccessConfig{NATS: cfg.NATS.config(), URL: cfg.ProviderNATSURL,
			Logger: h.log})}
	h.renewal = renewal{cfg: &h.cfg, keys: &h.keys, nats: &h.base.nats, access: h.base.access, lock: tasks.NewLock(),
		log: h.log}
	gather := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return h.providers.Gather() })
	observed := monitor.Config{Addr: cfg.HTTPAddr, AnyPort: cfg.HTTPAnyPort,
		Metrics: prometheus.Gatherers{h.registry, gather}, NotReady: h.notReady}
	if cfg.Pprof {
		observed.Profiles = func(w http.ResponseWriter, r *http.Request) { h.providers.ServeProfile(w, r) }
	}
	h.monitor = monitor.New(observed)
	return h, nil
}

// ID is the host's public key.
func (h *Host) ID() lattice.HostID { return h.self.ID }

// Name is the host's friendly name.
func (h *Host) Name() string { return h.self.Name }

// HTTPAddr is where /metrics, /healthz and /readyz are served, or "".
func (h *Host) HTTPAddr() string { return h.monitor.Addr() }

// Ready is closed once the host serves.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// Run joins the lattice and serves until ctx ends or a stop command comes; then it drains, stops all that it started,
// and returns. It returns an error when it could not start or not stop cleanly. A host runs once.
//
// Run returns within the time to drain, Config.ProviderGrace and eight seconds, even when guests do not end. With
// ErrStuck it leaves goroutines behind that hold what the host has opened: the process must end then.
func (h *Host) Run(ctx context.Context) error {
	stopping, ended := make(chan time.Duration, 1), make(chan error, 1)
	go func() { ended <- h.run(ctx, stopping) }()
	select {
	case err := <-ended:
		return err
	case drain := <-stopping:
		select {
		case err := <-ended:
			return err
		case <-time.After(h.stopsWithin(drain)):
			return h.stuck()
		}
	}
}

// stopsWithin is how long the end of the host takes at most.
func (h *Host) stopsWithin(drain time.Duration) time.Duration {
	return drain + h.cfg.ProviderGrace + stopMargin
}

// stopMargin is how much longer the end of the host may take than draining and ending providers.
const stopMargin = actors.EndOfCalls + 3*time.Second

// ErrStuck is in the error of a host that did not end in time.
var ErrStuck = errors.New("the host does not end")

// stuck says what keeps the host from ending, as far as that can be found out: the goroutine that keeps it may hold its
// locks or its log.
func (h *Host) stuck() error {
	found := make(chan []string, 1)
	go func() {
		names := []string{}
		if h.actors != nil { // it has come so far
			names = h.actors.Busy()
		}
		found <- names
		h.log.Error("the host does not end, its process has to", "actors", names)
	}()
	detail := "what keeps it cannot be found out; is its log read?"
	select {
	case names := <-found:
		if detail = "no call is in progress; is its log read?"; len(names) > 0 {
			detail = "calls go on in " + strings.Join(names, ", ")
		}
	case <-time.After(time.Second):
	}
	return &lattice.Error{Code: lattice.ErrInternal, Op: "stop host", Entity: h.self.Name, Detail: detail,
		Err: ErrStuck}
}

// run is Run without an end that is sure. It says when it begins to stop, and how long draining may take.
func (h *Host) run(ctx context.Context, stopping chan<- time.Duration) (err error) {
	var parts running
	drain := h.cfg.DrainTimeout
	defer func() {
		select {
		case stopping <- drain:
		default: // said already
		}
		stop, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		err = errors.Join(err, parts.stop(stop))
	}()
	if err := h.start(ctx, &parts); err != nil {
		return fmt.Errorf("start host: %w", err)
	}
	close(h.ready)
	h.log.Info("host is ready", lattice.LogLattice, h.cfg.Lattice, "id", h.self.ID, "nats",
		natsconn.SafeURL(h.cfg.NATS.URL), "http", h.HTTPAddr())
	select {
	case <-ctx.Done():
	case d := <-h.quit:
		if d > 0 {
			drain = d
		}
	}
	stopping <- drain
	h.log.Info("host is stopping", "drain", drain)
	h.self.EndWithin(h.stopsWithin(drain))
	h.takeNoMore()
	return nil
}

// start brings the parts up inside out, intake last.
func (h *Host) start(ctx context.Context, parts *running) error {
	if err := h.renewal.begin(); err != nil { // before credentials are read: what changes since is taken over later
		return err
	}
	if err := parts.start(ctx, h.base.parts()); err != nil {
		return err
	}
	if err := h.assemble(); err != nil {
		return err
	}
	return parts.start(ctx, h.work())
}

// notReady says why the host should get no work now.
func (h *Host) notReady(ctx context.Context) error {
	select {
	case <-h.ready:
	default:
		return errors.New("starting")
	}
	if h.self.Draining() {
		return errors.New("draining")
	}
	if err := natsconn.Refused(h.base.nats.rpc); err != nil {
		return err
	}
	if s := h.base.nats.rpc.Status(); s != nats.CONNECTED {
		return fmt.Errorf("NATS connection is %s", s)
	}
	if h.cfg.Storage != nil { // it knows at once
		return h.cfg.Storage().Err
	}
	return h.state.Full(ctx)
}
