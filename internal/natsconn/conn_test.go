package natsconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startServer(t *testing.T, cfg natsserver.Config) *natsserver.Server {
	t.Helper()
	if cfg.Port == 0 {
		cfg.Port = -1
	}
	cfg.DataDir = t.TempDir()
	s, err := natsserver.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopServer(t, s) })
	return s
}

func stopServer(t *testing.T, s *natsserver.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func connect(t *testing.T, cfg Config) *nats.Conn {
	t.Helper()
	nc, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// record is a slog handler that passes the text of each line on.
type record struct {
	mu    sync.Mutex
	lines []string
	added chan struct{}
}

func newRecord() *record { return &record{added: make(chan struct{}, 1)} }

func (r *record) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, string(b))
	select {
	case r.added <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (r *record) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "")
}

func (r *record) await(t *testing.T, text string) {
	t.Helper()
	end := time.After(10 * time.Second)
	for !strings.Contains(r.text(), text) {
		select {
		case <-r.added:
		case <-end:
			t.Fatalf("no %q in the log:\n%s", text, r.text())
		}
	}
}

func TestHealsWithinThreeSeconds(t *testing.T) {
	s := startServer(t, natsserver.Config{})
	port := s.Port()
	log := newRecord()
	nc := connect(t, Config{URL: s.URL(), Logger: log.logger()})
	sub, err := nc.SubscribeSync("a")
	if err != nil {
		t.Fatal(err)
	}
	stopServer(t, s)
	log.await(t, "disconnected from NATS")
	if err := nc.Publish("a", []byte("buffered")); err != nil {
		t.Fatal(err)
	}
	startServer(t, natsserver.Config{Port: port})
	if m, err := sub.NextMsg(3 * time.Second); err != nil || string(m.Data) != "buffered" {
		t.Fatalf("got %v, %v", m, err)
	}
	log.await(t, "reconnected to NATS")
}

func TestCredentials(t *testing.T) {
	user, err := signing.New('U')
	if err != nil {
		t.Fatal(err)
	}
	withToken := startServer(t, natsserver.Config{Token: "sesame"})
	withUser := startServer(t, natsserver.Config{User: "u", Password: "hunter2"})
	host := func(s *natsserver.Server) string { return strings.TrimPrefix(s.URL(), "nats://") }
	for _, tc := range []struct {
		name string
		cfg  Config
		want error
	}{
		{"token", Config{URL: withToken.URL(), Token: "sesame"}, nil},
		{"wrong token", Config{URL: withToken.URL(), Token: "mustard"}, lattice.ErrDenied},
		{"no token", Config{URL: withToken.URL()}, lattice.ErrDenied},
		{"token in URL", Config{URL: "nats://sesame@" + host(withToken)}, nil},
		{"user", Config{URL: withUser.URL(), User: "u", Password: "hunter2"}, nil},
		{"wrong password", Config{URL: "nats://u:mustard@" + host(withUser)}, lattice.ErrDenied},
		{"unknown nkey", Config{URL: withUser.URL(), Seed: user.Seed()}, lattice.ErrDenied},
		{"jwt that the server does not want", Config{URL: withUser.URL(), JWT: "a.b.c", Seed: user.Seed()},
			lattice.ErrDenied},
		{"missing file", Config{URL: withUser.URL(), CredsFile: "/nonexistent/x.creds"}, lattice.ErrInvalid},
		{"in process", Config{InProcess: withToken, Token: "sesame"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := newRecord()
			tc.cfg.Logger = log.logger()
			nc, err := Connect(t.Context(), tc.cfg)
			if nc != nil {
				defer nc.Close()
			}
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			for _, secret := range []string{"sesame", "mustard", "hunter2", user.Seed()} {
				if strings.Contains(fmt.Sprint(err)+log.text(), secret) {
					t.Errorf("%q is shown: %v %s", secret, err, log.text())
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	cluster, err := signing.New('C')
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		cfg  Config
	}{
		{"scheme", Config{URL: "http://x"}},
		{"no host", Config{URL: "nats://"}},
		{"second URL", Config{URL: "nats://a,://"}},
		{"two kinds", Config{Token: "t", User: "u"}},
		{"jwt without seed", Config{JWT: "j"}},
		{"password without user", Config{Password: "p"}},
		{"half of TLS", Config{TLSCert: "c"}},
		{"garbage seed", Config{Seed: "SUXYZ"}},
		{"seed of another kind", Config{Seed: cluster.Seed()}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.cfg.Validate(); !errors.Is(err, lattice.ErrInvalid) {
				t.Fatalf("got %v", err)
			}
		})
	}
	if err := (Config{URL: "localhost:4222, tls://example.org"}).Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestConfigHidesSecrets(t *testing.T) {
	cfg := Config{URL: "nats://u:hunter2@h:1", Password: "hunter2", Token: "hunter2", Seed: "hunter2", JWT: "hunter2"}
	log := newRecord()
	log.logger().Info("x", "cfg", cfg)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), log.text(), SafeURL("nats://hunter2@h"),
		SafeURL("%zzhunter2")} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("shown: %s", s)
		}
	}
}

