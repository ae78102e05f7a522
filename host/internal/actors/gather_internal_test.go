package actors

import (
	"bytes"
	"testing"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/wire"
)

// A body that comes as a stream, for an actor that takes none, counts as a large request does.
func TestGatheredBodyCounts(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 2<<20/16)
	gathered := func(budget *load.Budget) (*invocation.Context, *wire.Invocation, error) {
		ctx := &invocation.Context{}
		ctx.Room.Use(budget)
		calling, serving := stream.Pipe(true, nil, nil)
		caller := &stream.Caller{Body: bytes.NewReader(body), Release: func() {}}
		sending := caller.Start(t.Context(), calling, func() {})
		inv := &wire.Invocation{Operation: httpserver.HandleRequest, Msg: (&httpserver.Request{Method: "PUT"}).Encode()}
		err := gather(ctx, inv, stream.NewOffer(serving, true, nil, nil))
		serving.Stop()
		if err := sending.Wait(); err != nil {
			t.Error(err)
		}
		return ctx, inv, err
	}
	budget := load.NewBudget(64 << 20)
	ctx, inv, err := gathered(budget)
	if err != nil {
		t.Fatal(err)
	}
	if req, err := httpserver.DecodeRequest(inv.Msg); err != nil || !bytes.Equal(req.Body, body) {
		t.Errorf("the actor gets %d bytes, %v", len(req.Body), err)
	}
	if used := budgetUsed(budget); used != maxGathered {
		t.Errorf("%d bytes are taken of the budget, want %d", used, maxGathered)
	}
	if ctx.Room.End(); budgetUsed(budget) != 0 {
		t.Errorf("%d bytes are taken after the call", budgetUsed(budget))
	}
	if _, _, err := gathered(load.NewBudget(maxGathered / 2)); lattice.CodeOf(err) != lattice.ErrTooLarge {
		t.Errorf("where there is never room for it: %v", err)
	}
}

func budgetUsed(b *load.Budget) int64 {
	used, _ := b.Used()
	return used
}
