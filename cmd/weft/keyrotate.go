package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice/signing"
)

// ringFile is the cluster key that a machine's hosts read: in the key store, or a file of its own.
type ringFile struct {
	app   *app
	store *signing.Keystore
	name  string
	path  string // instead of store and name
}

func (f ringFile) Load() (signing.Ring, error) {
	if f.path != "" {
		return f.app.readRing(f.path)
	}
	return f.store.LoadRing(signing.KindCluster, f.name)
}

func (f ringFile) Save(r signing.Ring) error {
	if f.path != "" {
		return signing.ReplaceKeyFile(f.path, r, f.app.passphrase)
	}
	return f.store.Replace(f.name, r)
}

func keyRotate(a *app) *cobra.Command {
	var file, next string
	var hosts int
	var timeout time.Duration
	cmd := &cobra.Command{Use: "rotate cluster", Short: "Bring a lattice to a new cluster key, without a call refused", Args: exactArgs(1),
		ValidArgs: []string{"cluster"},
		Long: `In three steps, each begun when every host has confirmed the one before: all trust the new key, all sign with it, the old
one is dropped. Where that stands is kept beside the key, so the command can be interrupted and run again.

Seeds do not travel over NATS. On each machine whose hosts read a key of their own, run the same command at the same time
with the same new key; each waits for the others:

  first$  weft key gen cluster --name next && weft key show cluster/next --seed > new.nk
          copy new.nk to second, then on both:
  first$  weft key rotate cluster --new new.nk
  second$ weft key rotate cluster --new new.nk

Hosts that were started with --cluster-seed-file FILE need --file FILE. Hosts that have their seed from the environment or
an option cannot follow. The account key has no command of its own: see "Keys and rotation" in docs/security.md.`,
		Example: `  weft key rotate cluster                                  # one machine
  weft key rotate cluster --new new.nk --hosts 5           # one of several; the lattice has five hosts
  weft key rotate cluster --file /etc/weft/cluster.nk --new new.nk`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if kind, err := signing.ParseKind(args[0]); err != nil || kind != signing.KindCluster {
				return usagef("%s: only the cluster key is rotated by a command; for others see docs/security.md", cmd.UseLine())
			}
			r := operate.Rotation{Hosts: hosts}
			store, err := a.keys()
			if err != nil {
				return err
			}
			if next != "" {
				if r.Next, err = a.readSeed(next); err != nil {
					return err
				}
			}
			l, done, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer done()
			// connecting may have told the lattice's name
			r.File = ringFile{a, store, a.keyName(signing.KindCluster), file}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			v, err := l.RotateCluster(ctx, r)
			if err != nil {
				return err
			}
			return a.print(v, func(w io.Writer) {
				printf(w, "rotated: lattice %s has the cluster key %s\n", a.keyName(signing.KindCluster), v.Now)
				fields(w, "  before", v.Before, "  hosts", strings.Join(v.Hosts, ", "))
			})
		}}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "seed file that hosts were given, instead of the key in the data directory")
	f.StringVar(&next, "new", "", "file with the new seed; - is standard input (default: a new key)")
	f.IntVar(&hosts, "hosts", 0, "go on only when so many hosts answer")
	f.DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait for all hosts")
	return cmd
}

func hostReload(a *app) *cobra.Command {
	var all bool
	var w waiting
	cmd := &cobra.Command{Use: "reload HOST", ValidArgsFunction: completer(a, hostNames), Short: "Let a host read its keys and credentials again", Args: rangeArgs(0, 1),
		Long: `The host reads its cluster keys and NATS credentials again from the files that it was started with, and takes over what has
changed without losing a call, its providers too. SIGHUP does the same to a host without a terminal.`,
		Example: `  weft host reload edge-1
  weft host reload --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return usagef("want a host or --all: %s", cmd.UseLine())
			}
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			list, err := l.Reload(ctx, strings.Join(args, ""))
			if list == nil {
				return err
			}
			if printErr := a.print(list, func(out io.Writer) {
				for _, h := range list {
					printf(out, "%s: %s\n", h.Name, or(strings.Join(h.Changed, "; "), "nothing has changed"))
				}
			}); printErr != nil {
				return printErr
			}
			return err
		}}
	cmd.Flags().BoolVar(&all, "all", false, "all hosts of the lattice, one after another")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 3*time.Minute, "how long calls in progress may take")
	return cmd
}
