// Package bus is wasmcloud:bus, by which components of wasmCloud 1.x choose among links.
package bus

import (
	"fmt"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/ownlinks"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Family is wasmcloud:bus/lattice. What aims at one component past all links is not there.
var Family = face.Family{Functions: map[string]map[string]face.Func{
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

// LikeFor is the target for an instance that is restored: it is the same for all.
func (t *target) LikeFor(*face.State) any { return t }

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

// checked chooses only a link that there is.
var checked = face.Func{Cost: face.Medium, Call: func(c *face.Call, args []any) (any, error) {
	targets, err := checkLinks(c, args)
	if err == nil {
		err = setLinkName(c, args)
	}
	if err != nil {
		return face.Bad(face.Told(err)), nil
	}
	for name, target := range targets {
		c.State.Expect(name, target)
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

// checkLinks finds whom the links lead to, by interface.
func checkLinks(c *face.Call, args []any) (map[string]string, error) {
	name, err := lattice.ParseLinkName(args[0].(string))
	if err != nil {
		return nil, err
	}
	targets := map[string]string{}
	for _, t := range args[1].([]any) {
		asked := face.Object[*target](t).face
		contract := c.State.Contract(asked)
		out, err := c.State.Ask(c.Context, lattice.DefaultLink, ownlinks.ID, ownlinks.Check,
			ownlinks.CheckRequest{Contract: contract, Link: name}.Encode())
		if err != nil {
			return nil, err
		}
		if targets[asked], err = msgpack.DecodeStr(out); err != nil {
			return nil, err
		}
		if targets[asked] == "" {
			return nil, fmt.Errorf("no link for %s, link name %s; make one with: weft link put ACTOR TARGET "+
				"--link-name %s",
				contract, name, name)
		}
	}
	return targets, nil
}
