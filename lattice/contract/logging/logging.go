package logging

import (
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

const (
	// ID names the contract in claims. It needs no link.
	ID lattice.ContractID = "wasmcloud:builtin:logging"
	// WriteLog is the operation of the host: Entry to nothing.
	WriteLog = "Logging.WriteLog"
)

// The levels that hosts know, least first. Hosts of old lack Trace and Critical.
const (
	Trace    = "trace"
	Debug    = "debug"
	Info     = "info"
	Warn     = "warn"
	Error    = "error"
	Critical = "critical"
)

// Entry is one line of an actor's log.
type Entry struct {
	Level string
	Text  string
}

// Encode returns the payload.
func (e Entry) Encode() []byte {
	w := msgpack.NewWriter(24 + len(e.Level) + len(e.Text))
	w.Map(2)
	w.Str("level")
	w.Str(e.Level)
	w.Str("text")
	w.Str(e.Text)
	return w.Bytes()
}

var entryFields = []string{"level", "text"}

// DecodeEntry reads an entry. Errors wrap lattice.ErrInvalid.
func DecodeEntry(b []byte) (Entry, error) {
	var e Entry
	r := msgpack.NewReader(b)
	r.Struct(entryFields, func(i int) {
		switch i {
		case 0:
			e.Level = r.Str()
		case 1:
			e.Text = r.Str()
		}
	})
	return e, r.Finish()
}
