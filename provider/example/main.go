// Command example is a whole capability provider: it greets, in the words that the link of each actor sets.
package main

import (
	"context"
	"os"

	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/provider"
)

var info = provider.Info{
	Name: "greeter", Contract: "acme:greeter", Version: "0.1.0",
	Description: "greets whoever an actor names",
	Operations:  []string{"Greeter.Greet"},
	Values: &linkvalue.Table{Provider: "greeter", Contract: "acme:greeter", Fields: []linkvalue.Field{
		{Name: "greeting", Kind: linkvalue.Text(), Default: "Hello", Doc: "how to greet"},
	}},
}

type greeter struct{}

func newGreeter(provider.Env) (provider.Provider, error) { return greeter{}, nil }

func (greeter) PutLink(context.Context, provider.Link) error { return nil }

func (greeter) DelLink(context.Context, provider.Link) error { return nil }

// Handle takes a name and answers a greeting, both bare strings.
func (greeter) Handle(_ context.Context, call provider.Call) ([]byte, error) {
	name, err := msgpack.DecodeStr(call.Payload)
	if err != nil {
		return nil, err
	}
	return msgpack.EncodeStr(call.Link.Values.Text("greeting", "Hello") + ", " + name + "!"), nil
}

func main() { os.Exit(provider.Main(info, newGreeter)) }
