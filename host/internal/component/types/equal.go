package types

import "slices"

// Equal reports whether values of one type are values of the other, and look the same.
func Equal(a, b *Type) bool { return comparison{}.types(a, b) }

// EqualFunc reports whether functions have the same parameters, by name and type, and the same result.
func EqualFunc(a, b *Func) bool {
	c := comparison{}
	return slices.EqualFunc(a.Params, b.Params, c.fields) && c.types(a.Result, b.Result)
}

// comparison remembers pairs that are the same, or are being compared: a type that has another one twice, which has
// another one twice, has as many parts as a file can count, but few pairs.
type comparison map[[2]*Type]struct{}

func (c comparison) types(a, b *Type) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.Kind != b.Kind || a.Size != b.Size || a.Len != b.Len || a.shown != b.shown ||
		!slices.Equal(a.Labels, b.Labels) {
		return false
	}
	pair := [2]*Type{a, b}
	if _, seen := c[pair]; seen {
		return true
	}
	c[pair] = struct{}{}
	return c.types(a.Element, b.Element) && slices.EqualFunc(a.Fields, b.Fields, c.fields) &&
		slices.EqualFunc(a.Cases, b.Cases, c.cases)
}

func (c comparison) fields(a, b Field) bool { return a.Label == b.Label && c.types(a.Type, b.Type) }
func (c comparison) cases(a, b Case) bool   { return a.Label == b.Label && c.types(a.Type, b.Type) }
