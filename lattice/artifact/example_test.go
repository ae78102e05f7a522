package artifact_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/artifact"
)

func Example() {
	latticetest.Example(func(t testing.TB) { // a NATS server in this process
		env := latticetest.NATS(t)
		js, err := jetstream.New(env.Conn(t))
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		pushed, err := artifact.Push(ctx, js, env.Lattice, "echo", []byte("a module"))
		if err != nil {
			t.Fatal(err)
		}
		ref, err := artifact.ParseReference(pushed)
		if err != nil {
			t.Fatal(err)
		}
		ref.Tag = "1.0"
		if err := artifact.Tag(ctx, js, env.Lattice, ref); err != nil {
			t.Fatal(err)
		}
		tag, _ := artifact.ParseReference("lattice://echo:1.0")
		meant, err := artifact.Resolve(ctx, js, env.Lattice, tag)
		if err != nil {
			t.Fatal(err)
		}
		data, err := artifact.Get(ctx, js, env.Lattice, meant, artifact.MaxBytes)
		fmt.Println(string(data), meant.Digest == artifact.Digest(data), err)
	})
	// Output: a module true <nil>
}
