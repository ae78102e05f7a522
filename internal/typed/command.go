package typed

import (
	"strings"

	"github.com/weftlattice/weft/lattice/msgpack"
)

// RunInterface is the interface by which a component is a command. A call of its only function, run, carries a Command
// and is answered by an Outcome: both are maps.
const RunInterface = "wasi:cli/run"

// IsRun reports whether a function is that of a command.
func (f Function) IsRun() bool {
	return Contract(f.Interface) == RunInterface && f.Name == "run" && f.Type == "func() -> result"
}

// MeansRun reports whether what a person asks for may be a command: nothing, run, or the interface.
func MeansRun(operation string) bool {
	return operation == "" || operation == "run" || strings.HasPrefix(operation, RunInterface)
}

// Command is what a command is run with. The zero value has no arguments and no input.
type Command struct {
	Args  []string // without the program's name
	Stdin []byte
}

// Outcome is what a command has written, and its exit code.
type Outcome struct {
	Stdout, Stderr []byte
	Code           uint8
}

var (
	commandFields = []string{"args", "stdin"}
	outcomeFields = []string{"stdout", "stderr", "code"}
)

// Encode writes the payload of a call.
func (c Command) Encode() []byte {
	w := msgpack.NewWriter(64 + len(c.Stdin))
	w.Map(2)
	w.Str(commandFields[0])
	w.Strs(c.Args)
	w.Str(commandFields[1])
	w.Bin(c.Stdin)
	return w.Bytes()
}

// DecodeCommand reads the payload of a call. Stdin is a part of it. An empty payload, or an empty list, is the zero
// value.
func DecodeCommand(payload []byte) (c Command, err error) {
	if len(payload) == 0 {
		return c, nil
	}
	r := msgpack.NewReader(payload)
	r.Struct(commandFields, func(i int) {
		if i == 0 {
			c.Args = r.Strs()
			return
		}
		c.Stdin = r.Bin()
	})
	return c, r.Finish()
}

// Encode writes the payload of an answer.
func (o Outcome) Encode() []byte {
	w := msgpack.NewWriter(64 + len(o.Stdout) + len(o.Stderr))
	w.Map(3)
	w.Str(outcomeFields[0])
	w.Bin(o.Stdout)
	w.Str(outcomeFields[1])
	w.Bin(o.Stderr)
	w.Str(outcomeFields[2])
	w.Uint(uint64(o.Code))
	return w.Bytes()
}

// DecodeOutcome reads the payload of an answer, of which the bytes are parts.
func DecodeOutcome(payload []byte) (o Outcome, err error) {
	r := msgpack.NewReader(payload)
	r.Struct(outcomeFields, func(i int) {
		switch i {
		case 0:
			o.Stdout = r.Bin()
		case 1:
			o.Stderr = r.Bin()
		case 2:
			if n := r.Uint(); n > 255 {
				r.Fail("an exit code above 255")
			} else {
				o.Code = uint8(n)
			}
		}
	})
	return o, r.Finish()
}
