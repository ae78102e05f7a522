package providertest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

type greeter struct{}

func (greeter) PutLink(context.Context, provider.Link) error { return nil }
func (greeter) DelLink(context.Context, provider.Link) error { return nil }

func (greeter) Handle(_ context.Context, c provider.Call) ([]byte, error) {
	return []byte(c.Link.Values.Text("greeting", "Hello") + ", " + string(c.Payload) + "!"), nil
}

var config = providertest.Config{
	Info: provider.Info{Name: "greeter", Contract: "acme:greeter", Version: "0.1.0",
		Operations: []string{"Greeter.Greet"}},
	New:       func(provider.Env) (provider.Provider, error) { return greeter{}, nil },
	Operation: "Greeter.Greet", Payload: []byte("Ada"),
}

// Beside what it does itself, a provider has to keep the contract:
//
//	func TestContract(t *testing.T) { providertest.Run(t, config) }
func ExampleStart() {
	latticetest.Example(func(t testing.TB) { // in a test, t is the test's
		p := providertest.Start(t, providertest.NewLattice(t), config)
		actor := p.Lattice.ActorID(t)
		state := p.PutLink(actor, map[string]string{"greeting": "Good evening"})
		answer, err := p.Call(context.Background(), actor, "Greeter.Greet", []byte("Ada"))
		fmt.Println(providertest.Active(&state), string(answer), err)
	})
	// Output: true Good evening, Ada! <nil>
}
