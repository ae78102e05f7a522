package lattice

import (
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

// mostBytes is the largest number of bytes that ParseSize takes: 1024 TiB.
const mostBytes = 1 << 50

// sizeUnits are the units that ParseSize knows, in lower case, each with the power of two that it stands for.
var sizeUnits = map[string]int{"": 0, "b": 0, "k": 10, "kb": 10, "kib": 10, "m": 20, "mb": 20, "mib": 20,
	"g": 30, "gb": 30, "gib": 30, "t": 40, "tb": 40, "tib": 40}

// ParseSize reads a number of bytes: "67108864", "64MiB", "64M", "64 mb" (all powers of 1024), at most 1024 TiB.
// Anything else, such as a fraction or a sign, is ErrInvalid. Every size that people write is read by it.
func ParseSize(s string) (uint64, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	unit := strings.TrimLeft(text, "0123456789")
	shift, ok := sizeUnits[strings.TrimLeft(unit, " ")]
	n, err := strconv.ParseUint(strings.TrimSuffix(text, unit), 10, 64)
	if err != nil || !ok || n > mostBytes>>shift {
		return 0, &Error{Code: ErrInvalid, Op: "parse size", Entity: Printable(s), Detail: "want something like 64MiB"}
	}
	return n << shift, nil
}
