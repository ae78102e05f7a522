// Package keys chooses keys: which one signs what, where it is kept, and how it is opened. The keys themselves are in
// lattice/signing.
package keys

import (
	"cmp"
	"fmt"
	"io"

	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Keeper finds the keys of a machine: in its data directory, and in files that people name.
type Keeper struct {
	Dir        datadir.Dir
	Passphrase *Passphrase // of encrypted keys; required
	Stdin      io.Reader   // what the file name "-" means
}

// Store opens the key store of the data directory.
func (k Keeper) Store() (*signing.Keystore, error) {
	s, err := k.Dir.Keys()
	if err == nil {
		s.SetPassphrase(k.Passphrase.Get)
	}
	return s, err
}

// readRing reads a file that may hold several keys, and be encrypted; "-" is standard input.
func (k Keeper) readRing(file string) (signing.Ring, error) {
	text, err := localfile.Input(file, k.Stdin, signing.MaxKeyFileBytes)
	if err != nil {
		return signing.Ring{}, err
	}
	r, err := signing.OpenRing(string(text), file, k.Passphrase.Get)
	if err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// ReadSeed reads a file as readRing does, and returns the key that signs.
func (k Keeper) ReadSeed(file string) (signing.KeyPair, error) {
	r, err := k.readRing(file)
	return r.Signer(), err
}

// defaultName is the name of the keys that are used unless another is named.
const defaultName = "default"

// Name is the name of the key of a kind that weft uses by itself: a cluster key has that of its lattice, empty being
// the default one.
func Name(kind byte, l lattice.Name) string {
	if kind == signing.KindCluster {
		return string(cmp.Or(l, lattice.DefaultName))
	}
	return defaultName
}

// Find finds a stored key by what a person says of it: its kind alone means the one that weft uses by itself in lattice
// l. The key is not opened. damaged, when not nil, says which files of the store cannot be read; the others are there
// all the same.
func (k Keeper) Find(query string, l lattice.Name) (info signing.KeyInfo, damaged, err error) {
	store, err := k.Store()
	if err != nil {
		return info, nil, err
	}
	list, damaged := store.List()
	byKind, kindErr := signing.ParseKind(query)
	var all []operate.Candidate
	infos := map[string]signing.KeyInfo{}
	for _, key := range list {
		if kindErr == nil && key.Kind == signing.KindName(byKind) && key.Name == Name(byKind, l) {
			return key, damaged, nil
		}
		all = append(all, operate.Candidate{ID: key.Public, Names: []string{key.Kind + "/" + key.Name, key.Name,
			key.Kind}})
		infos[key.Public] = key
	}
	c, err := operate.Resolve("key", query, all)
	return infos[c.ID], damaged, err
}

// Load opens a stored key. next means the one to which a rotation is on its way.
func (k Keeper) Load(info signing.KeyInfo, next bool) (signing.KeyPair, error) {
	kind, err := signing.ParseKind(info.Kind)
	if err != nil {
		return signing.KeyPair{}, err
	}
	store, err := k.Store()
	if err != nil {
		return signing.KeyPair{}, err
	}
	r, err := store.LoadRing(kind, info.Name)
	switch {
	case err != nil || !next:
		return r.Signer(), err
	case len(r.Keys) < 2:
		return signing.KeyPair{}, &lattice.Error{Code: lattice.ErrNotFound, Op: "find the next key of",
			Entity: info.Kind + "/" + info.Name,
			Detail: "no rotation has begun, or it is past that"}
	}
	return r.Keys[1], nil
}

// Recrypt changes how a stored key is kept: change is (*signing.Keystore).Encrypt or Decrypt. It returns the key as it
// is kept now.
func (k Keeper) Recrypt(info signing.KeyInfo, change func(s *signing.Keystore, kind byte,
	name string) error) (signing.KeyInfo, error) {
	kind, err := signing.ParseKind(info.Kind)
	if err != nil {
		return info, err
	}
	store, err := k.Store()
	if err != nil {
		return info, err
	}
	if err := change(store, kind, info.Name); err != nil {
		return info, err
	}
	info, _, err = k.Find(info.Public, "")
	return info, err
}

// ByPublic finds a stored key by its public half, and opens it.
func (k Keeper) ByPublic(kind byte, public string) (signing.KeyPair, error) {
	store, err := k.Store()
	if err != nil {
		return signing.KeyPair{}, err
	}
	list, err := store.List()
	for _, info := range list {
		if info.Public == public {
			return store.Load(kind, info.Name)
		}
	}
	if err != nil {
		return signing.KeyPair{}, err
	}
	return signing.KeyPair{}, &lattice.Error{Code: lattice.ErrNotFound, Op: "find key", Entity: public,
		Detail: "it is not in " + store.Dir() + "; bring it there with: weft key import FILE"}
}

// Account is the account key that signs what is made here; name is empty for the default one. It is made when there is
// none.
func (k Keeper) Account(name string) (signing.KeyPair, error) {
	return k.make(signing.KindAccount, cmp.Or(name, defaultName))
}

// Provider is the key of a provider that is packed here. It is made when there is none.
func (k Keeper) Provider(name string) (signing.KeyPair, error) {
	return k.make(signing.KindProvider, operate.KeyName(name))
}

// Renewing are the keys for claims that are made again: the provider's own, and the account's that signed them, or the
// one that is named instead. All are stored here, or that is lattice.ErrNotFound.
func (k Keeper) Renewing(c *signing.ProviderClaims, account string) (provider, issuer signing.KeyPair, err error) {
	if provider, err = k.ByPublic(signing.KindProvider, string(c.Subject)); err != nil {
		return provider, issuer, err
	}
	if account == "" {
		issuer, err = k.ByPublic(signing.KindAccount, string(c.Issuer))
		return provider, issuer, err
	}
	store, err := k.Store()
	if err == nil {
		issuer, err = store.Load(signing.KindAccount, account)
	}
	return provider, issuer, err
}

func (k Keeper) make(kind byte, name string) (signing.KeyPair, error) {
	store, err := k.Store()
	if err != nil {
		return signing.KeyPair{}, err
	}
	key, _, err := store.LoadOrCreate(kind, name)
	return key, err
}

// Host is the identity of a host, in the order of what is given: a seed file, a seed, a key of a node file, or
// the key that the data directory keeps under the host's name. Two hosts must not have the same, so that the second of
// a name gets a key for this run only. release gives the key back to other processes.
func (k Keeper) Host(name, seedFile, seed string, nodeFile signing.KeyPair) (key signing.KeyPair, release func(),
	err error) {
	none := func() {}
	switch {
	case seedFile != "":
		key, err = k.ReadSeed(seedFile)
		return key, none, err
	case seed != "":
		key, err = signing.FromSeed(seed)
		return key, none, err
	case !nodeFile.IsZero():
		return nodeFile, none, nil
	}
	if name = operate.KeyName(name); name == "" {
		name = defaultName
	}
	release, ok, err := k.Dir.LockHost(name)
	if err != nil {
		return key, none, err
	}
	if !ok {
		key, err = signing.New(signing.KindHost)
		return key, none, err
	}
	if key, err = k.make(signing.KindHost, name); err != nil {
		release()
		return key, none, err
	}
	return key, release, nil
}

// Call is the cluster key that calls by hand are signed with, in the order of what is given: a seed file, a seed, that
// of a token, the one that "weft up" was started with here, or the one that the data directory keeps for the lattice.
// It is never made here: no host would trust a new one.
func (k Keeper) Call(l lattice.Name, seedFile, seed, tokenSeed string) (signing.KeyPair, error) {
	switch {
	case seedFile != "":
		return k.ReadSeed(seedFile)
	case seed != "":
		return signing.FromSeed(seed)
	case tokenSeed != "":
		return signing.FromSeed(tokenSeed)
	}
	if ring, _, ok, err := k.running(l); ok || err != nil {
		return ring.Signer(), err
	}
	store, err := k.Store()
	if err != nil {
		return signing.KeyPair{}, err
	}
	name := Name(signing.KindCluster, l)
	key, err := store.Load(signing.KindCluster, name)
	if lattice.CodeOf(err) == lattice.ErrNotFound {
		return key, &lattice.Error{Code: lattice.ErrNotFound, Op: "sign the call for lattice", Entity: name,
			Detail: "its cluster key is not here, and calls are signed with it; an operator's token has it that is " +
				"made so: weft token create --role operator --cluster-key; or copy it from a host " +
				"(weft key show cluster --seed) and give --cluster-seed-file"}
	}
	return key, err
}

// Invited is the cluster key that a token carries for a lattice whose NATS server is here: the one that "weft up" was
// started with, or the one that the data directory keeps, which is made when there is none.
func (k Keeper) Invited(l lattice.Name) (signing.KeyPair, error) {
	if ring, _, ok, err := k.running(l); ok || err != nil {
		return ring.Signer(), err
	}
	store, err := k.Store()
	if err != nil {
		return signing.KeyPair{}, err
	}
	key, _, err := store.LoadOrCreate(signing.KindCluster, string(l))
	return key, err
}
