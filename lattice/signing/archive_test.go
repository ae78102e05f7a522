package signing

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

var testBinaries = map[string][]byte{"x86_64-linux": []byte("elf"), "aarch64-macos": bytes.Repeat([]byte("mach"), 300)}

func testArchive(t testing.TB, compress bool) []byte {
	t.Helper()
	var b bytes.Buffer
	err := WriteArchive(&b, ProviderClaims{Name: "KV", ContractID: "wasmcloud:keyvalue", Vendor: "weft", Revision: 2,
		Version:      "0.2.0",
		ConfigSchema: json.RawMessage(`{"a": 1}`), Validity: Validity{TokenID: goldenJTI, IssuedAt: 5}},
		goldenKey(t, 'A'), goldenKey(t, 'V'), testBinaries, compress)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchive(t *testing.T) {
	for _, compress := range []bool{false, true} {
		data := testArchive(t, compress)
		if !IsArchive(data) || isGzip(data) != compress {
			t.Error("not seen as an archive")
		}
		if !bytes.Equal(data, testArchive(t, compress)) {
			t.Error("the same input gives other bytes")
		}
		a, err := OpenArchive(data, goldenNow)
		if err != nil {
			t.Fatal(err)
		}
		c := a.Claims
		if string(c.Subject) != goldenKey(t, 'V').Public() || string(c.Issuer) != goldenKey(t, 'A').Public() ||
			c.Name != "KV" ||
			c.ContractID != "wasmcloud:keyvalue" || c.Vendor != "weft" || c.EffectiveRevision() != 2 ||
			c.Version != "0.2.0" ||
			len(c.TargetHashes) != 2 || string(c.ConfigSchema) != `{"a": 1}` || c.TokenID != goldenJTI ||
			c.IssuedAt != 5 || c.TokenRevision != 3 {
			t.Errorf("claims %+v", c)
		}
		if got := a.Targets(); !reflect.DeepEqual(got, []string{"aarch64-macos", "x86_64-linux"}) {
			t.Errorf("targets %v", got)
		}
		for target, want := range testBinaries {
			if got, err := a.Binary(target); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v", target, len(got), err)
			}
		}
		if _, err := a.Binary("riscv64-linux"); lattice.CodeOf(err) != lattice.ErrNotFound ||
			!strings.Contains(err.Error(), "it has aarch64-macos, x86_64-linux") {
			t.Errorf("missing target: %v", err)
		}
	}
	for _, data := range [][]byte{nil, {0x1f}, []byte("\x7fELF"), make([]byte, 600)} {
		if IsArchive(data) {
			t.Errorf("%q seen as an archive", data)
		}
	}
}