func TestConnectErrorSaysWhereAndWhatToDo(t *testing.T) {
	_, err := Connect(t.Context(), Config{URL: "nats://u:hunter2@" + freeAddr(t)})
	if !errors.Is(err, lattice.ErrUnavailable) || !strings.Contains(err.Error(), "nats://127.0.0.1:") ||
		!strings.Contains(err.Error(), "weft up") || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("got %v", err)
	}
}

func TestRetryUntilServerComes(t *testing.T) {
	addr := freeAddr(t)
	log := newRecord()
	got := make(chan error, 1)
	go func() {
		nc, err := Connect(t.Context(), Config{URL: "nats://" + addr, RetryOnFailedConnect: true, Logger: log.logger()})
		if err == nil {
			nc.Close()
		}
		got <- err
	}()
	log.await(t, "waiting for NATS")
	_, port, _ := net.SplitHostPort(addr)
	var p int
	if _, err := fmt.Sscan(port, &p); err != nil {
		t.Fatal(err)
	}
	startServer(t, natsserver.Config{Port: p})
	select {
	case err := <-got:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not connected")
	}
}

func TestConnectHonoursContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Connect(ctx, Config{URL: "nats://" + freeAddr(t), RetryOnFailedConnect: true})
	if !errors.Is(err, lattice.ErrTimeout) {
		t.Fatalf("got %v", err)
	}
}

func TestReconnectsAfterContextOfConnectEnded(t *testing.T) {
	s := startServer(t, natsserver.Config{})
	port := s.Port()
	ctx, cancel := context.WithCancel(t.Context())
	log := newRecord()
	nc, err := Connect(ctx, Config{URL: s.URL(), Logger: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	cancel()
	stopServer(t, s)
	startServer(t, natsserver.Config{Port: port})
	log.await(t, "reconnected to NATS")
}

func TestCloseHandlesWhatWasReceived(t *testing.T) {
	s := startServer(t, natsserver.Config{})
	nc := connect(t, Config{URL: s.URL()})
	const n = 100
	var got int
	if _, err := nc.Subscribe("a", func(*nats.Msg) { got++ }); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := nc.Publish("a", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 2 {
		if err := Close(ctx, nc); err != nil {
			t.Fatal(err)
		}
	}
	if !nc.IsClosed() || got != n {
		t.Fatalf("closed %v, handled %d of %d", nc.IsClosed(), got, n)
	}
	if err := Close(ctx, nil); err != nil {
		t.Fatal(err)
	}
}

func TestCloseGivesUpWithContext(t *testing.T) {
	s := startServer(t, natsserver.Config{})
	nc := connect(t, Config{URL: s.URL()})
	entered, leave := make(chan struct{}), make(chan struct{})
	defer close(leave)
	if _, err := nc.Subscribe("a", func(*nats.Msg) { close(entered); <-leave }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish("a", nil); err != nil {
		t.Fatal(err)
	}
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := Close(ctx, nc); !errors.Is(err, lattice.ErrTimeout) || !nc.IsClosed() {
		t.Fatalf("got %v", err)
	}
}

func TestSlowConsumerIsReported(t *testing.T) {
	s := startServer(t, natsserver.Config{})
	log := newRecord()
	nc := connect(t, Config{URL: s.URL(), Logger: log.logger()})
	sub, err := nc.SubscribeSync("slow")
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.SetPendingLimits(1, 100); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := nc.Publish("slow", nil); err != nil {
			t.Fatal(err)
		}
	}
	log.await(t, "subject=slow dropped=")
}

func TestBackoff(t *testing.T) {
	for attempt := range 1000 {
		if d := reconnectPause(attempt); d < 80*time.Millisecond || d > 1200*time.Millisecond {
			t.Fatalf("attempt %d: %v", attempt, d)
		}
	}
	if reconnectPause(1) > 120*time.Millisecond {
		t.Fatal("the first pause is long")
	}
}

func TestTLSFilesMustExist(t *testing.T) {
	f := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(f, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, natsserver.Config{})
	if _, err := Connect(t.Context(), Config{URL: s.URL(), TLSCA: f}); err == nil {
		t.Fatal("connected with a nonsense authority")
	}
	if _, err := Connect(t.Context(), Config{URL: s.URL(), TLS: true}); !errors.Is(err, lattice.ErrUnavailable) {
		t.Fatalf("connected without TLS: %v", err)
	}
}

// freeAddr is a loopback address on which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
