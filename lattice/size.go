package lattice

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes as people read it: "64 MiB".
func Size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") + " " + units[i]
}

// ParseSize reads a number of bytes: "67108864", "64MiB", "64M", "64 mb" (all powers of 1024). Anything else is
// ErrInvalid.
func ParseSize(s string) (uint64, error) {
	text := strings.ToLower(strings.ReplaceAll(s, " ", ""))
	unit := strings.TrimLeft(text, "0123456789")
	factors := map[string]uint64{"": 1, "b": 1, "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mb": 1 << 20,
		"mib": 1 << 20, "g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30,
		"t": 1 << 40, "tb": 1 << 40, "tib": 1 << 40}
	n, err := strconv.ParseUint(strings.TrimSuffix(text, unit), 10, 50)
	factor, ok := factors[unit]
	if err != nil || !ok || n > 1<<50/factor {
		return 0, &Error{Code: ErrInvalid, Op: "parse size", Entity: Printable(s), Detail: fmt.Sprintf("want something like %s", "64MiB")}
	}
	return n * factor, nil
}
