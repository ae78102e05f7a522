package natsauth_test

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/weftlattice/weft/internal/natsauth"
)

// connTo is a connection that came to an address of this machine.
type connTo struct {
	net.Conn
	at string
}

func (c connTo) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.at), Port: 4222} }

// The machine gets an address after the server has started. A client that connects to that address gets a certificate
// that names it. Connections to other addresses do not change the certificate.
func TestCertificateNamesAnAddressThatCameLater(t *testing.T) {
	ca, err := natsauth.OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	config := ca.ServerTLS("nats.example.org")
	reached := func(at string) *tls.Certificate {
		t.Helper()
		cert, err := config.GetCertificate(&tls.ClientHelloInfo{Conn: connTo{at: at}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{natsauth.ServerName, "nats.example.org", "localhost", "127.0.0.1", "::1"} {
			if err := cert.Leaf.VerifyHostname(name); err != nil {
				t.Errorf("who comes to %s: %v", at, err)
			}
		}
		return cert
	}
	first := reached("127.0.0.1")
	for _, later := range []string{"203.0.113.77", "2001:db8::77"} {
		if first.Leaf.VerifyHostname(later) == nil {
			t.Fatalf("this machine has %s, which is for documents", later)
		}
		cert := reached(later)
		if err := cert.Leaf.VerifyHostname(later); err != nil {
			t.Errorf("who comes to %s: %v", later, err)
		}
		for _, at := range []string{later, "127.0.0.1", "127.0.0.9"} {
			if reached(at) != cert {
				t.Errorf("%s gets another certificate than %s before", at, later)
			}
		}
	}
}
