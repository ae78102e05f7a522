package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/scaffold"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// claimFlags are the flags of commands that may sign a module.
func claimFlags(f *pflag.FlagSet, r *operate.SignRequest) {
	f.StringVar(&r.Name, "name", "",
		"actor's name, when the file is unsigned (default: from actor.yaml or the file's name)")
	capVar(f, &r.Caps,
		"contract that the actor may use, when the file is unsigned; may be repeated; "+
			"none is none at all (default: from actor.yaml, else what a component imports and exports, "+
			"or what is usual for a module)")
	f.StringArrayVar(&r.Tags, "tag", nil, "tag in the claims; may be repeated")
	f.Var((*revision)(&r.Revision), "rev",
		"revision; has to grow with each update (default: from actor.yaml, else the time of signing)")
	f.StringVar(&r.Version, "ver", "", "version for people")
	f.StringVar(&r.CallAlias, "call-alias", "", "name by which other actors may call it")
	f.StringVar(&r.Account, "account", "", "name of the account key that signs (default: default)")
	for _, name := range []string{"tag", "ver", "call-alias", "account"} {
		_ = f.MarkHidden(name)
	}
}

// capVar is the flag for contracts that claims grant.
func capVar(f *pflag.FlagSet, to *[]lattice.ContractID, usage string) {
	f.Var(capFlag{idsFlag[lattice.ContractID]{to, false}}, "cap", usage)
}

// capFlag refuses what is the id of no contract.
type capFlag struct{ idsFlag[lattice.ContractID] }

func (c capFlag) Set(text string) error {
	if text != "none" {
		if err := scaffold.CheckCapability(lattice.ContractID(text)); err != nil {
			return err
		}
	}
	return c.idsFlag.Set(text)
}

// claimNames are the flags that say claims, as far as a command has them.
var claimNames = []string{"name", "cap", "tag", "rev", "ver", "call-alias", "account"}

// saidClaims are the flags among names that the user gave.
func saidClaims(f *pflag.FlagSet, names []string) []string {
	var said []string
	for _, name := range names {
		if f.Changed(name) {
			said = append(said, "--"+name)
		}
	}
	return said
}

// revision is a revision on the command line; one that is not given is 0.
type revision int32

func (r *revision) String() string { return strconv.Itoa(int(*r)) }
func (r *revision) Type() string   { return "int32" }
func (r *revision) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("want a number from 1 to %d; leave it away for the default", math.MaxInt32)
	}
	*r = revision(n)
	return nil
}

// explainClaims tells what was signed, and how to grant more.
func explainClaims(a *app, path string, m *operate.Module) {
	signed := "signed"
	if m.Reused {
		signed = "signed earlier"
	}
	grants := cmp.Or(strings.Join(lattice.Texts(m.Claims.Caps), " "), "nothing")
	switch {
	case !m.Signed:
	case m.Project != "":
		if m.CapsSaid {
			grants += ", by --cap"
		}
		a.say("- %s as %s, claims from %s\n  They grant %s", signed, m.Claims.Name, m.Project, grants)
	default:
		if m.Derived {
			grants += ", by what it imports and exports"
		}
		a.say("- %s as %s; its claims grant %s\n  Say otherwise with --cap CONTRACT, or in an actor.yaml beside %s",
			signed, m.Claims.Name, grants, path)
	}
}

// warnClaims tells what may be wrong with claims, where nothing is started.
func warnClaims(a *app, m *operate.Module) {
	for _, doubt := range m.Doubts {
		a.say("- warning: %s", doubt)
	}
}

func signCmd(a *app) *cobra.Command {
	var r operate.SignRequest
	var out string
	var expires time.Duration
	cmd := &cobra.Command{Use: "sign FILE.wasm", Short: "Sign an actor module with your account key",
		Args: exactArgs(1),
		Long: `Writes FILE_s.wasm with signed claims: who made it, what it may use. What the claims say comes from
flags, then from an actor.yaml beside the file or in the folder above. Claims that the file has already are replaced.`,
		Example: `  weft sign app.wasm --name app --cap wasmcloud:httpserver
  weft sign build/app.wasm --out app-1.2.wasm --rev 12 --ver 1.2.0`,
		RunE: func(_ *cobra.Command, args []string) error {
			wasm, err := localfile.Read(args[0], localfile.MaxBytes)
			if err != nil {
				return err
			}
			s, err := a.signer()
			if err != nil {
				return err
			}
			r.Fresh, r.Lifetime = true, expires
			m, err := s.Sign(args[0], wasm, r)
			if err != nil {
				return err
			}
			explainClaims(a, args[0], m)
			warnClaims(a, m)
			out := or(out, strings.TrimSuffix(args[0], ".wasm")+"_s.wasm")
			if err := localfile.Write(out, m.Bytes, 0o644); err != nil {
				return localfile.Error("write", out, err)
			}
			return a.print(struct {
				ID   lattice.ActorID `json:"id"`
				File string          `json:"file"`
				*signing.ActorClaims
			}{m.Claims.Subject, out, m.Claims}, func(w io.Writer) {
				printf(w, "signed %s: %s\n", out, m.Claims.Subject)
			})
		}}
	claimFlags(cmd.Flags(), &r)
	for _, name := range []string{"tag", "ver", "call-alias", "account"} {
		cmd.Flags().Lookup(name).Hidden = false
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write (default: FILE_s.wasm)")
	spanFlag(cmd.Flags(), &expires, "expires", 0, time.Second, "how long the claims hold (default: for ever)")
	return cmd
}
