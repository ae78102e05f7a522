package keys

import (
	"fmt"

	"github.com/weftlattice/weft/internal/deploy/nodefile"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// running is what a lattice that "weft up" runs with the data directory is signed with, where that came from a file:
// the file of seeds or the node file that it was started with, as it is now. ok is false where the data directory keeps
// the key, or the lattice does not run.
func (k Keeper) running(l lattice.Name) (ring signing.Ring, issuers []lattice.ClusterID, ok bool, err error) {
	up, runs := k.Dir.Up()
	if !runs || up.Lattice != l || up.SeedFile+up.NodeFile == "" {
		return ring, nil, false, nil
	}
	if up.SeedFile != "" {
		ring, err = k.readRing(up.SeedFile)
	} else {
		var f *nodefile.File
		if f, err = nodefile.Load(up.NodeFile); err == nil {
			ring = signing.RingOf(f.Host.Cluster)
			issuers = f.Host.Issuers
		}
	}
	if err == nil && ring.Signer().IsZero() {
		err = &lattice.Error{Code: lattice.ErrNotFound, Op: "find the cluster key in", Entity: up.NodeFile,
			Detail: "the file names none any more"}
	}
	if err != nil {
		return ring, nil, false, fmt.Errorf("the lattice %s that runs here has its cluster key from a file; "+
			"give --cluster-seed-file, or mend it: %w", l, err)
	}
	return ring, issuers, true, nil
}