func TestWriteArchiveRefusals(t *testing.T) {
	a, v := goldenKey(t, 'A'), goldenKey(t, 'V')
	good := ProviderClaims{ContractID: "c"}
	many := map[string][]byte{}
	for i := range maxArchiveEntries {
		many[fmt.Sprintf("a%d-linux", i)] = nil
	}
	one := map[string][]byte{"x86_64-linux": nil}
	for name, err := range map[string]error{
		"account":     WriteArchive(io.Discard, good, v, v, one, false),
		"service":     WriteArchive(io.Discard, good, a, goldenKey(t, 'M'), one, false),
		"no binary":   WriteArchive(io.Discard, good, a, v, nil, false),
		"many":        WriteArchive(io.Discard, good, a, v, many, false),
		"no contract": WriteArchive(io.Discard, ProviderClaims{}, a, v, one, false),
		"schema": WriteArchive(io.Discard, ProviderClaims{ContractID: "c", ConfigSchema: json.RawMessage("{")}, a,
			v, one, false),
		"path":       WriteArchive(io.Discard, good, a, v, map[string][]byte{"../x-linux": nil}, false),
		"no dash":    WriteArchive(io.Discard, good, a, v, map[string][]byte{"claims": nil}, false),
		"two dashes": WriteArchive(io.Discard, good, a, v, map[string][]byte{"x86_64-unknown-linux": nil}, false),
		"dash first": WriteArchive(io.Discard, good, a, v, map[string][]byte{"-linux": nil}, false),
	} {
		if lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type entry struct {
	name string
	data string
	kind byte
}

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.data)), Mode: 0o600, Typeflag: tar.TypeReg}
		if e.kind != 0 {
			h.Typeflag, h.Linkname = e.kind, "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

func TestArchiveRefusals(t *testing.T) {
	account, service := goldenKey(t, 'A'), goldenKey(t, 'V')
	const sum = "CB5E4F0D9CBBDD2D1C5E0AF4C2F2C8B1F9E1F8A2A2B7F7C2B2B8E0E5B9D3A111"
	hash := sha256Upper("elf")
	claims := func(format string, args ...any) entry {
		return entry{name: "claims.jwt", data: signClaims(account, format, args...)}
	}
	ids := fmt.Sprintf(`"iss":%q,"sub":%q`, account.Public(), service.Public())
	wascap := fmt.Sprintf(`"wascap":{"capid":"c","vendor":"v","target_hashes":{"x86_64-linux":%q}}`, hash)
	good, bin := claims(`{%s,%s}`, ids, wascap), entry{name: "x86_64-linux.bin", data: "elf"}
	var many []entry
	for i := range maxArchiveEntries {
		many = append(many, entry{name: fmt.Sprintf("README%d", i)})
	}
	file := testArchive(t, false)
	const bad = lattice.ErrInvalid
	for _, tt := range []struct {
		name string
		data []byte
		want lattice.Code
	}{
		{"good", makeTar(t, good, bin), 0},
		{"good, compressed", gzipped(makeTar(t, good, bin)), 0},
		{"claims last", makeTar(t, bin, good), 0},
		{"leading dot, folder entry, other files", makeTar(t, entry{name: "./", kind: tar.TypeDir},
			entry{name: "./claims.jwt", data: good.data}, entry{name: "LICENSE", data: "x"}, bin), 0},
		{"hash without binary", makeTar(t,
			claims(`{%s,"wascap":{"capid":"c","vendor":"v","target_hashes":{"x86_64-linux":%q,"arm-linux":%q}}}`, ids,
				hash, sum), bin), 0},
		{"empty", nil, lattice.ErrUnsigned},
		{"no archive", []byte(strings.Repeat("no archive ", 100)), bad},
		{"gzip cut", gzipped(file)[:40], bad},
		{"gzip header only", []byte{0x1f, 0x8b}, bad},
		{"tar cut", file[:700], bad},
		{"no claims", makeTar(t, bin), lattice.ErrUnsigned},
		{"empty claims", makeTar(t, entry{name: "claims.jwt"}, bin), lattice.ErrUnsigned},
		{"no binary", makeTar(t, good), bad},
		{"long claims", makeTar(t, entry{name: "claims.jwt", data: strings.Repeat("a", maxTokenBytes+1)}, bin),
			lattice.ErrTokenMalformed},
		{"no token", makeTar(t, entry{name: "claims.jwt", data: "hello"}, bin), lattice.ErrTokenMalformed},
		{"no capid", makeTar(t, claims(`{%s,"wascap":{"target_hashes":{"x86_64-linux":%q}}}`, ids, hash), bin),
			lattice.ErrTokenMalformed},
		{"no hashes", makeTar(t, claims(`{%s,"wascap":{"capid":"c"}}`, ids), bin), lattice.ErrTokenMalformed},
		{"an actor", makeTar(t, claims(`{"iss":%q,"sub":%q,%s}`, account.Public(), goldenKey(t, 'M').Public(), wascap),
			bin), lattice.ErrTokenMalformed},
		{"issuer of another kind", makeTar(t, claims(`{"iss":%q,"sub":%q,%s}`, goldenKey(t, 'C').Public(),
			service.Public(), wascap), bin), lattice.ErrTokenMalformed},
		{"expired", makeTar(t, claims(`{"exp":1,%s,%s}`, ids, wascap), bin), lattice.ErrTokenExpired},
		{"not yet", makeTar(t, claims(`{"nbf":9999999999,%s,%s}`, ids, wascap), bin), lattice.ErrTokenNotYetValid},
		{"signed by another", makeTar(t, entry{name: "claims.jwt", data: signClaims(mustSeed(t, clusterSeed),
			`{%s,%s}`, ids, wascap)}, bin), lattice.ErrTokenSignature},
		{"changed binary", makeTar(t, good, entry{name: "x86_64-linux.bin", data: "elg"}), lattice.ErrHashMismatch},
		{"unsigned binary beside", makeTar(t, good, bin, entry{name: "arm-linux.bin", data: "x"}),
			lattice.ErrHashMismatch},
		{"two binaries of a target", makeTar(t, good, bin, bin), bad},
		{"two binaries, other extension", makeTar(t, good, bin, entry{name: "x86_64-linux.exe", data: "x"}), bad},
		{"two claims", makeTar(t, good, good, bin), bad},
		{"many entries", makeTar(t, append(many, good, bin)...), bad},
		{"parent folder", makeTar(t, good, entry{name: "../x86_64-linux.bin", data: "elf"}), bad},
		{"absolute", makeTar(t, good, entry{name: "/x86_64-linux.bin", data: "elf"}), bad},
		{"subfolder", makeTar(t, good, entry{name: "a/x86_64-linux.bin", data: "elf"}), bad},
		{"backslash", makeTar(t, good, entry{name: `..\x86_64-linux.bin`, data: "elf"}), bad},
		{"symbolic link", makeTar(t, good, entry{name: "x86_64-linux.bin", kind: tar.TypeSymlink}), bad},
		{"hard link", makeTar(t, good, entry{name: "x86_64-linux.bin", kind: tar.TypeLink}), bad},
		{"device", makeTar(t, good, entry{name: "x86_64-linux.bin", kind: tar.TypeChar}), bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := OpenArchive(tt.data, goldenNow)
			if lattice.CodeOf(err) != tt.want || (a == nil) != (err != nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if a == nil {
				return
			}
			if bin, err := a.Binary("x86_64-linux"); err != nil || string(bin) != "elf" {
				t.Errorf("binary %q %v", bin, err)
			}
		})
	}
}

func sha256Upper(s string) string {
	m := wasmBinary{header: []byte(s)} // without sections, the hash of the header alone
	return m.hash()
}

func TestArchiveLimits(t *testing.T) {
	bomb := gzipped(makeTar(t, entry{name: "claims.jwt", data: "x"}, entry{name: "x86_64-linux.bin",
		data: strings.Repeat("\x00", 8<<20)}))
	padding := gzipped(append(makeTar(t, entry{name: "LICENSE", data: strings.Repeat("\x00", 8<<20)}),
		make([]byte, 1024)...))
	long := gzipped(longNames(t, 40))
	for name, data := range map[string][]byte{"binary": bomb, "other file": padding, "headers": long} {
		if len(data) > 64<<10 {
			t.Errorf("%s: %d bytes are no bomb", name, len(data))
		}
		if _, err := openArchiveLimit(data, goldenNow, 1<<20); lattice.CodeOf(err) != lattice.ErrTooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
	data := testArchive(t, true)
	total := int64(0)
	for _, b := range testBinaries {
		total += int64(len(b))
	}
	if _, err := openArchiveLimit(data, goldenNow, total+2000); err != nil {
		t.Errorf("within the limit: %v", err)
	}
	if _, err := openArchiveLimit(data, goldenNow, total); lattice.CodeOf(err) != lattice.ErrTooLarge {
		t.Errorf("above the limit: %v", err)
	}
}

// longNames makes an archive that is all headers.
func longNames(t testing.TB, n int) []byte {
	var list []entry
	for i := range n {
		list = append(list, entry{name: fmt.Sprintf("%d%s", i, strings.Repeat("a", 50_000))})
	}
	return makeTar(t, list...)
}

func TestTargetName(t *testing.T) {
	for _, tt := range [][3]string{{"amd64", "linux", "x86_64-linux"}, {"arm64", "darwin", "aarch64-macos"},
		{"arm", "linux", "arm-linux"},
		{"386", "windows", "x86-windows"}, {"riscv64", "linux", "riscv64-linux"}} {
		if got := targetName(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s, want %s", got, tt[2])
		}
	}
	if !isTarget(CurrentTarget()) {
		t.Error(CurrentTarget())
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(testArchive(f, false))
	f.Add(testArchive(f, true))
	f.Add(makeTar(f, entry{name: "x86_64-linux.bin", data: "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := openArchiveLimit(data, goldenNow, 1<<20)
		if err != nil {
			return
		}
		for _, target := range a.Targets() {
			if bin, err := a.Binary(target); err != nil || sha256Upper(string(bin)) != a.Claims.TargetHashes[target] {
				t.Errorf("verified, then %v", err)
			}
		}
	})
}
