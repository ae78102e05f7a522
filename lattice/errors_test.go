package lattice

import (
	"errors"
	"testing"
)

// An error that has crossed the wire says what it is once, wherever in its text the other side has put that.
func TestErrorFromTheOtherSideSaysItOnce(t *testing.T) {
	inner := &Error{Code: ErrTrap, Op: "call Op", Detail: "out of biscuits"}
	for _, r := range []struct{ text, want string }{
		{inner.Error(), "call Op of M1: call Op: guest trapped: out of biscuits"},
		{"guest trapped: out of biscuits", "call Op of M1: guest trapped: out of biscuits"},
		{"out of biscuits", "call Op of M1: guest trapped: out of biscuits"},
	} {
		e := FromWire(ErrTrap.Name(), r.text)
		e.Op, e.Entity = "call Op of", "M1"
		if e.Error() != r.want || !errors.Is(e, ErrTrap) {
			t.Errorf("%q became %q, want %q", r.text, e, r.want)
		}
	}
}

// What a part passes on as the cause of its own error is said once, too; an error of another kind is said beside it.
func TestErrorWithACauseOfTheSameCodeSaysItOnce(t *testing.T) {
	cause := &Error{Code: ErrNotFound, Op: "find function", Entity: "aply", Detail: "did you mean apply?"}
	for _, c := range []struct {
		code Code
		want string
	}{
		{ErrNotFound, "call aply: find function aply: not found: did you mean apply?"},
		{ErrInvalid, "call aply: invalid: find function aply: not found: did you mean apply?"},
	} {
		e := &Error{Code: c.code, Op: "call", Entity: "aply", Err: cause}
		if e.Error() != c.want || !errors.Is(e, c.code) || !errors.Is(e, ErrNotFound) {
			t.Errorf("%q, want %q", e, c.want)
		}
	}
}
