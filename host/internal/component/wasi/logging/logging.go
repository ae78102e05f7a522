// Package logging is wasi:logging: the actor's log, by the contract wasmcloud:builtin:logging.
package logging

import (
	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/logging"
)

// Family is wasi:logging.
var Family = face.Family{Functions: map[string]map[string]face.Func{
	"wasi:logging/logging":             functions,
	"wasi:logging/logging@0.1.0-draft": functions,
}, Contracts: map[string]lattice.ContractID{"wasi:logging/logging": logging.ID,
	"wasi:logging/logging@0.1.0-draft": logging.ID}}

// maxText bounds a line in bytes before the log cuts it itself.
const maxText = 16 << 10

var levels = []string{logging.Trace, logging.Debug, logging.Info, logging.Warn, logging.Error, logging.Critical}

var functions = map[string]face.Func{"log": {Cost: face.Medium, Call: func(c *face.Call, args []any) (any, error) {
	level, context, message := levels[args[0].(abi.Variant).Case], clip.Text(args[1].(string), maxText),
		clip.Text(args[2].(string), maxText)
	if context != "" {
		message = context + ": " + message
	}
	_, err := c.State.Ask(c.Context, lattice.DefaultLink, logging.ID, logging.WriteLog,
		logging.Entry{Level: level, Text: message}.Encode())
	if err != nil {
		c.State.WarnOnce(c.Context, "a line of wasi:logging is lost: "+err.Error())
	}
	return nil, nil
}}}
