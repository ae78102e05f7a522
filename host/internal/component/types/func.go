package types

// Signature is the type of a core function.
type Signature struct{ Params, Results []Core }

// Func is the type of a function. It is made by NewFunc.
type Func struct {
	Params []Field
	Result *Type // nil: none

	// Tuple is how the parameters lie in memory, when they are too many to be passed as core values; nil: they are not.
	Tuple *Type

	lifted, lowered Signature
}

// NewFunc returns the type of a function; result nil is none.
func NewFunc(params []Field, result *Type) (*Func, error) {
	f := &Func{Params: params, Result: result}
	var flat []Core
	for _, p := range params {
		if !p.Type.fits || len(flat)+len(p.Type.Flat) > MaxFlat {
			t, err := NewRecord(append([]Field(nil), params...))
			if err != nil {
				return nil, err
			}
			f.Tuple, flat = t, []Core{I32}
			break
		}
		flat = append(flat, p.Type.Flat...)
	}
	f.lifted.Params, f.lowered.Params = flat, flat
	switch {
	case f.SpillsResult():
		f.lifted.Results = []Core{I32}
		f.lowered.Params = append(flat[:len(flat):len(flat)], I32)
	case result != nil:
		f.lifted.Results, f.lowered.Results = result.Flat, result.Flat
	}
	return f, nil
}

// Lifted is the type of the core function that the function is made of. Values that do not fit are passed by a pointer.
func (f *Func) Lifted() Signature { return f.lifted }

// Lowered is the type of the core function that the function becomes. A result that does not fit goes to where the last
// parameter says.
func (f *Func) Lowered() Signature { return f.lowered }

// SpillsParams reports whether the parameters go through memory, as Tuple.
func (f *Func) SpillsParams() bool { return f.Tuple != nil }

// SpillsResult reports whether the result goes through memory.
func (f *Func) SpillsResult() bool {
	return f.Result != nil && (!f.Result.fits || len(f.Result.Flat) > 1)
}
