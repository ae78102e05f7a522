package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
)

// A program embeds a host, and asks it over the control interface what runs there.
func Example() {
	latticetest.Example(func(t testing.TB) { // a NATS server in this process
		env := latticetest.NATS(t)
		key, err := signing.New(signing.KindHost)
		if err != nil {
			t.Fatal(err)
		}
		cfg := host.DefaultConfig()
		cfg.Lattice, cfg.HostKey, cfg.Cluster = env.Lattice, key, env.Cluster
		cfg.NATS = host.NATS{URL: env.URL}
		cfg.FriendlyName = "calm-river"
		cfg.Logger = slog.New(slog.DiscardHandler)
		h, err := host.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- h.Run(ctx) }()
		<-h.Ready()

		client := control.NewClient(env.Conn(t), subject.Control{Lattice: env.Lattice}, latticetest.Patience)
		inventory, err := client.Inventory(ctx, h.ID())
		fmt.Println(inventory.FriendlyName, len(inventory.Actors), err)
		stop()
		fmt.Println(<-ended)
	})
	// Output:
	// calm-river 0 <nil>
	// <nil>
}
