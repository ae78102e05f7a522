package channel

import "context"

type offerKey struct{}

// Offer returns a context that carries an end of a Pair to the provider that a host runs in its own process. The way
// there leads through code of the program that embeds both. It has no use for the end, and passes the context on.
func Offer(ctx context.Context, end *End) context.Context {
	return context.WithValue(ctx, offerKey{}, end)
}

// Offered is the end that ctx carries; nil when it carries no end, as in a process of its own.
func Offered(ctx context.Context) *End {
	end, _ := ctx.Value(offerKey{}).(*End)
	return end
}
