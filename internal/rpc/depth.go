package rpc

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// MaxDepth is how many calls may be nested in one that was made from outside: each made by the actor or provider that
// serves the one before.
const MaxDepth = 64

type depthKey struct{}

// WithDepth is the context in which a call is served that is nested in so many others; 0: in none.
func WithDepth(ctx context.Context, depth int) context.Context {
	return context.WithValue(ctx, depthKey{}, depth)
}

// IsDepthKey reports whether a context is asked for the depth of the call that is served in it, an int; for contexts of
// others.
func IsDepthKey(key any) bool { return key == (depthKey{}) }

// Deeper is the depth of a call that is made in ctx: 0 where no call is served. Beyond MaxDepth the error is
// lattice.ErrTooLarge.
func Deeper(ctx context.Context) (int, error) {
	served, ok := ctx.Value(depthKey{}).(int)
	if !ok {
		return 0, nil
	}
	if served >= MaxDepth {
		return 0, &lattice.Error{Code: lattice.ErrTooLarge, Op: "call", Detail: fmt.Sprintf(
			"calls are nested %d deep, and no deeper ones are made; do those that are called call themselves in turn?", served)}
	}
	return served + 1, nil
}

// depthOf is the depth that a call says.
func depthOf(inv *wire.Invocation, h nats.Header) int {
	if inv != nil && inv.Depth > 0 {
		return int(min(inv.Depth, MaxDepth))
	}
	if v := h[headerDepth]; len(v) > 0 {
		if n, err := strconv.ParseUint(v[0], 10, 32); err == nil {
			return int(min(n, MaxDepth))
		}
	}
	return 0
}
