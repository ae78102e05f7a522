package natsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// TestWhatAnswersIsNoNATSServerOfThatKind: the error says what is wrong at the address and what to write instead.
func TestWhatAnswersIsNoNATSServerOfThatKind(t *testing.T) {
	long.Test(t, "waits for servers that do not answer")
	plain := strings.TrimPrefix(external(t, &server.Options{}), "nats://")
	web := httptest.NewServer(nil)
	t.Cleanup(web.Close)
	secure := httptest.NewTLSServer(nil)
	t.Cleanup(secure.Close)
	address := func(url string) string { return url[strings.LastIndex(url, "/")+1:] }
	tlsFirst := &tls.Config{Certificates: secure.TLS.Certificates}
	strict := strings.TrimPrefix(external(t, &server.Options{TLSConfig: tlsFirst, TLS: true, TLSTimeout: 5}), "nats://")
	for _, tc := range []struct{ url, says string }{
		{"tls://" + plain, "does not speak TLS; write nats://" + plain},
		{"ws://" + plain, "speaks no WebSocket on that port; write nats://" + plain},
		{"wss://" + plain, "speaks no WebSocket on that port; write nats://" + plain},
		{"nats://" + address(web.URL),
			"an HTTP server or a proxy answers there (HTTP/1.0 404 Not Found), no NATS server"},
		{"tls://" + address(web.URL), "an HTTP server or a proxy answers there"},
		{"ws://" + address(web.URL), "no NATS over WebSocket; is it a proxy"},
		{"wss://" + address(web.URL), "speaks plain HTTP (HTTP/1.0 404 Not Found); write ws://" + address(web.URL)},
		{"nats://" + strict, "of an authority that this machine does not know; name its file with --nats-ca"},
	} {
		t.Run(tc.url, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			nc, err := Connect(ctx, Config{URL: tc.url})
			if err == nil {
				nc.Close()
			}
			if !errors.Is(err, lattice.ErrUnavailable) || !strings.Contains(err.Error(), tc.says) || !Answered(err) {
				t.Errorf("got %v\nwant %q", err, tc.says)
			}
		})
	}
	if _, err := Connect(t.Context(), Config{URL: "nats://127.0.0.1:1"}); !errors.Is(err, lattice.ErrUnavailable) ||
		Answered(err) {
		t.Errorf("nobody: %v", err)
	}
}

func TestIPv6WithoutBrackets(t *testing.T) {
	for url, says := range map[string]string{
		"nats://::1:4222": "nats://[::1]:4222", "::1:4222": "nats://[::1]:4222",
		"tls://user:pw@fe80::1:4222": "tls://[fe80::1]:4222", "nats://::1": "nats://[::1]",
	} {
		if err := (Config{URL: url}).Validate(); !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(),
			"stands in brackets: "+says) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if err := (Config{URL: "nats://[::1]:4222"}).Validate(); err != nil {
		t.Error(err)
	}
}
