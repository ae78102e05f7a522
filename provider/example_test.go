package provider_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
)

// greeter is a whole provider: links need nothing, and a call gets a greeting in the words that its link sets.
type greeter struct{}

func (greeter) PutLink(context.Context, provider.Link) error { return nil }
func (greeter) DelLink(context.Context, provider.Link) error { return nil }

func (greeter) Handle(_ context.Context, c provider.Call) ([]byte, error) {
	return []byte(c.Link.Values.Text("greeting", "Hello") + ", " + string(c.Payload) + "!"), nil
}

var greeterInfo = provider.Info{Name: "greeter", Contract: "acme:greeter", Version: "0.1.0",
	Operations: []string{"Greeter.Greet"}}

func newGreeter(provider.Env) (provider.Provider, error) { return greeter{}, nil }

func ExampleProvider() {
	link := provider.Link{Values: provider.Values{"GREETING": "Good evening"}}
	call := provider.Call{Operation: "Greeter.Greet", Payload: []byte("Ada"), Link: link}
	answer, err := greeter{}.Handle(context.Background(), call)
	fmt.Println(string(answer), err)
	// Output: Good evening, Ada! <nil>
}

// Main runs a provider as the process that it is; Run does so with other streams. A host writes the line of host data.
func ExampleRun() {
	latticetest.Example(func(t testing.TB) { // a NATS server in this process
		env := latticetest.NATS(t)
		hostData := wire.HostData{LatticeRPCPrefix: env.Lattice, LatticeRPCURL: env.URL, LinkName: lattice.DefaultLink,
			HostID: env.HostID(t), ProviderKey: env.ProviderID(t), InvocationSeed: env.Cluster.Seed()}.Encode()

		ctx, stop := context.WithCancel(context.Background())
		said, stdout := io.Pipe()
		ended := make(chan error)
		streams := provider.Options{Info: greeterInfo, Stdin: bytes.NewReader(hostData), Stdout: stdout}
		go func() { ended <- provider.Run(ctx, streams, newGreeter) }()
		line, err := bufio.NewReader(said).ReadString('\n')
		fmt.Print(line)
		stop()
		fmt.Println(err, <-ended)
	})
	// Output:
	// weft:ready
	// <nil> <nil>
}
