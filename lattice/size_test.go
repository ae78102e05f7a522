package lattice_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "100": 100, "64MiB": 64 << 20, "64 mb": 64 << 20, "1g": 1 << 30,
		"3KB":  3 << 10,
		" 1T ": 1 << 40, "7 b": 7, "007K": 7 << 10, "1024TiB": 1 << 50,
		"1125899906842624": 1 << 50} {
		if got, err := lattice.ParseSize(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5M", "64XB", "9999999999999999", "17179869185GiB",
		"18014398509481985KiB", "-17592186044415M",
		"+1M", "1 0 M", "1M 1", "1 M iB", "0x10", "1e6", "1_000", "1,5M", "1025TiB", "1125899906842625", "64\u00a0MiB",
		"\u0661M"} {
		if got, err := lattice.ParseSize(text); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 64 << 20: "64 MiB",
		5 << 40: "5 TiB"} {
		if got := lattice.Size(n); got != want {
			t.Errorf("%d: got %s", n, got)
		}
	}
}

// FuzzParseSize compares with numbers that have no limit: a size is never taken as a smaller one.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"64MiB", "17179869185GiB", "-17592186044415M", " 1 t", "1.5M", "18446744073709551616",
		"1 0k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := lattice.ParseSize(s)
		if err != nil {
			if n != 0 || lattice.CodeOf(err) != lattice.ErrInvalid {
				t.Fatalf("%q: %d, %v", s, n, err)
			}
			return
		}
		text := strings.ToLower(strings.TrimSpace(s))
		unit := strings.TrimLeft(text, "0123456789")
		want, ok := new(big.Int).SetString(strings.TrimSuffix(text, unit), 10)
		unit = strings.TrimSpace(unit)
		if unit != "" {
			want.Lsh(want, uint(10*strings.Index("bkmgt", unit[:1])))
		}
		if !ok || want.Cmp(new(big.Int).SetUint64(n)) != 0 || n > 1<<50 || len(unit) > 3 {
			t.Fatalf("%q is taken as %d, want %v", s, n, want)
		}
	})
}
