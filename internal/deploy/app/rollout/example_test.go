package rollout_test

import (
	"fmt"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
	"github.com/weftlattice/weft/internal/deploy/app/rollout"
)

// A new revision gets a tenth of the calls for half a minute, and then all of them.
func Example() {
	tenth, now := 10, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	spec := &manifest.Rollout{Strategy: manifest.Canary, Promote: manifest.Auto, Deadline: time.Minute,
		Steps: []manifest.Step{{Weight: &tenth}, {Pause: 30 * time.Second}}}
	state := rollout.Begin(spec, "1.0", "1.1", now)
	for range 2 {
		var again time.Time
		state, again = rollout.Next(spec, state, rollout.Ready{All: true}, now)
		fmt.Println(state.Phase, rollout.WeightOn(state.Weights(spec), nil))
		now = again
	}
	// Output:
	// progressing 10
	// promoted 100
}
