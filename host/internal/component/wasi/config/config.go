// Package config is wasi:config: the actor's configuration.
package config

import (
	_ "embed"

	"github.com/weftlattice/weft/host/internal/component/face"
)

//go:embed types.txt
var types string

// Family is wasi:config under the names that it has had.
var Family = face.Family{Types: types, Functions: map[string]map[string]face.Func{
	"wasi:config/runtime@0.2.0-draft":          functions,
	"wasi:config/store@0.2.0-draft":            functions,
	"wasi:config/store@0.2.0-draft-2024-09-27": functions,
	"wasi:config/store@0.2.0-rc.1":             functions,
}}

var functions = map[string]face.Func{
	"get": {Call: func(c *face.Call, args []any) (any, error) {
		key := args[0].(string)
		c.Pay(len(c.State.Environ))
		for _, pair := range c.State.Environ {
			if pair[0] == key {
				c.Pay(len(pair[1]))
				return face.Good(face.Some(pair[1])), nil
			}
		}
		return face.Good(face.None), nil
	}},
	"get-all": {Call: func(c *face.Call, _ []any) (any, error) {
		all := make([]any, len(c.State.Environ))
		for i, pair := range c.State.Environ {
			c.Pay(len(pair[0]) + len(pair[1]))
			all[i] = []any{pair[0], pair[1]}
		}
		return face.Good(all), nil
	}},
}
