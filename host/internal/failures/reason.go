package failures

import (
	"context"
	"strings"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// reason is the message of a failure without what its other fields say: what was called, of whom, and the code. Each
// process on the way of a call has put that in front, so that it may stand there several times.
func reason(f *wire.Failure) string {
	call := "call " + f.Operation
	said := []string{"acquire instance: ", "actor " + string(f.ActorID) + ": "}
	if f.Operation != "" {
		said = append(said, call+": ", f.Operation+": ")
		for _, key := range []string{string(f.ActorID), f.Target} {
			if key != "" {
				said = append(said, call+" of "+key+": ")
			}
		}
	}
	if code, ok := lattice.ParseCode(f.Code); ok {
		said = append(said, code.Error()+": ")
	}
	text := strings.TrimSuffix(f.Message, ": "+context.DeadlineExceeded.Error()) // as Go says timeout or busy
	for {
		rest := text
		for _, s := range said {
			rest = strings.TrimPrefix(rest, s)
		}
		if rest == text {
			return text
		}
		text = rest
	}
}
