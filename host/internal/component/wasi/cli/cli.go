// Package cli is wasi:cli: the environment of a guest, its output, and its end. Guests have no terminal.
package cli

import (
	"context"
	"io"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
)

// Family is all of wasi:cli.
var Family = face.Family{Functions: map[string]map[string]face.Func{
	"wasi:cli/environment@0.2":     cliEnvironment,
	"wasi:cli/exit@0.2":            cliExit,
	"wasi:cli/stdin@0.2":           cliStdin,
	"wasi:cli/stdout@0.2":          cliStdout,
	"wasi:cli/stderr@0.2":          cliStderr,
	"wasi:cli/terminal-stdin@0.2":  {"get-terminal-stdin": face.Constant(face.None)},
	"wasi:cli/terminal-stdout@0.2": {"get-terminal-stdout": face.Constant(face.None)},
	"wasi:cli/terminal-stderr@0.2": {"get-terminal-stderr": face.Constant(face.None)},
}}

var cliEnvironment = map[string]face.Func{
	"get-environment": {Call: func(c *face.Call, _ []any) (any, error) {
		all := make([]any, len(c.State.Environ))
		for i, e := range c.State.Environ {
			all[i] = []any{e[0], e[1]}
		}
		return all, nil
	}},
	"get-arguments": {Call: func(c *face.Call, _ []any) (any, error) {
		all := make([]any, len(c.State.Args))
		for i, a := range c.State.Args {
			all[i] = a
		}
		return all, nil
	}},
	"initial-cwd": face.Constant(face.None),
}

var cliExit = map[string]face.Func{
	"exit": {Call: func(_ *face.Call, args []any) (any, error) {
		return nil, face.ExitWith(uint8(args[0].(abi.Variant).Case))
	}},
	"exit-with-code": {Call: func(_ *face.Call, args []any) (any, error) {
		return nil, face.ExitWith(args[0].(uint8))
	}},
}

var cliStdin = map[string]face.Func{
	"get-stdin": {Call: func(c *face.Call, _ []any) (any, error) { return face.Rep(stdin(c.State)), nil }},
}

var cliStdout = map[string]face.Func{
	"get-stdout": {Call: func(c *face.Call, _ []any) (any, error) { return face.Rep(stdout(c.State)), nil }},
}

var cliStderr = map[string]face.Func{
	"get-stderr": {Call: func(c *face.Call, _ []any) (any, error) { return face.Rep(stderr(c.State)), nil }},
}

// The standard streams, of which a guest may keep handles that it got while it began.

func stdin(s *face.State) any {
	return &wasiio.Input{Standing: face.Standing{Like: stdin},
		Next: func(_ context.Context, most int, _ bool) ([]byte, error) {
			if len(s.In) == 0 {
				return nil, io.EOF
			}
			b := s.In[:min(most, len(s.In))]
			s.In = s.In[len(b):]
			return b, nil
		}}
}

func stdout(s *face.State) any {
	return &wasiio.Output{Standing: face.Standing{Like: stdout}, Sink: s.Out}
}

func stderr(s *face.State) any {
	return &wasiio.Output{Standing: face.Standing{Like: stderr}, Sink: s.Err}
}
