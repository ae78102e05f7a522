package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/keys"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
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
		Long: `Keys are kept below --data-dir, one a file that only you can read. weft makes those it needs on first
use: your account key signs actors and providers, a module key is an actor's identity, and the cluster key, one per
lattice, signs every invocation. All hosts of a lattice need the same cluster key (or to trust each other's,
--cluster-issuers).

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
	cmd := &cobra.Command{Use: "gen KIND", Short: "Make a key: account, module, provider, host, cluster, ...",
		Args:      exactArgs(1),
		ValidArgs: []string{"account", "module", "provider", "host", "cluster", "operator", "user"},
		Example: `  weft key gen account
  weft key gen module --name echo
  weft key gen cluster --encrypt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := signing.ParseKind(args[0])
			if err != nil {
				return err
			}
			store, err := a.keeper().Store()
			if err != nil {
				return err
			}
			k, err := signing.New(kind)
			if err != nil {
				return err
			}
			name := or(name, keyName(a, kind))
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

// keyName is the name of the key of a kind that is used when no name is given.
func keyName(a *app, kind byte) string { return keys.Name(kind, lattice.Name(a.conn.Lattice)) }

func showKey(a *app, k signing.KeyPair, name string, seed, encrypted bool) error {
	v := keyView{KeyInfo: signing.KeyInfo{Name: name, Kind: signing.KindName(k.Kind()), Public: k.Public(),
		Encrypted: encrypted}}
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
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the stored keys, without their secrets",
		Args: exactArgs(0),
		Example: `  weft key list
  weft key list -o json`,
		RunE: func(*cobra.Command, []string) error {
			store, err := a.keeper().Store()
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
					rows = append(rows, cells(k.Kind, k.Name, k.Public, stored(k)))
				}
				a.table(w, "KIND NAME PUBLIC~ STORED", rows)
			})
		}}
}

