package lattice_test

import (
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "100": 100, "64MiB": 64 << 20, "64 mb": 64 << 20, "1g": 1 << 30, "3KB": 3 << 10} {
		if got, err := lattice.ParseSize(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5M", "64XB", "9999999999999999", "17179869185GiB"} {
		if got, err := lattice.ParseSize(text); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%s: got %d, %v", text, got, err)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 64 << 20: "64 MiB", 5 << 40: "5 TiB"} {
		if got := lattice.Size(n); got != want {
			t.Errorf("%d: got %s", n, got)
		}
	}
}
