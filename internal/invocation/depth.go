package invocation

import (
	"context"
	"fmt"

	"github.com/weftlattice/weft/lattice"
)

// MaxDepth is how many calls may be nested in one that was made from outside: each made by the actor or provider that
// serves the one before.
const MaxDepth = 64

type depthKey struct{}

// WithDepth is the context in which a call is served that is nested in so many others; 0: in none.
func WithDepth(ctx context.Context, depth int) context.Context {
	return context.WithValue(ctx, depthKey{}, depth)
}

// Deeper is the depth of a call that is made in ctx: 0 where no call is served. Beyond MaxDepth the error is
// lattice.ErrTooLarge.
func Deeper(ctx context.Context) (int, error) {
	served, ok := ctx.Value(depthKey{}).(int)
	if !ok {
		return 0, nil
	}
	if served >= MaxDepth {
		return 0, &lattice.Error{Code: lattice.ErrTooLarge, Op: "call", Detail: fmt.Sprintf(
			"calls are nested %d deep, and no deeper ones are made; do those that are called call themselves in turn?",
			served)}
	}
	return served + 1, nil
}
