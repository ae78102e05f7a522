package typed

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
)

// Case is one case of a variant, an enum, an option or a result. Value is nil where the case has none.
type Case struct {
	Case  uint32
	Value any
}

// A fault is what is wrong with a value, and where it is within the whole.
type fault struct {
	path string
	text string
}

func (f *fault) Error() string {
	if f.path == "" {
		return f.text
	}
	return strings.TrimPrefix(f.path, ".") + ": " + f.text
}

func wrong(format string, args ...any) error { return &fault{text: fmt.Sprintf(format, args...)} }

// want is the fault of a value of another type.
func want(t *Type, found string) error { return wrong("want %s, found %s", brief(t), found) }

// brief is a type, or its beginning: the whole may have maxText bytes.
func brief(t fmt.Stringer) string {
	return clip.Text(t.String(), 200)
}

// in says that a fault is in a part.
func in(part string, err error) error {
	if f, ok := err.(*fault); ok { //nolint:errorlint // those of this package are never wrapped
		return &fault{part + f.path, f.text}
	}
	return err
}

func inItem(i int, err error) error { return in(fmt.Sprintf("[%d]", i), err) }

// invalid makes the error that others see.
func invalid(op string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := err.(*fault); ok { //nolint:errorlint // as above
		return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Detail: f.Error()}
	}
	return err
}

// label finds a field, a case or a flag of a type by its label, or says which one was meant.
func (t *Type) label(have string) (int, error) {
	i, ok := t.places[have]
	if ok {
		return i, nil
	}
	what, names := "case", t.names()
	switch t.Kind {
	case Record:
		what = "field"
	case Flags:
		what = "flag"
	}
	text := fmt.Sprintf("no %s is called %s", what, lattice.Printable(have))
	if near := nearest.DidYouMean(have, names); near != "" {
		text += "; " + near
	} else if len(names) <= 8 {
		text += "; there are " + strings.Join(names, ", ")
	}
	return 0, &fault{text: text}
}

// index makes places. A type may have thousands of labels, and a payload values by the million.
func (t *Type) index() {
	names := t.names()
	if len(names) == 0 {
		return
	}
	t.places = make(map[string]int, len(names))
	for i, name := range slices.Backward(names) { // of two that are the same the first one counts
		t.places[name] = i
	}
}

// names are the labels of the fields, cases or flags of a type.
func (t *Type) names() []string {
	if t.Labels != nil {
		return t.Labels
	}
	parts := t.Cases
	if t.Kind == Record {
		parts = t.Fields
	}
	all := make([]string, len(parts))
	for i, f := range parts {
		all[i] = f.Label
	}
	return all
}

// whole makes a number of a kind, when it fits.
func whole(t *Type, n uint64, negative bool) (any, bool) {
	s := int64(n)
	fits := func(bits int) bool {
		if negative {
			return s >= -1<<(bits-1)
		}
		return n < 1<<(bits-1)
	}
	switch t.Kind {
	case S8:
		return int8(s), fits(8)
	case S16:
		return int16(s), fits(16)
	case S32:
		return int32(s), fits(32)
	case S64:
		return s, negative || n <= math.MaxInt64
	case U8:
		return uint8(n), !negative && n <= math.MaxUint8
	case U16:
		return uint16(n), !negative && n <= math.MaxUint16
	case U32:
		return uint32(n), !negative && n <= math.MaxUint32
	}
	return n, !negative
}

func isWhole(k Kind) bool { return len(k) <= 3 && (k[0] == 's' || k[0] == 'u') && k != String }

// wraps reports whether the value of an option is written as {"some": value}.
func wraps(t *Type) bool { return t.Cases[1].Type.Kind == Option }

// float rounds what a float holds: there is one NaN.
func float(t *Type, f float64) any {
	if t.Kind == F32 {
		if f != f {
			return math.Float32frombits(0x7fc00000)
		}
		return float32(f)
	}
	if f != f {
		return math.Float64frombits(0x7ff8000000000000)
	}
	return f
}

// missing are fields that were not there: an option is none then.
func missing(t *Type, all []any, seen []bool) error {
	for i, f := range t.Fields {
		switch {
		case seen[i]:
		case f.Type.Kind == Option:
			all[i] = Case{}
		default:
			return wrong("the field %s: %s is missing", f.Label, brief(f.Type))
		}
	}
	return nil
}
