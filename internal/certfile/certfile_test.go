package certfile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/lattice"
)

// made is a certificate that certifies itself.
type made struct{ cert, key []byte }

func makeCert(t *testing.T, name string, ends time.Time) made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour * 24 * 400), NotAfter: ends, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return made{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// clock moves on by hand.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

func later() time.Time { return time.Now().Add(90 * 24 * time.Hour) }

type rig struct {
	*Pair
	cert, key string
	log       *bytes.Buffer
	clock     *clock
}

func open(t *testing.T, first made) rig {
	t.Helper()
	dir := t.TempDir()
	r := rig{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), log: &bytes.Buffer{},
		clock: &clock{}}
	write(t, r.cert, first.cert)
	write(t, r.key, first.key)
	var err error
	if r.Pair, err = OpenPair(r.cert, r.key, linkfile.Read, slog.New(slog.NewTextHandler(r.log, nil))); err != nil {
		t.Fatal(err)
	}
	r.clock.ns.Store(time.Now().UnixNano())
	r.w.now = r.clock.now
	r.clock.advance(2 * interval)
	return r
}

// served is the name in the certificate that a client sees.
func (r rig) served(t *testing.T) string {
	t.Helper()
	a, b := net.Pipe()
	server := tls.Server(a, &tls.Config{GetCertificate: r.Server})
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Handshake() }()
	client := tls.Client(b, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test looks itself
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	<-done
	_, _ = a.Close(), b.Close()
	return client.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestReplacedCertificateIsServedFromTheNextHandshakeOn(t *testing.T) {
	r := open(t, makeCert(t, "old", later()))
	if got := r.served(t); got != "old" {
		t.Fatal(got)
	}
	next := makeCert(t, "new", later())
	write(t, r.cert, next.cert)
	write(t, r.key, next.key)
	r.clock.advance(interval)
	if got := r.served(t); got != "new" {
		t.Errorf("%s is served", got)
	}
}

// Whatever is broken about the new files, the old pair stays, and the log says once which file and why.
func TestBrokenReplacementKeepsTheOld(t *testing.T) {
	other := makeCert(t, "other", later())
	for name, tc := range map[string]struct {
		cert, key []byte
		why       string
	}{
		"key of another":      {cert: other.cert, why: "private key does not match"},
		"certificate missing": {cert: nil, key: other.key, why: ""},
		"half a certificate":  {cert: other.cert[:len(other.cert)/2], key: other.key, why: "failed to find any PEM"},
		"empty":               {cert: []byte{}, key: other.key, why: "failed to find any PEM"},
		"half a key":          {cert: other.cert, key: other.key[:len(other.key)/2], why: "failed to find any PEM"},
		"no PEM":              {cert: []byte("nonsense"), key: other.key, why: "failed to find any PEM"},
		"expired": func() (c struct {
			cert, key []byte
			why       string
		}) {
			m := makeCert(t, "expired", time.Now().Add(-time.Hour))
			c.cert, c.key, c.why = m.cert, m.key, "has expired"
			return c
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, makeCert(t, "old", later()))
			if tc.cert != nil {
				write(t, r.cert, tc.cert)
			} else if err := os.Remove(r.cert); err != nil {
				t.Fatal(err)
			}
			if tc.key != nil {
				write(t, r.key, tc.key)
			}
			for range 5 {
				r.clock.advance(interval)
				if got := r.served(t); got != "old" {
					t.Fatalf("%s is served", got)
				}
			}
			if n := strings.Count(r.log.String(), "\n"); n != 1 || !strings.Contains(r.log.String(), r.cert) ||
				!strings.Contains(r.log.String(), tc.why) {
				t.Errorf("the log has %d lines, want 1 with %s and %q:\n%s", n, r.cert, tc.why, r.log)
			}
			write(t, r.cert, other.cert)
			write(t, r.key, other.key)
			r.clock.advance(interval)
			if got := r.served(t); got != "other" {
				t.Errorf("%s is served after all", got)
			}
		})
	}
}

