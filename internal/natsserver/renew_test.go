package natsserver_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
)

// The certificate of the server and the authorities of a client are renewed on disk. A client that is connected
// reconnects with them, and a broken file changes nothing.
func TestRenewedCertificateAndAuthority(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	cert, key, _ := latticetest.Certificate(t)
	ca := cert + ".ca"
	latticetest.Replace(t, ca, cert)
	s := start(t, natsserver.Config{Port: -1, DataDir: t.TempDir(), TLSCert: cert, TLSKey: key})
	nc, err := natsconn.Connect(t.Context(), natsconn.Config{URL: s.URL(), TLSCA: ca})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	next, nextKey, nextPool := latticetest.Certificate(t)
	latticetest.Replace(t, key, nextKey) // and not yet the certificate
	time.Sleep(1100 * time.Millisecond)  // so that it is read
	if err := natsconn.Reconnect(t.Context(), nc); err != nil {
		t.Fatalf("while only the key is new: %v", err)
	}
	latticetest.Replace(t, cert, next)
	latticetest.Replace(t, ca, next)
	latticetest.Eventually(t, func() error {
		c, err := nats.Connect(s.URL(), nats.Secure(tlsWith(nextPool)))
		if err == nil {
			c.Close()
		}
		return err
	})
	latticetest.Eventually(t, func() error { return natsconn.Reconnect(t.Context(), nc) })
	if got := s.Certificate().Expires(); time.Until(got) < 0 {
		t.Errorf("expires %v", got)
	}
}
