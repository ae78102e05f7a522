package rpc

import (
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice/wire"
)

// Beats tell how the clock of another machine stands, whatever it shows.
func TestBeatsTellHowOldACallIs(t *testing.T) {
	const ours, theirs = 1, 2
	for name, ahead := range map[string]time.Duration{"seven hours ahead": 7 * time.Hour,
		"started just now": -1000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			at := func(d time.Duration) wire.Stamp {
				return wire.Stamp{Clock: ours, Micros: uint64((5000*time.Hour + d).Microseconds())}
			}
			sent := func(d time.Duration) wire.Stamp {
				return wire.Stamp{Clock: theirs, Micros: uint64((5000*time.Hour + ahead + d).Microseconds())}
			}
			var o offsets
			if _, ok := o.age(sent(0), at(0)); ok {
				t.Error("an age is known before there was a beat")
			}
			for i := range 30 { // each takes between 2 and 5 ms
				d := time.Duration(i) * time.Second
				o.hear(sent(d), at(d+time.Duration(2+i%4)*time.Millisecond))
			}
			now := 30 * time.Second
			for _, c := range []struct{ waited, want time.Duration }{{2 * time.Millisecond, 0},
				{3002 * time.Millisecond, 3 * time.Second}, {0, 0}} {
				if age, ok := o.age(sent(now-c.waited), at(now)); !ok || age != c.want {
					t.Errorf("a call that took %s is %s old, %t; want %s", c.waited, age, ok, c.want)
				}
			}
			// A minute of suspension: its clock stood still, and after some beats that is known.
			for i := range 15 {
				d := now + time.Duration(i)*time.Second
				o.hear(sent(d), at(d+time.Minute+2*time.Millisecond))
			}
			later := now + 15*time.Second
			if age, ok := o.age(sent(later), at(later+time.Minute+2*time.Millisecond)); !ok || age != 0 {
				t.Errorf("after a suspension a fresh call is %s old, %t", age, ok)
			}
			if _, ok := o.age(sent(later), at(later+time.Hour)); ok {
				t.Error("an age is known of a machine that has been silent for an hour")
			}
		})
	}
}
