package trace_test

import (
	"context"
	"fmt"

	"github.com/weftlattice/weft/lattice/trace"
)

func Example() {
	tc, ok := trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "")
	ctx := trace.With(context.Background(), tc.Child())

	called, _ := trace.From(ctx)
	fmt.Println(ok, called.TraceID == tc.TraceID, called.SpanID == tc.SpanID)
	// Output: true true false
}