func TestExpiryIsWarnedOfOnceADay(t *testing.T) {
	r := open(t, makeCert(t, "old", time.Now().Add(20*24*time.Hour)))
	if r.log.Len() != 0 {
		t.Error(r.log)
	}
	for range 7 * 24 {
		r.clock.advance(time.Hour)
		r.Certificate()
	}
	if n := strings.Count(r.log.String(), "expires soon"); n != 1 && n != 2 {
		t.Errorf("%d warnings in the seventh day:\n%s", n, r.log)
	}
	r.clock.advance(14 * 24 * time.Hour)
	r.Certificate()
	if !strings.Contains(r.log.String(), "has expired") {
		t.Errorf("%s", r.log)
	}
	next := makeCert(t, "next", r.clock.now().Add(90*24*time.Hour))
	write(t, r.cert, next.cert)
	write(t, r.key, next.key)
	r.clock.advance(interval)
	if d := r.Expires().Sub(r.clock.now()); d < 89*24*time.Hour {
		t.Errorf("expires in %v", d)
	}
}

func TestReplacedAuthoritiesAreTrusted(t *testing.T) {
	a, b := makeCert(t, "a", later()), makeCert(t, "b", later())
	file := filepath.Join(t.TempDir(), "ca.pem")
	write(t, file, a.cert)
	roots, err := OpenRoots(file, false, linkfile.Read, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{}
	c.ns.Store(time.Now().Add(time.Minute).UnixNano())
	roots.w.now = c.now
	trusts := func(m made) bool {
		block, _ := pem.Decode(m.cert)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cert.Verify(x509.VerifyOptions{Roots: roots.Pool(),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		return err == nil
	}
	if !trusts(a) || trusts(b) {
		t.Error("at first")
	}
	write(t, file, append(append([]byte{}, a.cert...), b.cert[:len(b.cert)-30]...)) // half-written
	c.advance(interval)
	if !trusts(a) || trusts(b) {
		t.Error("half a file was taken")
	}
	write(t, file, b.cert)
	c.advance(interval)
	if trusts(a) || !trusts(b) {
		t.Error("afterwards")
	}
}

func TestErrorsAtFirstNameTheFile(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if _, err := OpenPair(cert, key, linkfile.Read, nil); !errors.Is(err, lattice.ErrNotFound) ||
		!strings.Contains(err.Error(), cert) {
		t.Error(err)
	}
	write(t, cert, makeCert(t, "a", later()).cert)
	write(t, key, makeCert(t, "b", later()).key)
	if _, err := OpenPair(cert, key, linkfile.Read, nil); !errors.Is(err, lattice.ErrInvalid) ||
		!strings.Contains(err.Error(), cert) || !strings.Contains(err.Error(), key) {
		t.Error(err)
	}
	if _, err := OpenRoots(key, false, linkfile.Read, nil); !errors.Is(err, lattice.ErrInvalid) ||
		!strings.Contains(err.Error(), key) {
		t.Error(err)
	}
}

// Many handshakes at once while files are replaced see one of the pairs, never half of one.
func TestHammer(t *testing.T) {
	long.Test(t, "replaces files for seconds")
	pairs := []made{makeCert(t, "0", later()), makeCert(t, "1", later())}
	r := open(t, pairs[0])
	r.log.Reset()
	r.w.log = slog.New(slog.DiscardHandler)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r.clock.advance(interval / 3)
				if c := r.Certificate(); c == nil || c.Leaf == nil ||
					!c.PrivateKey.(*ecdsa.PrivateKey).PublicKey.Equal(c.Leaf.PublicKey) {
					t.Error("half a pair")
					return
				}
			}
		})
	}
	for i := range 200 {
		write(t, r.cert, pairs[i%2].cert)
		write(t, r.key, pairs[i%2].key)
	}
	close(stop)
	wg.Wait()
	r.clock.advance(interval)
	if got := r.Certificate().Leaf.Subject.CommonName; got != "1" {
		t.Errorf("in the end %s", got)
	}
}

func FuzzRoots(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = addAll(x509.NewCertPool(), data) })
}
