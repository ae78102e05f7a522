package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// scrapeTimeout bounds how long a scrape waits for the metrics of providers.
const scrapeTimeout = 500 * time.Millisecond

// readyTimeout bounds how long /readyz waits for JetStream.
const readyTimeout = time.Second

// HTTPAddr is where /metrics, /healthz and /readyz are served, or "".
func (h *Host) HTTPAddr() string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.httpAddr
}

func (h *Host) serveHTTP(opened func(func(context.Context) error)) error {
	if h.cfg.HTTPAddr == "" {
		return nil
	}
	l, err := net.Listen(netaddr.Network(h.cfg.HTTPAddr), h.cfg.HTTPAddr)
	if err != nil && h.cfg.HTTPAnyPort {
		if ip, _, splitErr := net.SplitHostPort(h.cfg.HTTPAddr); splitErr == nil {
			l, err = net.Listen(netaddr.Network(ip), net.JoinHostPort(ip, "0"))
		}
	}
	if err != nil {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "listen for metrics on", Entity: h.cfg.HTTPAddr, Err: err}
	}
	h.mu.Lock()
	h.httpAddr = l.Addr().String()
	h.mu.Unlock()
	requests, end := context.WithCancel(context.Background())
	srv := &http.Server{Handler: h.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return requests }}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	opened(func(ctx context.Context) error {
		end() // a profile may take minutes
		err := srv.Shutdown(ctx)
		if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
			err = errors.Join(err, serr)
		}
		return err
	})
	return nil
}

func (h *Host) handler() http.Handler {
	mux := http.NewServeMux()
	all := prometheus.Gatherers{h.registry, prometheus.GathererFunc(h.gatherProviders)}
	mux.Handle("GET /metrics", promhttp.HandlerFor(all, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := h.notReady(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	if h.cfg.Pprof {
		h.handleProfiles(mux)
	}
	return mux
}

// notReady says why the host should get no work now.
func (h *Host) notReady(ctx context.Context) error {
	select {
	case <-h.ready:
	default:
		return errors.New("starting")
	}
	if h.node.Draining() {
		return errors.New("draining")
	}
	if err := natsconn.Refused(h.rpc); err != nil {
		return err
	}
	if s := h.rpc.Status(); s != nats.CONNECTED {
		return fmt.Errorf("NATS connection is %s", s)
	}
	if h.cfg.Storage != nil { // it knows at once
		return h.cfg.Storage().Err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return h.state.Full(ctx)
}

// gatherProviders asks the providers that run here for their metrics and says of each whose they are, so that one
// scrape of the host has all. Providers that are not built on weft's SDK have none.
func (h *Host) gatherProviders() ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var mu sync.Mutex
	merged := map[string]*dto.MetricFamily{}
	var wg sync.WaitGroup
	for _, p := range h.allProviders() {
		wg.Go(func() {
			reply, err := h.rpc.RequestWithContext(ctx, subject.ProviderMetrics(h.cfg.Lattice, p.id, p.link, h.node.ID), nil)
			if err != nil {
				return
			}
			parser := expfmt.NewTextParser(model.UTF8Validation)
			families, err := parser.TextToMetricFamilies(bytes.NewReader(reply.Data))
			if err != nil {
				h.log.Warn("metrics of a provider are not readable", lattice.LogProvider, p.name, lattice.LogErr, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for name, f := range families {
				for _, m := range f.Metric {
					m.Label = withLabel(withLabel(m.Label, "provider", p.name), "link", string(p.link))
				}
				if have := merged[name]; have == nil {
					merged[name] = f
				} else if have.GetType() == f.GetType() {
					have.Metric = append(have.Metric, f.Metric...)
				}
			}
		})
	}
	wg.Wait()
	out := make([]*dto.MetricFamily, 0, len(merged))
	for _, f := range merged {
		out = append(out, f)
	}
	return out, nil
}

// withLabel adds a label, in the order of names that the format wants, unless it is there.
func withLabel(labels []*dto.LabelPair, name, value string) []*dto.LabelPair {
	at, found := slices.BinarySearchFunc(labels, name, func(l *dto.LabelPair, name string) int { return strings.Compare(l.GetName(), name) })
	if found {
		return labels
	}
	return slices.Insert(labels, at, &dto.LabelPair{Name: &name, Value: &value})
}
