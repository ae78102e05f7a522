// Package beside shows the streams beside calls as providers know them, to tests of a provider's parts.
package beside

import (
	"context"

	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/provider"
)

// Stream is an end of a stream as a provider.Stream.
type Stream struct{ *stream.Stream }

// Trailers are those of provider.Stream.
func (s Stream) Trailers() (all []provider.StreamField) {
	for _, f := range s.Stream.Trailers() {
		all = append(all, provider.StreamField(f))
	}
	return all
}

// End is that of provider.Stream.
func (s Stream) End(ctx context.Context, trailers []provider.StreamField) error {
	return s.Stream.End(ctx, fields(trailers))
}

func fields(all []provider.StreamField) (fields []stream.Field) {
	for _, f := range all {
		fields = append(fields, stream.Field(f))
	}
	return fields
}

// Offer is what the one who serves a call gets of the offer of its caller.
func Offer(o *stream.Offer) *provider.StreamOffer {
	return &provider.StreamOffer{Stream: Stream{o.Stream}, Body: o.Body, Respond: o.Respond}
}

// Caller is what a provider gives along with a call. taken is set when the answer is a stream.
func Caller(c *provider.StreamCaller, taken *bool) *stream.Caller {
	inner := &stream.Caller{Body: c.Body, Release: c.Release, Take: func(head []byte, s *stream.Stream) error {
		*taken = true
		return c.Take(head, Stream{s})
	}}
	if c.Trailers != nil {
		inner.Trailers = func() []stream.Field { return fields(c.Trailers()) }
	}
	return inner
}
