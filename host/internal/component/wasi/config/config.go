// Package config is wasi:config: the values that the actor's links have for it, and the actor's configuration. A value
// of a link goes before.
package config

import (
	"errors"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/ownlinks"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Family is wasi:config under the names that it has had.
var Family = face.Family{Functions: map[string]map[string]face.Func{
	"wasi:config/runtime@0.2.0-draft":          functions,
	"wasi:config/store@0.2.0-draft":            functions,
	"wasi:config/store@0.2.0-draft-2024-09-27": functions,
	"wasi:config/store@0.2.0-rc.1":             functions,
}}

var functions = map[string]face.Func{
	"get": {Cost: face.Medium, Call: func(c *face.Call, args []any) (any, error) {
		linked, err := ofLinks(c)
		if err != nil {
			return failed(err), nil
		}
		key := args[0].(string)
		for i := 0; i < len(linked); i += 2 {
			if linked[i] == key {
				return face.Good(face.Some(linked[i+1])), nil
			}
		}
		c.Pay(len(c.State.Environ))
		for _, pair := range c.State.Environ {
			if pair[0] == key {
				c.Pay(len(pair[1]))
				return face.Good(face.Some(pair[1])), nil
			}
		}
		return face.Good(face.None), nil
	}},
	"get-all": {Cost: face.Medium, Call: func(c *face.Call, _ []any) (any, error) {
		linked, err := ofLinks(c)
		if err != nil {
			return failed(err), nil
		}
		all, seen := make([]any, 0, len(linked)/2+len(c.State.Environ)), map[string]bool{}
		for i := 0; i < len(linked); i += 2 {
			all = append(all, []any{linked[i], linked[i+1]})
			seen[linked[i]] = true
		}
		for _, pair := range c.State.Environ {
			c.Pay(len(pair[0]) + len(pair[1]))
			if !seen[pair[0]] {
				all = append(all, []any{pair[0], pair[1]})
			}
		}
		return face.Good(all), nil
	}},
}

// ofLinks are the values that the actor's links have for it now: names and values in turn.
func ofLinks(c *face.Call) ([]string, error) {
	out, err := c.State.Ask(c.Context, lattice.DefaultLink, ownlinks.ID, ownlinks.Config, nil)
	if err != nil {
		return nil, err
	}
	list, err := msgpack.DecodeStrs(out)
	if err == nil && len(list)%2 != 0 {
		err = errors.New("a name of a value of a link has no value")
	}
	return list, err
}

// failed is the error upstream.
func failed(err error) any {
	return face.Bad(abi.Variant{Value: face.Told(err)})
}
