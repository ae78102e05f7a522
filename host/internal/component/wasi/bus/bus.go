// Package bus is wasmcloud:bus, by which components of wasmCloud 1.x choose among links.
package bus

import (
	_ "embed"
	"fmt"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/lattice"
)

//go:embed types.txt
var types string

// Family is wasmcloud:bus/lattice. What aims at one component past all links is not there.
var Family = face.Family{Types: types, Functions: map[string]map[string]face.Func{
	"wasmcloud:bus/lattice@1": {
		constructor: newTarget,
		"set-link-name": {Call: func(c *face.Call, args []any) (any, error) {
			if err := setLinkName(c, args); err != nil {
				return nil, abi.Trap("set-link-name: %s", err)
			}
			return nil, nil
		}},
		"set-link-name-checked": checked,
	},
	"wasmcloud:bus/lattice@2": {constructor: newTarget, "set-link-name": checked},
}}

const constructor = "[constructor]call-target-interface"

// target is the resource call-target-interface.
type target struct{ face string }

// maxName bounds each part of an interface's name in bytes.
const maxName = 1 << 10

var newTarget = face.Func{Call: func(_ *face.Call, args []any) (any, error) {
	for _, a := range args {
		if n := len(a.(string)); n > maxName {
			return nil, abi.Trap("a name of %d bytes in call-target-interface, %d allowed", n, maxName)
		}
	}
	return face.Rep(&target{fmt.Sprintf("%s:%s/%s", args...)}), nil
}}

var checked = face.Func{Call: func(c *face.Call, args []any) (any, error) {
	if err := setLinkName(c, args); err != nil {
		return face.Bad(err.Error()), nil
	}
	return face.Good(nil), nil
}}

func setLinkName(c *face.Call, args []any) error {
	name, err := lattice.ParseLinkName(args[0].(string))
	if err != nil {
		return err
	}
	for _, t := range args[1].([]any) {
		if !c.State.SetLink(face.Object[*target](t).face, name) {
			return fmt.Errorf("link names are chosen for %d interfaces already", face.MaxLinks)
		}
	}
	return nil
}
