package failures

import (
	"context"
	"errors"
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

const (
	actor    = "MDILREYUL3Q74TNTSWCBTEIBCACYERRYVFAGLALLGLY2CEBH5JAY3VT3"
	provider = "VDILREYUL3Q74TNTSWCBTEIBCACYERRYVFAGLALLGLY2CEBH5JAY3VT3"
)

// What failed is told once: code, operation and keys have fields of their own, and are not in the message again.
func TestWhatFailedIsToldOnce(t *testing.T) {
	handle := "HttpServer.HandleRequest"
	for _, c := range []struct {
		err  error
		of   wire.Failure
		want string
	}{
		{&lattice.Error{Code: lattice.ErrTimeout, Op: "call " + handle + " of", Entity: actor},
			wire.Failure{Operation: handle}, "request timeout"},
		{&lattice.Error{Code: lattice.ErrTimeout, Op: "call " + handle, Detail: "stopped at the caller's deadline"},
			wire.Failure{Operation: handle}, "stopped at the caller's deadline"},
		{lattice.FromWire("guest", "call "+handle+": "+handle+": guest trapped: panic: on purpose"),
			wire.Failure{Operation: handle}, "guest trapped: panic: on purpose"},
		{errors.Join(&lattice.Error{Code: lattice.ErrBusy, Op: "acquire instance",
			Detail: "no instance became free in time: the call waited for 940ms", Err: context.DeadlineExceeded}),
			wire.Failure{Operation: handle}, "no instance became free in time: the call waited for 940ms"},
		{&lattice.Error{Code: lattice.ErrUnavailable, Op: "call KeyValue.Get of", Entity: provider,
			Detail: "redis is away"}, wire.Failure{Operation: "KeyValue.Get", Target: provider}, "redis is away"},
		{&lattice.Error{Code: lattice.ErrUnlinked, Detail: "for wasmcloud:keyvalue on default"},
			wire.Failure{Operation: "KeyValue.Get", Target: "none"}, "for wasmcloud:keyvalue on default"},
		{lattice.ErrTrap, wire.Failure{}, "guest trapped"},
		{errors.New("call them all: busy: yes"), wire.Failure{Operation: "Other"}, "call them all: busy: yes"},
	} {
		s := New("")
		f := wire.NewFailure(c.err)
		f.ActorID, f.Operation, f.Target = actor, c.of.Operation, c.of.Target
		s.Add(actor, f)
		if got, _ := s.Find(control.FailuresRequest{}); len(got) != 1 || got[0].Message != c.want {
			t.Errorf("%v\n got %+v\nwant %q", c.err, got, c.want)
		}
	}
}

// A call that waited for an instance until its caller gave up is "busy", and remembered: nobody tries it elsewhere. One
// that was turned away while its caller waits is not: the caller tells how that ends.
func TestACallThatOnlyWaitedIsBusy(t *testing.T) {
	inv := &wire.Invocation{Target: wire.ActorEntity(actor), Operation: "Test.Slow"}
	busy := &lattice.Error{Code: lattice.ErrBusy, Op: "acquire instance", Detail: "no instance became free in time"}
	s := New("")
	s.Served(t.Context(), inv, busy, true)
	if got, _ := s.Find(control.FailuresRequest{}); len(got) != 0 {
		t.Errorf("its caller tries elsewhere: %+v", got)
	}
	gone, end := context.WithTimeout(trace.With(t.Context(), trace.New()), 0)
	defer end()
	<-gone.Done()
	s.Served(gone, inv, busy, true)
	got, _ := s.Find(control.FailuresRequest{})
	if len(got) != 1 || got[0].Code != "busy" || got[0].Message != "no instance became free in time" {
		t.Errorf("its caller has given up: %+v", got)
	}
}
