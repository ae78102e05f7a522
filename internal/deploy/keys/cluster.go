package keys

import (
	"slices"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Cluster chooses the cluster keys of a host, in the order of its fields: a seed, a file of seeds, a key of a node
// file, the key of a token, and else the one that the data directory keeps for the lattice. A file of seeds goes before
// a seed where both are given. It is not safe for concurrent use.
type Cluster struct {
	Keeper  Keeper
	Lattice lattice.Name
	Issuers []lattice.ClusterID // public keys of further clusters to trust

	Seed     string
	SeedFile string          // "-" is standard input, which is read once
	NodeFile signing.KeyPair // the key that a node file names
	// the same and all issuers, from the file as it is now
	Reread func() (signing.KeyPair, []lattice.ClusterID, error)
	Token  string // the seed that a token brought
	// called when a key was made, which other machines lack
	Made func()

	given  signing.KeyPair // by Seed or SeedFile, where it cannot be read again
	stored bool            // the key store has the key that the token brought
	beside signing.Ring    // what "weft up" was started with, when it was there last
}

// Load returns the keys at the start of a host, and makes or keeps what is missing. issuers are the public keys to
// trust besides that of the first of the ring.
func (c *Cluster) Load() (ring signing.Ring, issuers []lattice.ClusterID, err error) {
	return c.load(true)
}

// Reload returns the keys as they are now.
func (c *Cluster) Reload() (ring signing.Ring, issuers []lattice.ClusterID, err error) {
	return c.load(false)
}

func (c *Cluster) load(first bool) (ring signing.Ring, issuers []lattice.ClusterID, err error) {
	issuers = c.Issuers
	switch {
	case c.SeedFile == "-" && !first, c.Seed != "" && c.SeedFile == "":
		if c.given.IsZero() {
			c.given, err = signing.FromSeed(c.Seed)
		}
		ring = signing.RingOf(c.given)
	case c.SeedFile != "":
		ring, err = c.Keeper.readRing(c.SeedFile)
		c.given = ring.Signer()
	case !c.NodeFile.IsZero():
		k := c.NodeFile
		if !first {
			k, issuers, err = c.Reread()
		}
		ring = signing.RingOf(k)
	case c.Token != "":
		ring, err = c.joined(first)
	default:
		var more []lattice.ClusterID
		ring, more, err = c.kept(first)
		issuers = slices.Concat(issuers, more)
	}
	if err != nil {
		return signing.Ring{}, nil, err
	}
	return ring, slices.Concat(ring.Issuers()[1:], issuers), nil
}

// joined is the key that a token brought. It is kept in the data directory, where it can be rotated, unless that holds
// a key of another origin for the lattice.
func (c *Cluster) joined(first bool) (signing.Ring, error) {
	k, err := signing.FromSeed(c.Token)
	if err != nil {
		return signing.Ring{}, err
	}
	store, err := c.Keeper.Store()
	if err != nil {
		return signing.Ring{}, err
	}
	if first {
		if err := store.Import(string(c.Lattice), k); err != nil && lattice.CodeOf(err) != lattice.ErrConflict {
			return signing.Ring{}, err
		}
	}
	kept, err := store.LoadRing(signing.KindCluster, string(c.Lattice))
	if first {
		c.stored = err == nil && slices.Contains(kept.Issuers(), k.ClusterID())
	}
	if c.stored {
		return kept, err
	}
	return signing.RingOf(k), nil
}

// kept is the lattice's key in the data directory. At first it is made when there is none. A host beside "weft up" uses
// what that was started with, and makes none.
func (c *Cluster) kept(first bool) (signing.Ring, []lattice.ClusterID, error) {
	ring, issuers, ok, err := c.Keeper.running(c.Lattice)
	switch {
	case ok:
		c.beside = ring
		return ring, issuers, nil
	case err != nil:
		return ring, nil, err
	case len(c.beside.Keys) > 0: // it has ended
		return c.beside, nil, nil
	}
	ring, err = c.own(first)
	return ring, nil, err
}

func (c *Cluster) own(first bool) (signing.Ring, error) {
	store, err := c.Keeper.Store()
	if err != nil {
		return signing.Ring{}, err
	}
	if first {
		_, created, err := store.LoadOrCreate(signing.KindCluster, string(c.Lattice))
		if err != nil {
			return signing.Ring{}, err
		}
		if created && c.Made != nil {
			c.Made()
		}
	}
	return store.LoadRing(signing.KindCluster, string(c.Lattice))
}

// File is the cluster key that hosts of this machine read and "weft key rotate" replaces: a file of its own, or the one
// of a lattice in the data directory. It is an operate.RingFile.
type File struct {
	Keeper  Keeper
	Lattice lattice.Name
	Path    string // instead of the lattice's
}

// Load reads the keys.
func (f File) Load() (signing.Ring, error) {
	if f.Path != "" {
		return f.Keeper.readRing(f.Path)
	}
	store, err := f.Keeper.Store()
	if err != nil {
		return signing.Ring{}, err
	}
	return store.LoadRing(signing.KindCluster, Name(signing.KindCluster, f.Lattice))
}

// Save replaces the keys.
func (f File) Save(r signing.Ring) error {
	if f.Path != "" {
		return signing.ReplaceKeyFile(f.Path, r, f.Keeper.Passphrase.Get)
	}
	store, err := f.Keeper.Store()
	if err != nil {
		return err
	}
	return store.Replace(Name(signing.KindCluster, f.Lattice), r)
}
