package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/nats-io/nuid"
)

// probeContract is what the played provider provides.
const probeContract = "conformance:probe"

// archive is a provider archive to be made (4.7), with what it should have wrong.
type archive struct {
	key    string
	mark   string       // eight bytes put behind the executable
	rev    int          // of the claims
	gzip   bool         // compressed
	target string       // "" is this machine's
	claims func(object) // changes wascap before it is signed
	token  func(string) string
	bare   bool // without a binary
}

// target is this machine in the words of archives.
func target() string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	system := runtime.GOOS
	if system == "darwin" {
		system = "macos"
	}
	return arch + "-" + system
}

// build makes the archive around this program.
func (a archive) build(account *signer) ([]byte, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	binary = append(binary, fmt.Sprintf("%-*.*s", markSize, markSize, a.mark)...)
	if a.target == "" {
		a.target = target()
	}
	wascap := object{"name": "Conformance Probe", "capid": probeContract, "vendor": "weft", "rev": a.rev,
		"ver":           "0.1.0",
		"target_hashes": object{a.target: upperSHA256(binary)}}
	if a.claims != nil {
		a.claims(wascap)
	}
	token := account.token(tokenHeader, object{"jti": nuid.Next(), "iat": time.Now().Unix(), "iss": account.public,
		"sub": a.key, "wascap": wascap, "wascap_revision": 3})
	if a.token != nil {
		token = a.token(token)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	add := func(name string, data []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o700, Size: int64(len(data)), Typeflag: tar.TypeReg,
			Format: tar.FormatGNU}); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	if err := add("claims.jwt", []byte(token)); err != nil {
		return nil, err
	}
	if !a.bare {
		if err := add(a.target+".bin", binary); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil || !a.gzip {
		return out.Bytes(), err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(out.Bytes()); err != nil {
		return nil, err
	}
	err = z.Close()
	return packed.Bytes(), err
}

// spoil changes a file.
func spoil(path string, change func([]byte) []byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, change(data), 0o755)
}
