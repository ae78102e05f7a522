package natsauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// ServerName stands in the certificate of every server of a generated authority. Clients that trust only that authority
// expect it at any address: addresses change, and the authority certifies nothing else.
const ServerName = "nats.weft.internal"

const (
	caLife     = 20 * 365 * 24 * time.Hour
	serverLife = 365 * 24 * time.Hour
	// skew is how far a client's clock may be behind.
	skew = 7 * 24 * time.Hour
)

// CA is a certificate authority for the NATS server of one lattice. It is safe for concurrent use.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string

	mu     sync.Mutex
	server *tls.Certificate // the one in use; guarded by mu
}

// OpenCA reads the authority kept in a directory, and makes it first if it is missing. ca.pem is the certificate, to be
// given to clients. ca-key.pem is the key, which only the owner can read. Errors: ErrUnavailable, ErrInvalid.
func OpenCA(dir string) (*CA, error) {
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	if _, err := os.Stat(keyFile); errors.Is(err, fs.ErrNotExist) {
		if err := makeCA(dir, certFile, keyFile); err != nil {
			return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "make certificate authority in", Entity: dir,
				Err: err}
		}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read certificate authority in", Entity: dir, Err: err,
			Detail: "remove ca.pem and ca-key.pem there to have a new one; tokens made before will not fit it"}
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if err != nil || !ok || !cert.IsCA {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read certificate authority in", Entity: dir, Err: err}
	}
	return &CA{cert: cert, key: key, file: certFile}, nil
}

func makeCA(dir, certFile, keyFile string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "weft lattice"},
		NotBefore: now.Add(-skew), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		0o644); err != nil {
		return err
	}
	// last: it says that both are there
	return os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600)
}

// File is the authority's certificate, PEM, for clients.
func (c *CA) File() string { return c.file }

// PEM is the authority's certificate.
func (c *CA) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw}))
}

// ServerTLS is the TLS configuration of a server. Its certificate names ServerName and this machine: its addresses, its
// name, localhost, and more. It lasts a year. It is replaced by itself at half of that, and when a client comes to an
// address that the machine did not have when the certificate was made.
func (c *CA) ServerTLS(more ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			at := reachedAt(hello)
			if c.server == nil || time.Until(c.server.Leaf.NotAfter) < serverLife/2 || at != "" &&
				c.server.Leaf.VerifyHostname(at) != nil {
				names := append(localNames(), more...)
				if at != "" && !slices.Contains(names, at) { // the machine takes it without having it: a local route
					names = append(names, at)
				}
				cert, err := c.issue(names)
				if err != nil {
					return nil, err
				}
				c.server = cert
			}
			return c.server, nil
		}}
}

// reachedAt is the address of this machine that a client has come to; empty for loopback, whose two usual addresses are
// in every certificate, and where it is not known.
func reachedAt(hello *tls.ClientHelloInfo) string {
	if hello.Conn == nil {
		return ""
	}
	tcp, ok := hello.Conn.LocalAddr().(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || tcp.IP.IsUnspecified() {
		return ""
	}
	return tcp.IP.String()
}

func (c *CA) issue(names []string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: ServerName},
		NotBefore: now.Add(-skew), NotAfter: now.Add(serverLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{ServerName, "localhost"}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip == nil {
			t.DNSNames = append(t.DNSNames, n)
		} else if !ip.IsUnspecified() {
			t.IPAddresses = append(t.IPAddresses, ip)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, key.Public(), c.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der, c.cert.Raw}, PrivateKey: key, Leaf: leaf}, err
}

// localNames are the addresses and the name of this machine.
func localNames() []string {
	names := []string{"127.0.0.1", "::1"}
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() {
				names = append(names, n.IP.String())
			}
		}
	}
	if name, err := os.Hostname(); err == nil && name != "" && name != "localhost" {
		names = append(names, name)
	}
	return names
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return new(big.Int).SetBytes(b[:])
}
