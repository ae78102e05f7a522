package operate

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// Failures finds the failed calls that the hosts of a lattice remember. Each Next asks for those that came since the
// one before. It is not safe for concurrent use.
type Failures struct {
	lattice *Lattice
	want    control.FailuresRequest
	after   map[lattice.HostID]uint64
}

// Failures begins to look for failed calls; want.After is not used.
func (l *Lattice) Failures(want control.FailuresRequest) *Failures {
	return &Failures{lattice: l, want: want, after: map[lattice.HostID]uint64{}}
}

// Next returns what is new on some hosts, by time, and the names of those that did not answer. Hosts of other software
// remember nothing, and are passed over.
func (f *Failures) Next(ctx context.Context, hosts []control.HostInventory) (found []wire.Failure, silent []string,
	err error) {
	ctx, cancel := context.WithTimeout(ctx, askAll)
	defer cancel()
	replies, errs := make([]control.FailuresReply, len(hosts)), make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		r := f.want
		r.After = f.after[h.HostID]
		wg.Go(func() { replies[i], errs[i] = f.lattice.ctl.Failures(ctx, h.HostID, r) })
	}
	wg.Wait()
	for i, h := range hosts {
		switch lattice.CodeOf(errs[i]) {
		case 0:
			found = append(found, replies[i].Failures...)
			f.after[h.HostID] = replies[i].Last // also back, where the host's clock went back while it was down
		case lattice.ErrNoResponders:
		case lattice.ErrTimeout:
			silent = append(silent, cmp.Or(h.FriendlyName, string(h.HostID)))
		default:
			return nil, nil, errs[i]
		}
	}
	slices.SortStableFunc(found, func(a, b wire.Failure) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq))
	})
	f.want.MaxAgeMs = 0 // what comes is new
	return found, silent, nil
}

// FailurePause is the time between two questions of a client that follows failures.
const FailurePause = time.Second