func keyShow(a *app) *cobra.Command {
	var seed, next bool
	cmd := &cobra.Command{Use: "show KEY", ValidArgsFunction: keyNames(a), Aliases: []string{"get"},
		Short: "Show a stored key", Args: exactArgs(1),
		Long: `KEY is a kind (cluster), a name, both (module/echo), or four characters or more of the public key's
beginning. With --seed only the secret is printed, so that it can be sent to a file.`,
		Example: `  weft key show account
  weft key show cluster --seed > cluster.nk`,
		RunE: func(_ *cobra.Command, args []string) error {
			info, err := findKey(a, args[0])
			if err != nil {
				return err
			}
			v := keyView{KeyInfo: info}
			if seed {
				k, err := a.keeper().Load(info, next)
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

// findKey finds a stored key by what a person says of it.
func findKey(a *app, query string) (signing.KeyInfo, error) {
	info, damaged, err := a.keeper().Find(query, lattice.Name(a.conn.Lattice))
	if damaged != nil {
		a.say("weft: warning: %v", damaged)
	}
	return info, err
}

func keyImport(a *app) *cobra.Command {
	var name string
	var encrypt bool
	cmd := &cobra.Command{Use: "import FILE", Short: "Store a key whose seed is in a file, or on standard input (-)",
		Args: exactArgs(1),
		Example: `  weft key import cluster.nk
  ssh first-machine weft key show cluster --seed | weft key import -`,
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := a.keeper().ReadSeed(args[0])
			if err != nil {
				return err
			}
			store, err := a.keeper().Store()
			if err != nil {
				return err
			}
			name := or(name, keyName(a, k.Kind()))
			if err := storeKey(store, name, k, encrypt); err != nil {
				return err
			}
			return showKey(a, k, name, false, encrypt)
		}}
	cmd.Flags().StringVar(&name, "name", "", "name to keep it under (default: default; a cluster key: the lattice)")
	encryptFlag(cmd, &encrypt)
	return cmd
}

func keyEncrypt(a *app) *cobra.Command {
	return &cobra.Command{Use: "encrypt KEY...", ValidArgsFunction: keyNames(a),
		Short: "Encrypt stored keys with a passphrase", Args: rangeArgs(1, -1),
		Long: `The file is replaced; copies that were made of it, and what the disk keeps, stay as they are. All keys of
one data directory have one passphrase. To change it: decrypt, then encrypt.

A host that runs as a service reads the passphrase from a file that systemd hands over:
  LoadCredential=weft-passphrase:/etc/weft/passphrase
  Environment=WEFT_KEY_PASSPHRASE_FILE=%d/weft-passphrase`,
		Example: `  weft key encrypt cluster account host
  weft key encrypt module/echo --key-passphrase-file ~/.weft-passphrase`,
		RunE: func(_ *cobra.Command, args []string) error { return recrypt(a, args, (*signing.Keystore).Encrypt) }}
}

func keyDecrypt(a *app) *cobra.Command {
	return &cobra.Command{Use: "decrypt KEY...", ValidArgsFunction: keyNames(a),
		Short: "Store encrypted keys in the clear again", Args: rangeArgs(1, -1),
		Example: `  weft key decrypt cluster
  weft key decrypt account host`,
		RunE: func(_ *cobra.Command, args []string) error { return recrypt(a, args, (*signing.Keystore).Decrypt) }}
}

// recrypt changes how keys are stored.
func recrypt(a *app, queries []string, change func(s *signing.Keystore, kind byte, name string) error) error {
	views := []signing.KeyInfo{}
	for _, q := range queries {
		info, err := findKey(a, q)
		if err != nil {
			return err
		}
		if info, err = a.keeper().Recrypt(info, change); err != nil {
			return err
		}
		views = append(views, info)
	}
	return a.print(views, func(w io.Writer) {
		for _, k := range views {
			printf(w, "%s/%s is stored %s\n", k.Kind, k.Name, or(stored(k), "in the clear"))
		}
	})
}

func keyRotate(a *app) *cobra.Command {
	var file, next string
	var hosts int
	var timeout time.Duration
	cmd := &cobra.Command{Use: "rotate cluster", Short: "Bring a lattice to a new cluster key, without a call refused",
		Args:      exactArgs(1),
		ValidArgs: []string{"cluster"},
		Long: `In three steps, each begun when every host has confirmed the one before: all trust the new key, all sign
with it, the old one is dropped. Where that stands is kept beside the key, so the command can be interrupted and run
again.

Seeds do not travel over NATS. On each machine whose hosts read a key of their own, run the same command at the same
time with the same new key; each waits for the others:

  first$  weft key gen cluster --name next && weft key show cluster/next --seed > new.nk
          copy new.nk to second, then on both:
  first$  weft key rotate cluster --new new.nk
  second$ weft key rotate cluster --new new.nk

Hosts that were started with --cluster-seed-file FILE need --file FILE. Hosts that have their seed from the environment
or an option cannot follow. The account key has no command of its own: see "Keys and rotation" in docs/security.md.`,
		Example: `  weft key rotate cluster                                  # one machine
  weft key rotate cluster --new new.nk --hosts 5           # one of several; the lattice has five hosts
  weft key rotate cluster --file /etc/weft/cluster.nk --new new.nk`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind, err := signing.ParseKind(args[0]); err != nil || kind != signing.KindCluster {
				return usage.Errorf("%s: only the cluster key is rotated by a command; for others see docs/security.md",
					cmd.UseLine())
			}
			r := operate.Rotation{Hosts: hosts}
			var err error
			if next != "" {
				if r.Next, err = a.keeper().ReadSeed(next); err != nil {
					return err
				}
			}
			l, done, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer done()
			r.File = keys.File{Keeper: a.keeper(), Lattice: l.Name(), Path: file}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			v, err := l.RotateCluster(ctx, r)
			if err != nil {
				return err
			}
			return a.print(v, func(w io.Writer) {
				printf(w, "rotated: lattice %s has the cluster key %s\n", l.Name(), v.Now)
				fields(w, "  before", v.Before, "  hosts", strings.Join(v.Hosts, ", "))
			})
		}}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "seed file that hosts were given, instead of the key in the data directory")
	f.StringVar(&next, "new", "", "file with the new seed; - is standard input (default: a new key)")
	countFlag(f, &hosts, "hosts", "", "go on only when so many hosts answer")
	spanFlag(f, &timeout, "timeout", 5*time.Minute, 1, "how long to wait for all hosts")
	return cmd
}
