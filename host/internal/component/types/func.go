package types

// Signature is the type of a core function.
type Signature struct{ Params, Results []Core }

// Lifted is the type of the core function that a function is made of. Values that do not fit are passed by a pointer.
func (f *Func) Lifted() Signature {
	s := Signature{Params: f.params()}
	if f.Result != nil {
		if s.Results = f.Result.Flat; !f.Result.fits || len(f.Result.Flat) > 1 {
			s.Results = []Core{I32}
		}
	}
	return s
}

// Lowered is the type of the core function that a function becomes. A result that does not fit goes to where the last
// parameter says.
func (f *Func) Lowered() Signature {
	s := Signature{Params: f.params()}
	if f.Result != nil {
		if f.SpillsResult() {
			s.Params = append(s.Params[:len(s.Params):len(s.Params)], I32)
		} else {
			s.Results = f.Result.Flat
		}
	}
	return s
}

// SpillsParams reports whether the parameters go through memory, as one tuple.
func (f *Func) SpillsParams() bool {
	n := 0
	for _, p := range f.Params {
		if n += len(p.Type.Flat); !p.Type.fits || n > MaxFlat {
			return true
		}
	}
	return false
}

// SpillsResult reports whether the result goes through memory.
func (f *Func) SpillsResult() bool {
	return f.Result != nil && (!f.Result.fits || len(f.Result.Flat) > 1)
}

func (f *Func) params() []Core {
	if f.SpillsParams() {
		return []Core{I32}
	}
	var flat []Core
	for _, p := range f.Params {
		flat = append(flat, p.Type.Flat...)
	}
	return flat
}
