// Package certfile keeps what TLS needs from files up to date: certificates with their keys, and authorities. Files
// that are replaced on disk are used from the next handshake on, in the same way by all packages.
//
// The files are read again when a caller asks for the value, at most once a second, so that nothing runs in the
// background. Contents are compared, not times: Kubernetes swaps links, and copies keep times. What cannot be used, as
// a certificate that was replaced before its key, is told in the log once and changes nothing: what worked goes on.
package certfile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/lattice"
)

const (
	// interval is how often files are read at most.
	interval = time.Second
	// nearExpiry is how long before its end a certificate is warned of, once a day.
	nearExpiry = 14 * 24 * time.Hour
	warnEvery  = 24 * time.Hour
)

// Reader reads a file: linkfile.Read, or the method of linkfile.Folders.
type Reader func(path string) ([]byte, error)

// parsed is what was read from files: a value, and when it ends.
type parsed[T any] struct {
	value T
	ends  time.Time
}

// watched is a value that is made from files. It is safe for concurrent use: the caller that finds that it is time
// reads the files, and the others go on with what there is.
type watched[T any] struct {
	files []string
	read  Reader
	parse func(contents [][]byte) (parsed[T], error)
	log   *slog.Logger
	now   func() time.Time

	current atomic.Pointer[parsed[T]]
	next    atomic.Int64 // when the files are read again, in Unix nanoseconds

	mu        sync.Mutex
	contents  [][]byte  // of current. guarded by mu
	complaint string    // that was logged last. guarded by mu
	warned    time.Time // of the end. guarded by mu
}

func watch[T any](files []string, read Reader, log *slog.Logger, parse func([][]byte) (parsed[T], error)) (*watched[T],
	error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &watched[T]{files: files, read: read, parse: parse, log: log, now: time.Now}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.load(); err != nil {
		return nil, err
	}
	w.next.Store(w.now().Add(interval).UnixNano())
	w.warn()
	return w, nil
}

// get returns the value of now.
func (w *watched[T]) get() *parsed[T] {
	now := w.now().UnixNano()
	if now < w.next.Load() || !w.mu.TryLock() {
		return w.current.Load()
	}
	defer w.mu.Unlock()
	w.next.Store(now + int64(interval))
	switch err := w.load(); {
	case err == nil:
		w.complaint = ""
	case err.Error() != w.complaint:
		w.complaint = err.Error()
		w.log.Warn("a file of TLS cannot be used as it is now; what it held before stays in use", "files", w.files,
			lattice.LogErr, err)
	}
	w.warn()
	return w.current.Load()
}

// load reads the files, and takes what they hold when it is new and good. mu is held.
func (w *watched[T]) load() error {
	contents := make([][]byte, len(w.files))
	for i, file := range w.files {
		var err error
		if contents[i], err = w.read(file); err != nil {
			return err
		}
	}
	old := w.current.Load()
	if old != nil && same(contents, w.contents) {
		return nil
	}
	next, err := w.parse(contents)
	if err != nil {
		return err
	}
	if now := w.now(); old != nil && now.After(next.ends) && now.Before(old.ends) {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "load", Entity: w.files[0], Detail: "it has expired, on " +
			next.ends.UTC().Format(time.RFC3339)}
	}
	w.current.Store(&next)
	w.contents = contents
	if old != nil {
		w.log.Info("a file of TLS was replaced and is used from now on", "files", w.files, "expires",
			next.ends.UTC().Format(time.RFC3339))
	}
	return nil
}

// warn tells that the end is near. mu is held.
func (w *watched[T]) warn() {
	now, ends := w.now(), w.current.Load().ends
	if ends.Sub(now) > nearExpiry || now.Sub(w.warned) < warnEvery {
		return
	}
	w.warned = now
	text := "a certificate expires soon; replace its file, which is used then without a restart"
	if now.After(ends) {
		text = "a certificate has expired; replace its file, which is used then without a restart"
	}
	w.log.Warn(text, "files", w.files, "expires", ends.UTC().Format(time.RFC3339))
}

func same(a, b [][]byte) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// Pair is a certificate with its key, in two files. It is safe for concurrent use and needs no closing.
type Pair struct{ w *watched[*tls.Certificate] }

// OpenPair reads both files, in PEM form. Errors are those of read, and lattice.ErrInvalid, which names both files, for
// contents that are not a certificate and a key, or do not match. log may be nil.
func OpenPair(certFile, keyFile string, read Reader, log *slog.Logger) (*Pair, error) {
	w, err := watch([]string{certFile, keyFile}, read, log, func(contents [][]byte) (p parsed[*tls.Certificate],
		err error) {
		cert, err := tls.X509KeyPair(contents[0], contents[1])
		if err == nil && cert.Leaf == nil {
			err = errors.New("it has no certificate")
		}
		if err != nil {
			return p, &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS certificate", Entity: certFile,
				Detail: "with the key in " + keyFile, Err: err}
		}
		return parsed[*tls.Certificate]{&cert, cert.Leaf.NotAfter}, nil
	})
	if err != nil {
		return nil, err
	}
	return &Pair{w}, nil
}

// Certificate is the one to use now. It is not to be changed.
func (p *Pair) Certificate() *tls.Certificate { return p.w.get().value }

// Server is for tls.Config.GetCertificate.
func (p *Pair) Server(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.Certificate(), nil }

// Client is for tls.Config.GetClientCertificate.
func (p *Pair) Client(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return p.Certificate(), nil
}

// Expires is when the certificate in use ends.
func (p *Pair) Expires() time.Time { return p.w.get().ends }

// File is that of the certificate.
func (p *Pair) File() string { return p.w.files[0] }

// Roots are authorities in a file. They are safe for concurrent use and need no closing.
type Roots struct{ w *watched[*x509.CertPool] }

// OpenRoots reads a file of authorities in PEM form; with system they are trusted besides the system's own. Errors are
// those of read, and lattice.ErrInvalid for a file without a certificate. log may be nil.
func OpenRoots(file string, system bool, read Reader, log *slog.Logger) (*Roots, error) {
	w, err := watch([]string{file}, read, log, func(contents [][]byte) (p parsed[*x509.CertPool], err error) {
		pool := x509.NewCertPool()
		if system {
			if own, err := x509.SystemCertPool(); err == nil {
				pool = own
			}
		}
		ends, err := addAll(pool, contents[0])
		if err != nil {
			return p, &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS authorities", Entity: file,
				Detail: err.Error()}
		}
		return parsed[*x509.CertPool]{pool, ends}, nil
	})
	if err != nil {
		return nil, err
	}
	return &Roots{w}, nil
}

// addAll adds the certificates of a file to a pool and returns when the last of them ends. Half a file is an error.
func addAll(pool *x509.CertPool, data []byte) (ends time.Time, err error) {
	n := 0
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return ends, fmt.Errorf("certificate %d in it is damaged: %w", n+1, err)
		}
		pool.AddCert(cert)
		if n++; cert.NotAfter.After(ends) {
			ends = cert.NotAfter
		}
	}
	switch {
	case n == 0:
		return ends, errors.New("it holds no PEM certificate")
	case bytes.Contains(data, []byte("-----BEGIN")):
		return ends, errors.New("it ends in the middle of a certificate")
	}
	return ends, nil
}

// Pool is what to trust now. It is not to be changed.
func (r *Roots) Pool() *x509.CertPool { return r.w.get().value }

// Expires is when the last of the authorities in use ends.
func (r *Roots) Expires() time.Time { return r.w.get().ends }

// File is theirs.
func (r *Roots) File() string { return r.w.files[0] }
