package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// CallRequest is an operation to ask of an actor by hand.
type CallRequest struct {
	Actor     string // id or name
	Operation string
	Payload   []byte          // msgpack; of a function that is called by its type: Arguments
	Arguments []string        // JSON, one for each parameter; of a command as they are
	Stdin     []byte          // of a command; of all else nil
	Cluster   signing.KeyPair // a key that the hosts trust
	Origin    wire.Entity     // in whose name; the zero value is the actor itself, which every host knows
}

// Answer is what an actor answered.
type Answer struct {
	Payload []byte
	Type    *typed.Func    // of a function that was called by its type, else nil
	Outcome *typed.Outcome // of a command, else nil
	result  any
}

// JSON is the result of a function that was called by its type, null where it has none. Bytes are text when they are
// that and base64 is not asked for.
func (a *Answer) JSON(base64 bool) json.RawMessage {
	if a.Type.Result == nil {
		return json.RawMessage("null")
	}
	return typed.ToJSON(a.Type.Result, a.result, base64)
}

// Call asks an actor for an operation and returns its answer. Where the operation is a function of a component, as
// acme:edge/filter#apply, its type says what the arguments mean. The deadline of ctx bounds it, or else
// rpc.DefaultTimeout. For the errors see rpc.Client.Call.
func (l *Lattice) Call(ctx context.Context, r CallRequest) (*Answer, error) {
	id, err := lattice.ParseActorID(r.Actor)
	answer := &Answer{}
	if err != nil || r.mayBeTyped() { // ask who that is, and of what types
		v, err := l.View(ctx)
		if err != nil {
			return nil, err
		}
		if err := v.NeedHosts(); err != nil {
			return nil, err
		}
		if id, err = v.Actor(r.Actor); err != nil {
			return nil, err
		}
		if answer.Type, err = r.typed(v, id); err != nil {
			return nil, err
		}
	}
	runs := answer.Type != nil && strings.HasPrefix(r.Operation, typed.RunInterface)
	if r.Stdin != nil && !runs {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "call", Entity: lattice.Printable(r.Operation),
			Detail: "it is no command, which alone has a standard input"}
	}
	if answer.Type == nil {
		if len(r.Arguments) > 1 {
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "call", Entity: lattice.Printable(r.Operation),
				Detail: fmt.Sprintf("%d arguments; an operation that is no function of a component takes one",
					len(r.Arguments))}
		}
		for _, text := range r.Arguments {
			if r.Payload, err = PayloadFromJSON(text); err != nil {
				return nil, err
			}
		}
	}
	if r.Origin == (wire.Entity{}) {
		r.Origin = wire.ActorEntity(id)
	}
	host, err := signing.New(signing.KindHost)
	if err != nil {
		return nil, err
	}
	client := rpc.NewClient(l.nc, rpc.ClientConfig{Lattice: l.Name(), HostID: lattice.HostID(host.Public()),
		Cluster: r.Cluster})
	answer.Payload, err = client.Call(ctx, rpc.Call{Origin: r.Origin, Target: wire.ActorEntity(id),
		Operation: r.Operation, Payload: r.Payload})
	err = rpc.Unserved(err, lattice.Printable(r.Actor)+" runs on no host; start it with: weft actor start REFERENCE")
	switch {
	case err != nil || answer.Type == nil:
	case runs:
		var out typed.Outcome
		out, err = typed.DecodeOutcome(answer.Payload)
		answer.Outcome = &out
	default:
		answer.result, err = typed.DecodeResult(answer.Type, answer.Payload, nil)
	}
	return answer, err
}

// mayBeTyped reports whether the operation may be a function of a component. Those of waPC's contracts have a service
// before a dot, and no package.
func (r *CallRequest) mayBeTyped() bool {
	return strings.ContainsAny(r.Operation, "#:/") || !strings.Contains(r.Operation, ".")
}

// typed reads the arguments by the type of the function that the operation means. It returns nil where that is none, as
// of actors that are no components.
func (r *CallRequest) typed(v *View, id lattice.ActorID) (*typed.Func, error) {
	functions := v.Surface(id).Exports
	if r.Operation == "" {
		r.Operation = typed.RunInterface + "#run"
	}
	f, err := typed.Find(functions, r.Operation)
	switch {
	case err != nil && strings.Contains(r.Operation, "#") && len(functions) == 0:
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "call", Entity: v.ActorName(id),
			Detail: "no host tells what functions it exports: it is no component, was never started, or exports none " +
				"but those that contracts call"}
	case err != nil && len(functions) > 0 && r.mayBeTyped():
		return nil, err
	case err != nil:
		return nil, nil
	}
	t, err := typed.ParseFunc(f.Type)
	if err != nil {
		return nil, err
	}
	if t.Handle != "" {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "call", Entity: f.String(),
			Detail: "it passes the resource " + t.Handle + ", which stays in its component; values can be called with"}
	}
	if r.Operation = f.Operation(); f.IsRun() {
		r.Payload = typed.Command{Args: r.Arguments, Stdin: r.Stdin}.Encode()
		return t, nil
	}
	values, err := typed.FromJSON(t, r.Arguments)
	if err == nil {
		r.Payload, err = typed.EncodeParams(t, values, nil)
	}
	return t, err
}
