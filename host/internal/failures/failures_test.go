package failures

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

func failure(actor, trace, message string) wire.Failure {
	f := wire.NewFailure(&lattice.Error{Code: lattice.ErrTrap, Detail: message})
	f.ActorID, f.TraceID = lattice.ActorID(actor), trace
	return f
}

// TestAFloodOfFailuresOfOneActorPushesOutNoOthers: what is known of the others stays, in any size of flood.
func TestAFloodOfFailuresOfOneActorPushesOutNoOthers(t *testing.T) {
	s := New("")
	s.Add("quiet", failure("quiet", "t1", "the one that is looked for"))
	for i := range 5000 {
		s.Add("loud", failure("loud", fmt.Sprint(i), strings.Repeat("x", i%4000)))
	}
	for i := range 200 { // many actors that fill what is kept in all
		for range 100 {
			s.Add(lattice.ActorID(fmt.Sprint("crowd", i)), failure(fmt.Sprint("crowd", i), "t",
				strings.Repeat("y", 1000)))
		}
	}
	got, last := s.Find(control.FailuresRequest{TraceID: "t1"})
	if len(got) != 1 || !strings.Contains(got[0].Message, "the one that is looked for") {
		t.Fatalf("got %+v", got)
	}
	loud, _ := s.Find(control.FailuresRequest{ActorID: "loud"})
	if n := len(loud); n == 0 || n > perActor || loud[n-1].TraceID != "4999" {
		t.Errorf("%d of the loud one", n)
	}
	all, _ := s.Find(control.FailuresRequest{})
	bytes := 0
	for i, f := range all {
		bytes += f.Bytes()
		if len(f.Message) > 2<<10 || i > 0 && all[i-1].Seq >= f.Seq {
			t.Fatalf("entry %d: %d bytes of text, number %d after %d", i, len(f.Message), f.Seq, all[max(0, i-1)].Seq)
		}
	}
	if bytes > allBytes || bytes != s.bytes || last != all[len(all)-1].Seq {
		t.Errorf("%d bytes, counted %d, at most %d; last %d", bytes, s.bytes, allBytes, last)
	}
	if news, _ := s.Find(control.FailuresRequest{After: last - 1}); len(news) != 1 {
		t.Errorf("%d after the last but one", len(news))
	}
	old := failure("old", "t", "")
	old.Time = time.Now().Add(-time.Hour)
	s.Add("old", old)
	if got, _ := s.Find(control.FailuresRequest{ActorID: "old", MaxAgeMs: 60_000}); len(got) != 0 {
		t.Errorf("an hour old: %+v", got)
	}
}

func TestFailuresHammer(t *testing.T) {
	s := New("")
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for i := range 500 {
				s.Add(lattice.ActorID(fmt.Sprint(p%3)), failure(fmt.Sprint(p%3), "t", strings.Repeat("z", i)))
				s.Find(control.FailuresRequest{ActorID: "1"})
			}
		})
	}
	wg.Wait()
	bytes := 0
	for _, r := range s.rings {
		bytes += r.bytes
	}
	if bytes != s.bytes {
		t.Errorf("%d bytes in rings, %d counted", bytes, s.bytes)
	}
}
