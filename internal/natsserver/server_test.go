package natsserver_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/lattice"
)

func start(t *testing.T, cfg natsserver.Config) *natsserver.Server {
	t.Helper()
	s, err := natsserver.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeServer(t, s) })
	return s
}

func closeServer(t *testing.T, s *natsserver.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func connect(t *testing.T, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  natsserver.Config
		want error
	}{
		{"loopback", natsserver.Config{DataDir: "x"}, nil},
		{"loopback v6", natsserver.Config{DataDir: "x", Host: "::1"}, nil},
		{"open", natsserver.Config{DataDir: "x", Host: "0.0.0.0"}, lattice.ErrDenied},
		{"open by name", natsserver.Config{DataDir: "x", Host: "example.org"}, lattice.ErrDenied},
		{"open with token", natsserver.Config{DataDir: "x", Host: "0.0.0.0", Token: "t", Plain: true}, nil},
		{"open with token, no TLS", natsserver.Config{DataDir: "x", Host: "0.0.0.0", Token: "t"}, lattice.ErrDenied},
		{"open with TLS, no credentials", natsserver.Config{DataDir: "x", Host: "0.0.0.0", TLS: &tls.Config{}},
			lattice.ErrDenied},
		{"open with TLS and users", natsserver.Config{DataDir: "x", Host: "0.0.0.0", TLS: &tls.Config{},
			Users: natsauth.NewVerifier("A", "", nil)}, nil},
		{"open with user", natsserver.Config{DataDir: "x", Host: "0.0.0.0", User: "u", Password: "p", Plain: true},
			nil},
		{"user without password", natsserver.Config{DataDir: "x", User: "u"}, lattice.ErrInvalid},
		{"token and user", natsserver.Config{DataDir: "x", Token: "t", User: "u", Password: "p"}, lattice.ErrInvalid},
		{"no directory", natsserver.Config{}, lattice.ErrInvalid},
		{"bad port", natsserver.Config{DataDir: "x", Port: 70000}, lattice.ErrInvalid},
		{"half of TLS", natsserver.Config{DataDir: "x", TLSCert: "c"}, lattice.ErrInvalid},
		{"negative payload", natsserver.Config{DataDir: "x", MaxPayloadBytes: -1}, lattice.ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.cfg.Validate(); !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestConfigHidesSecrets(t *testing.T) {
	cfg := natsserver.Config{User: "u", Password: "hunter2", Token: "hunter2"}
	for _, f := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(f, cfg); strings.Contains(s, "hunter2") {
			t.Errorf("%s shows the secret: %s", f, s)
		}
	}
}

func TestAcknowledgedWritesSurviveRestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, natsserver.Config{Port: -1, DataDir: dir})
	js, err := jetstream.New(connect(t, s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	port := s.Port()
	closeServer(t, s)

	s = start(t, natsserver.Config{Port: port, DataDir: dir})
	if s.Port() != port {
		t.Fatalf("port %d, want %d", s.Port(), port)
	}
	js, err = jetstream.New(connect(t, "", nats.InProcessServer(s)))
	if err != nil {
		t.Fatal(err)
	}
	kv, err = js.KeyValue(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(t.Context(), "k"); err != nil || string(e.Value()) != "v" {
		t.Fatalf("got %v, %v", e, err)
	}
}

func TestPortInUseNamesThePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = natsserver.Start(t.Context(), natsserver.Config{Port: port, DataDir: t.TempDir()})
	if !errors.Is(err, lattice.ErrConflict) || !strings.Contains(err.Error(), strconv.Itoa(port)) {
		t.Fatalf("got %v, want a conflict that names port %d", err, port)
	}
}

func TestDataDirectoryIsExclusive(t *testing.T) {
	dir := t.TempDir()
	s := start(t, natsserver.Config{Port: -1, DataDir: dir})
	if _, err := natsserver.Start(t.Context(), natsserver.Config{Port: -1, DataDir: dir}); !errors.Is(err,
		lattice.ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	closeServer(t, s)
	start(t, natsserver.Config{Port: -1, DataDir: dir})
}

func TestCredentialsAreRequired(t *testing.T) {
	s := start(t, natsserver.Config{Host: "0.0.0.0", Port: -1, DataDir: t.TempDir(), Token: "sesame", Plain: true})
	url := "nats://127.0.0.1:" + strconv.Itoa(s.Port())
	if nc, err := nats.Connect(url); err == nil {
		nc.Close()
		t.Fatal("connected without the token")
	}
	connect(t, url, nats.Token("sesame"))
}

func TestMaxPayload(t *testing.T) {
	s := start(t, natsserver.Config{Port: -1, DataDir: t.TempDir()})
	if got := connect(t, s.URL()).MaxPayload(); got != natsserver.DefaultMaxPayloadBytes {
		t.Fatalf("max payload %d", got)
	}
}

func TestCloseTwice(t *testing.T) {
	s := start(t, natsserver.Config{Port: -1, DataDir: t.TempDir()})
	closeServer(t, s)
	closeServer(t, s)
}

func tlsWith(pool *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
