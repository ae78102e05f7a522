package wasm

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/component/plan"
	"github.com/weftlattice/weft/host/internal/component/wit"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
)

// typedFunctions are the functions of a component that cross the lattice with the component model's types.
type typedFunctions struct {
	exports   map[string]*typedExport // by operation
	functions []typed.Function        // the same
	imports   map[*plan.Import]*typedImport
}

// typedExport is a function that others call.
type typedExport struct {
	name    string // for people
	typ     *typed.Func
	code    *plan.Func
	command bool // it is wasi:cli/run
}

// typedImport is a function that another actor serves, which a link says.
type typedImport struct {
	name      string // for people
	contract  lattice.ContractID
	operation string
	typ       *typed.Func
}

// export takes a function that no contract of the host calls.
func (t *typedFunctions) export(in string, it plan.Item, info *Info) {
	if it.Func == nil || it.Func.Lift == nil {
		return
	}
	f := typed.Function{Interface: in, Name: it.Name.Text, Type: wit.Shape(it.Func.Type)}
	typ, err := typed.ParseFunc(f.Type)
	if err != nil {
		return // its type is larger than what anybody could be told
	}
	info.Surface.Exports = append(info.Surface.Exports, f)
	if typ.Handle != "" {
		return
	}
	if t.exports == nil {
		t.exports = map[string]*typedExport{}
	}
	t.exports[f.Operation()] = &typedExport{f.String(), typ, it.Func, f.IsRun()}
	t.functions = append(t.functions, f)
}

// importOther takes a function that the host does not have. It reports false when no other actor can serve it, and why
// where that is not plain.
func (t *typedFunctions) importOther(f *plan.Import, info *Info) (why string, ok bool) {
	if f.Interface == "" || strings.HasPrefix(f.Interface, "wasi:") {
		return "", false
	}
	other := typed.Function{Interface: f.Interface, Name: f.Name, Type: wit.Shape(f.Type)}
	typ, err := typed.ParseFunc(other.Type)
	if err != nil {
		return " (" + err.Error() + ")", false
	}
	if typ.Handle != "" {
		return fmt.Sprintf(" (it passes the resource %s, which another actor cannot serve: only values cross the "+
			"lattice)", typ.Handle), false
	}
	info.Surface.Imports = append(info.Surface.Imports, other)
	if t.imports == nil {
		t.imports = map[*plan.Import]*typedImport{}
	}
	t.imports[f] = &typedImport{other.String(), typed.Contract(f.Interface), other.Operation(), typ}
	return "", true
}

// find returns the function that an operation means. Another version of the same track is the same.
func (t *typedFunctions) find(operation string) (*typedExport, error) {
	if f := t.exports[operation]; f != nil {
		return f, nil
	}
	f, err := typed.Find(t.functions, operation)
	if err != nil {
		return nil, err
	}
	return t.exports[f.Operation()], nil
}

// runCommand runs wasi:cli/run. An instance runs once: a program expects to begin anew. Without an answer the log gets
// what the program has written, and an error the end of its stderr.
func (i *Instance) runCommand(ctx context.Context, op string, f *typedExport) ([]byte, error) {
	c, err := typed.DecodeCommand(i.exchange.payload)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.CodeOf(err), Op: op, Err: err}
	}
	room := &grant{instance: i}
	defer room.end()
	var out typed.Outcome
	written := 0
	var lost error // why some of the output is, whatever the guest makes of that
	collect := func(to *[]byte) face.Sink {
		return func(_ context.Context, b []byte) error {
			switch written += len(b); {
			case lost != nil:
			case written > i.template.limits.ResponseBytes:
				lost = &lattice.Error{Code: lattice.ErrTooLarge, Op: op,
					Detail: fmt.Sprintf("more than %d bytes of output", i.template.limits.ResponseBytes)}
			default:
				lost = room.more(int64(len(b)))
			}
			if lost == nil {
				*to = append(*to, b...)
			}
			return lost
		}
	}
	i.exchange.stdout, i.exchange.stderr = collect(&out.Stdout), collect(&out.Stderr)
	i.parts.state.Args, i.parts.state.In = append([]string{argument}, c.Args...), c.Stdin
	err = i.runComponent(ctx, op, func(ctx context.Context) error {
		answered := false
		defer func() { // a guest may end in a panic
			if !answered {
				i.stdout.end(out.Stdout)
				i.stderr.end(out.Stderr)
			}
		}()
		i.payText(len(i.exchange.payload))
		result, err := i.call(ctx, f.code, nil, nil)
		if exit := i.ended(); exit != nil {
			out.Code, err = exit.Code, nil
		} else if v, ok := result.(typed.Case); ok {
			out.Code = uint8(v.Case)
		}
		if err != nil {
			return err
		}
		i.turn.Give()
		err = i.template.host.Reserve(ctx, written)
		answered = err == nil
		return err
	})
	i.broken.Store(true)
	if err = cmp.Or(lost, err); err != nil {
		return nil, err
	}
	return out.Encode(), nil
}

// callTyped calls an exported function with the values of the payload.
func (i *Instance) callTyped(ctx context.Context, op string, f *typedExport) ([]byte, error) {
	room := &grant{instance: i}
	defer room.end()
	// its errors are the caller's: nothing has begun
	args, err := typed.DecodeParams(f.typ, i.exchange.payload, room.take)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.CodeOf(err), Op: op, Err: err}
	}
	var response []byte
	err = i.runComponent(ctx, op, func(ctx context.Context) error {
		i.payText(len(i.exchange.payload))
		result, err := i.call(ctx, f.code, args, room)
		if err != nil {
			return err
		}
		if response, err = typed.EncodeResult(f.typ, result, room.more); err != nil {
			return err
		}
		if have, most := len(response), i.template.limits.ResponseBytes; have > most {
			return &lattice.Error{Code: lattice.ErrTooLarge,
				Detail: fmt.Sprintf("response of %d bytes, %d allowed", have, most)}
		}
		i.turn.Give() // there may be no room yet
		return i.template.host.Reserve(ctx, len(response))
	})
	return response, err
}

// callOther calls a function of another actor. What goes wrong there ends the guest's call: the function's type has no
// place for it.
func (i *Instance) callOther(ctx context.Context, imported *plan.Import, values []any, room *grant) (any, error) {
	f := i.template.module.component.typed.imports[imported]
	payload, err := typed.EncodeParams(f.typ, values, room.more)
	if err != nil {
		return nil, err
	}
	answer, err := i.ask(ctx, i.parts.state.Link(string(f.contract)), f.contract, f.operation, payload)
	if to := i.parts.state.Expected(string(f.contract)); to != "" && lattice.CodeOf(err) == lattice.ErrUnlinked {
		// The link was there when the guest chose it, in this very call.
		answer, err = i.ask(ctx, lattice.DefaultLink, lattice.ContractID(to), f.operation, payload)
	}
	var result any
	if err == nil {
		result, err = typed.DecodeResult(f.typ, answer, room.more)
	}
	if err != nil { // whatever it is, this call has begun
		return nil, &lattice.Error{Code: lattice.ErrTrap, Detail: f.name + ": " + err.Error()}
	}
	return result, nil
}
