package linkvalue

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Values are the settings of a link. Their names do not distinguish case. They may hold secrets: never log them.
type Values map[string]string

// String tells the names only, since values may be secrets.
func (v Values) String() string {
	return "linkvalue.Values{" + strings.Join(slices.Sorted(maps.Keys(v)), ", ") + "}"
}

// GoString is String.
func (v Values) GoString() string { return v.String() }

// Lookup returns a value and whether it is set. Among names that differ only in case, the exact one wins, then the
// first in order.
func (v Values) Lookup(name string) (string, bool) {
	if s, ok := v[name]; ok {
		return s, true
	}
	found, value := "", ""
	for k, s := range v {
		if strings.EqualFold(k, name) && (found == "" || k < found) {
			found, value = k, s
		}
	}
	return value, found != ""
}

// Text returns a value, or the default when it is not set or empty.
func (v Values) Text(name, def string) string {
	if s, _ := v.Lookup(name); s != "" {
		return s
	}
	return def
}

// Int returns a whole number, or the default when it is not set or empty. Anything else is lattice.ErrInvalid.
func (v Values) Int(name string, def int) (int, error) {
	s, _ := v.Lookup(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, badValue(name, s, "want a whole number")
	}
	return n, nil
}

// Bool returns a truth value ("true", "false", "1", "0"), or the default when it is not set or empty.
func (v Values) Bool(name string, def bool) (bool, error) {
	s, _ := v.Lookup(name)
	if s == "" {
		return def, nil
	}
	b, err := strconv.ParseBool(strings.TrimSpace(s))
	if err != nil {
		return false, badValue(name, s, "want true or false")
	}
	return b, nil
}

// Duration returns a span of time ("300ms", "2m"), or the default when it is not set or empty. Negative ones are
// lattice.ErrInvalid too.
func (v Values) Duration(name string, def time.Duration) (time.Duration, error) {
	s, _ := v.Lookup(name)
	if s == "" {
		return def, nil
	}
	d, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil || d < 0 {
		return 0, badValue(name, s, `want a duration as "300ms" or "2m"`)
	}
	return d, nil
}

// Unknown returns the names that are not among the given ones, sorted.
func (v Values) Unknown(names ...string) []string {
	var odd []string
	for k := range v {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, k) }) {
			odd = append(odd, k)
		}
	}
	slices.Sort(odd)
	return odd
}

func badValue(name, value, want string) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value", Entity: name,
		Detail: fmt.Sprintf("%q; %s", lattice.Printable(value), want)}
}
