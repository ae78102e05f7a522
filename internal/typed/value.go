package typed

import (
	"fmt"
	"math"
	"slices"
	"strings"

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
func want(t *Type, found string) error {
	const most = 200
	text := t.String()
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return wrong("want %s, found %s", text, found)
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

// label finds a label, or says which one was meant.
func label(what string, labels []string, have string) (int, error) {
	if i := slices.Index(labels, have); i >= 0 {
		return i, nil
	}
	text := fmt.Sprintf("no %s is called %s", what, lattice.Printable(have))
	if near := nearest.DidYouMean(have, labels); near != "" {
		text += "; " + near
	} else if len(labels) <= 8 {
		text += "; there are " + strings.Join(labels, ", ")
	}
	return 0, &fault{text: text}
}

func labels(fields []Field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
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
			return wrong("the field %s: %s is missing", f.Label, f.Type)
		}
	}
	return nil
}
