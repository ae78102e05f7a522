package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/lattice"
)

// argument is the first argument of all guests.
const argument = "actor"

// command runs a WASI command from beginning to end: argv[1] is the operation, stdin the payload, stdout the response.
// An exit code other than 0 is lattice.ErrGuest with what was written to stderr.
func (i *Instance) command(ctx context.Context, op string) ([]byte, error) {
	if strings.ContainsRune(i.exchange.operation, 0) {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "call",
			Entity: lattice.Printable(i.exchange.operation),
			Detail: "an operation with a null byte cannot be an argument of a WASI command"}
	}
	out := &response{limit: i.template.limits.ResponseBytes}
	i.args, i.stdin, i.response = list{argument, i.exchange.operation}, i.exchange.payload, out
	defer func() { i.args, i.stdin, i.response = nil, nil, nil }()
	if err := i.open(ctx); err != nil {
		return nil, err
	}
	defer i.shut(context.WithoutCancel(ctx))
	var code uint32
	err := i.run(ctx, op, func(ctx context.Context) error {
		for _, name := range []string{instrument.StartFunc, start} {
			f := i.guest.ExportedFunction(name)
			if f == nil {
				continue
			}
			i.running = stackOf(f)
			_, err := f.Call(ctx)
			var exit *sys.ExitError
			// A guest that was refused memory exits by its own code as a rule. Then the limit is what people are to
			// hear of.
			if errors.As(err, &exit) && (exit.ExitCode() == 0 || !i.account.refused) {
				code = exit.ExitCode()
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case out.over:
		i.broken.Store(true)
		return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: op,
			Detail: fmt.Sprintf("more than %d bytes of response", out.limit)}
	case err != nil:
		return nil, err
	case code != 0:
		return nil, &lattice.Error{Code: lattice.ErrGuest, Op: op, Detail: join(fmt.Sprintf("exit code %d", code),
			i.said())}
	}
	return out.b.Bytes(), nil
}

// response collects stdout up to a limit.
type response struct {
	b     bytes.Buffer
	limit int
	over  bool
}

// add appends to it, or fails.
func (r *response) add(p []byte) (int, errno) {
	if r.b.Len()+len(p) > r.limit {
		r.over = true
		return 0, ioError
	}
	n, _ := r.b.Write(p) // it has no errors
	return n, success
}
