package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// keyView is a key as the commands show it.
type keyView struct {
	signing.KeyInfo
	Seed string `json:"seed,omitempty"`
}

func keyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "key", Aliases: []string{"keys"}, Short: "Make and show keys",
		Long: `Keys are kept below --data-dir, one a file that only you can read. weft makes those it needs on first use: your
account key signs actors and providers, a module key is an actor's identity, and the cluster key, one per lattice, signs
every invocation. All hosts of a lattice need the same cluster key (or to trust each other's, --cluster-issuers).

A key can be stored encrypted (--encrypt, weft key encrypt); every command that uses it then needs the passphrase: asked
for at the terminal, or from --key-passphrase-file FILE (WEFT_KEY_PASSPHRASE_FILE) or --key-passphrase-fd N.`,
		Example: `  weft key list
  weft key show cluster --seed > cluster.nk    # for another machine: weft host run --cluster-seed-file cluster.nk`}
	cmd.AddCommand(keyGen(a), keyList(a), keyShow(a), keyImport(a), keyEncrypt(a), keyDecrypt(a), keyRotate(a))
	return cmd
}

func keyGen(a *app) *cobra.Command {
	var name string
	var seed, encrypt bool
	cmd := &cobra.Command{Use: "gen KIND", Short: "Make a key: account, module, provider, host, cluster, ...", Args: exactArgs(1),
		ValidArgs: []string{"account", "module", "provider", "host", "cluster", "operator", "user"},
		Example: `  weft key gen account
  weft key gen module --name echo
  weft key gen cluster --encrypt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := signing.ParseKind(args[0])
			if err != nil {
				return err
			}
			store, err := a.keys()
			if err != nil {
				return err
			}
			k, err := signing.New(kind)
			if err != nil {
				return err
			}
			name := or(name, a.keyName(kind))
			if err := storeKey(store, name, k, encrypt); err != nil {
				return err
			}
			return showKey(a, k, name, seed, encrypt)
		}}
	cmd.Flags().StringVar(&name, "name", "", "name to keep it under (default: default; a cluster key: the lattice)")
	cmd.Flags().BoolVar(&seed, "seed", false, "show the secret seed, too")
	encryptFlag(cmd, &encrypt)
	return cmd
}

func encryptFlag(cmd *cobra.Command, encrypt *bool) {
	cmd.Flags().BoolVar(encrypt, "encrypt", false, "store it encrypted with a passphrase")
}

func storeKey(store *signing.Keystore, name string, k signing.KeyPair, encrypt bool) error {
	if encrypt {
		return store.ImportSealed(name, k)
	}
	return store.Import(name, k)
}

// keyName is the name of the key of a kind that weft uses by itself.
func (a *app) keyName(kind byte) string {
	if kind == signing.KindCluster {
		return or(a.lattice, string(lattice.DefaultName))
	}
	return "default"
}

func showKey(a *app, k signing.KeyPair, name string, seed, encrypted bool) error {
	v := keyView{KeyInfo: signing.KeyInfo{Name: name, Kind: signing.KindName(k.Kind()), Public: k.Public(), Encrypted: encrypted}}
	if seed {
		v.Seed = k.Seed()
	}
	return printKey(a, v)
}

func printKey(a *app, v keyView) error {
	return a.print(v, func(w io.Writer) {
		fields(w, "kind", v.Kind, "name", v.Name, "public", v.Public, "stored", stored(v.KeyInfo), "seed", v.Seed)
	})
}

// stored says how a key is kept, where that is worth saying.
func stored(k signing.KeyInfo) string {
	if k.Encrypted {
		return "encrypted"
	}
	return ""
}

func keyList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the stored keys, without their secrets", Args: exactArgs(0),
		Example: `  weft key list
  weft key list -o json`,
		RunE: func(*cobra.Command, []string) error {
			store, err := a.keys()
			if err != nil {
				return err
			}
			list, err := store.List()
			if err != nil {
				a.say("weft: warning: %v", err)
			}
			if list == nil {
				list = []signing.KeyInfo{}
			}
			return a.print(list, func(w io.Writer) {
				var rows [][]string
				for _, k := range list {
					rows = append(rows, []string{k.Kind, k.Name, k.Public, stored(k)})
				}
				a.table(w, "KIND NAME PUBLIC~ STORED", rows)
			})
		}}
}

func keyShow(a *app) *cobra.Command {
	var seed, next bool
	cmd := &cobra.Command{Use: "show KEY", ValidArgsFunction: keyNames(a), Aliases: []string{"get"}, Short: "Show a stored key", Args: exactArgs(1),
		Long: `KEY is a kind (cluster), a name, both (module/echo), or four characters or more of the public key's beginning. With --seed only the secret
is printed, so that it can be sent to a file.`,
		Example: `  weft key show account
  weft key show cluster --seed > cluster.nk`,
		RunE: func(_ *cobra.Command, args []string) error {
			store, info, err := a.findKey(args[0])
			if err != nil {
				return err
			}
			v := keyView{KeyInfo: info}
			if seed {
				k, err := loadKey(store, info, next)
				if err != nil {
					return err
				}
				v.Public = k.Public()
				if v.Seed = k.Seed(); a.output.textual() {
					_, err := fmt.Fprintln(a.out, v.Seed)
					return err
				}
			}
			return printKey(a, v)
		}}
	cmd.Flags().BoolVar(&seed, "seed", false, "print the secret seed")
	cmd.Flags().BoolVar(&next, "next", false, "with --seed, that of the key to which \"weft key rotate\" is on its way")
	return cmd
}

func loadKey(store *signing.Keystore, info signing.KeyInfo, next bool) (signing.KeyPair, error) {
	kind, err := signing.ParseKind(info.Kind)
	if err != nil {
		return signing.KeyPair{}, err
	}
	r, err := store.LoadRing(kind, info.Name)
	switch {
	case err != nil || !next:
		return r.Signer(), err
	case len(r.Keys) < 2:
		return signing.KeyPair{}, &lattice.Error{Code: lattice.ErrNotFound, Op: "find the next key of", Entity: info.Kind + "/" + info.Name,
			Detail: "no rotation has begun, or it is past that"}
	}
	return r.Keys[1], nil
}

// findKey finds a stored key by what a person says of it, without opening it.
func (a *app) findKey(query string) (*signing.Keystore, signing.KeyInfo, error) {
	store, err := a.keys()
	if err != nil {
		return nil, signing.KeyInfo{}, err
	}
	list, err := store.List()
	if err != nil {
		a.say("weft: warning: %v", err)
	}
	byKind, kindErr := signing.ParseKind(query)
	var all []operate.Candidate
	infos := map[string]signing.KeyInfo{}
	for _, k := range list {
		// a kind means the key that weft uses by itself
		if kindErr == nil && k.Kind == signing.KindName(byKind) && k.Name == a.keyName(byKind) {
			return store, k, nil
		}
		all = append(all, operate.Candidate{ID: k.Public, Names: []string{k.Kind + "/" + k.Name, k.Name, k.Kind}})
		infos[k.Public] = k
	}
	c, err := operate.Resolve("key", query, all)
	return store, infos[c.ID], err
}

func keyImport(a *app) *cobra.Command {
	var name string
	var encrypt bool
	cmd := &cobra.Command{Use: "import FILE", Short: "Store a key whose seed is in a file, or on standard input (-)", Args: exactArgs(1),
		Example: `  weft key import cluster.nk
  ssh first-machine weft key show cluster --seed | weft key import -`,
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := a.readSeed(args[0])
			if err != nil {
				return err
			}
			store, err := a.keys()
			if err != nil {
				return err
			}
			name := or(name, a.keyName(k.Kind()))
			if err := storeKey(store, name, k, encrypt); err != nil {
				return err
			}
			return showKey(a, k, name, false, encrypt)
		}}
	cmd.Flags().StringVar(&name, "name", "", "name to keep it under (default: default; a cluster key: the lattice)")
	encryptFlag(cmd, &encrypt)
	return cmd
}

// readSeed reads a key from a file; "-" is standard input.
func (a *app) readSeed(file string) (signing.KeyPair, error) {
	r, err := a.readRing(file)
	return r.Signer(), err
}

// readRing reads a file that may hold several keys, and be encrypted.
func (a *app) readRing(file string) (signing.Ring, error) {
	text, err := a.readInput(file, signing.MaxKeyFileBytes)
	if err != nil {
		return signing.Ring{}, err
	}
	r, err := signing.OpenRing(string(text), file, a.passphrase)
	if err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// readInput reads a file, or standard input for "-", of at most limit bytes.
func (a *app) readInput(file string, limit int64) ([]byte, error) {
	in := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fileError("read", file, err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fileError("read", file, err)
	}
	if int64(len(data)) > limit {
		return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: "read", Entity: file, Detail: fmt.Sprintf("more than %d bytes", limit)}
	}
	return data, nil
}

// fileError gives a system error the code of its kind.
func fileError(op, file string, err error) error { return localfile.Error(op, file, err) }
