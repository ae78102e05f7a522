package attack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
)

// entry is one of an archive; zeros are how many zeros follow the data.
type entry struct {
	name  string
	kind  byte
	link  string
	data  []byte
	zeros int64
}

func archive(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	zeros := make([]byte, 1<<20)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		err := w.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o755,
			Size: int64(len(e.data)) + e.zeros})
		if err == nil {
			_, err = w.Write(e.data)
		}
		for left := e.zeros; left > 0 && err == nil; left -= int64(len(zeros)) {
			_, err = w.Write(zeros[:min(left, int64(len(zeros)))])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Provider archives that want to write elsewhere or to fill memory are refused, and nothing of them is on the disk.
func TestHostileArchives(t *testing.T) {
	r := newRig(t)
	// Claims of a good archive: what is wrong is what stands beside them.
	var good bytes.Buffer
	claims := signing.ProviderClaims{Name: "p", ContractID: "acme:p", Vendor: "acme"}
	binary := []byte("#!/bin/sh\n")
	if err := signing.WriteArchive(&good, claims, latticetest.NewKey(t, signing.KindAccount),
		latticetest.NewKey(t, signing.KindProvider),
		map[string][]byte{signing.CurrentTarget(): binary}, false); err != nil {
		t.Fatal(err)
	}
	read := tar.NewReader(&good)
	if _, err := read.Next(); err != nil {
		t.Fatal(err)
	}
	var jwt bytes.Buffer
	if _, err := jwt.ReadFrom(read); err != nil {
		t.Fatal(err)
	}
	token, bin := entry{name: "claims.jwt", data: jwt.Bytes()}, signing.CurrentTarget()+".bin"
	mark := filepath.Join(r.dir, "escaped.bin")
	for _, h := range []struct {
		name  string
		data  []byte
		code  lattice.Code
		words string
	}{
		{"a path out of the archive", archive(t, token, entry{name: bin, data: binary},
			entry{name: "../../../../../../../.." + mark, data: binary}), lattice.ErrInvalid,
			"is not in the top folder"},
		{"an absolute path", archive(t, token, entry{name: bin, data: binary}, entry{name: mark, data: binary}),
			lattice.ErrInvalid, "is not in the top folder"},
		{"a symbolic link", archive(t, token, entry{name: bin, kind: tar.TypeSymlink, link: mark}), lattice.ErrInvalid,
			"is no plain file"},
		{"a hard link", archive(t, token, entry{name: bin, kind: tar.TypeLink, link: "/etc/passwd"}),
			lattice.ErrInvalid, "is no plain file"},
		{"a zip bomb of 2 GiB", archive(t, token, entry{name: bin, data: binary, zeros: 2 << 30}), lattice.ErrTooLarge,
			"it holds more than 536870912 bytes"},
		{"a zip bomb beside the binary", archive(t, token, entry{name: bin, data: binary},
			entry{name: "README", zeros: 1 << 30}), lattice.ErrTooLarge, "it holds more than 536870912 bytes"},
		{"1000 entries", archive(t, append([]entry{token, {name: bin, data: binary}}, make([]entry, 1000)...)...),
			lattice.ErrInvalid, ""},
		{"another binary under the claims",
			archive(t, token, entry{name: bin, data: []byte("#!/bin/sh\ntouch " + mark)}), lattice.ErrHashMismatch, ""},
		{"no claims", archive(t, entry{name: bin, data: binary}), lattice.ErrUnsigned, ""},
	} {
		r.attack(h.name, func(t *testing.T) {
			ref := r.file(h.name+".par.gz", h.data)
			if err := r.ctl.StartProvider(context.Background(), control.StartProviderRequest{ProviderRef: ref,
				HostID: r.ID, LinkName: lattice.DefaultLink}); err != nil {
				t.Fatal(err)
			}
			var failed event.ProviderStartFailed
			r.await(func(d event.Data) bool {
				f, ok := d.(event.ProviderStartFailed)
				failed = f
				return ok && f.ProviderRef == ref
			})
			if failed.Code != h.code.Name() || !strings.Contains(failed.Error, h.words) {
				t.Errorf("%s: %s; want %s and %q", failed.Code, failed.Error, h.code.Name(), h.words)
			}
			if _, err := os.Stat(mark); err == nil {
				t.Error("it has written outside of the archive")
			}
			t.Logf("the archive has %d KiB", len(h.data)>>10)
		})
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, "data", "cache", "*", "bin", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, "data", "cache", "bin", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
