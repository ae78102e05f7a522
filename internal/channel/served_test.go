package channel_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/lattice/wire"
)

// A caller hears how long its call was served, from when it had got what it waited for.
func TestHowLongACallWasServed(t *testing.T) {
	both(t, func(t *testing.T, inline bool) {
		a, _ := pair(t, channel.Config{}, channel.Config{Inline: inline, Handler: func(ctx context.Context,
			inv *wire.Invocation) ([]byte, error) {
			switch string(inv.Msg) {
			case "begun a second ago": // the clock is the test's: nobody waits
				channel.Begun(ctx, time.Now().Add(-time.Second))
				channel.Begun(ctx, time.Now()) // a call within this one
			case "begun hours ago":
				channel.Begun(ctx, time.Now().Add(-9*time.Hour))
			case "fails":
				return nil, errors.New("no")
			}
			return nil, nil
		}})
		call := func(what string) *channel.Call {
			c := request([]byte(what))
			_, _ = a.Call(t.Context(), c, patience)
			return c
		}
		before := channel.Now()
		if c := call("at once"); c.Served <= 0 || c.Lasted <= 0 || c.Ended < before || c.Lasted > channel.Now()-before {
			t.Errorf("ended at %v after %v, served for %v", c.Ended, c.Lasted, c.Served)
		}
		if c := call("begun a second ago"); c.Served < time.Second || c.Served > 4*time.Second {
			t.Errorf("served for %v, want a second", c.Served)
		}
		for _, what := range []string{"begun hours ago", "fails"} { // more than there is room for, and nothing to tell
			if c := call(what); c.Ended != 0 || c.Lasted != 0 || c.Served != 0 {
				t.Errorf("%s: ended at %v after %v, served for %v", what, c.Ended, c.Lasted, c.Served)
			}
		}
	})
}
