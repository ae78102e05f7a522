package main

import (
	"cmp"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

func parCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "par", Short: "Make and inspect provider archives",
		Long: `A provider archive holds one provider's executables, one for each kind of machine (target), and signed
claims that say what it is. It ends in .par, or .par.gz when it is compressed.`,
		Example: `  weft par create ./queue --contract acme:queue --vendor Acme --version 0.3.0
  weft par insert queue.par.gz ./queue-arm64 --target aarch64-linux`}
	cmd.AddCommand(parCreate(a), parInsert(a), parInspect(a))
	return cmd
}

// readExecutable reads what goes into an archive; - is standard input.
func readExecutable(a *app, file string) ([]byte, error) {
	data, err := a.readInput(file, localfile.MaxBytes)
	if err != nil {
		return nil, err
	}
	return data, operate.IsExecutable(file, data)
}

// parView is an archive as the commands show it.
type parView struct {
	File    string                  `json:"file"`
	ID      lattice.ProviderID      `json:"id"`
	Targets []string                `json:"targets"`
	Claims  *signing.ProviderClaims `json:"claims"`
}

func (v parView) text(w io.Writer) {
	c := v.Claims
	notBefore, expires := c.HumanTimes()
	fields(w, "file", v.File, "id", v.ID, "name", c.Name, "contract", c.ContractID, "vendor", c.Vendor,
		"version", c.Version,
		"revision", c.EffectiveRevision(), "issuer", c.Issuer, "valid from", notBefore, "expires",
		expires,
		"targets", strings.Join(v.Targets, ", "))
	for _, t := range v.Targets {
		fields(w, "hash "+t, c.TargetHashes[t])
	}
}

func viewPar(file string, archive *signing.Archive) parView {
	return parView{file, archive.Claims.Subject, archive.Targets(), archive.Claims}
}

func parInspect(a *app) *cobra.Command {
	return &cobra.Command{Use: "inspect FILE", Short: "Verify an archive and show its claims and targets",
		Args: exactArgs(1),
		Example: `  weft par inspect queue.par.gz
  weft par inspect queue.par -o json`,
		RunE: func(_ *cobra.Command, args []string) error {
			archive, err := operate.OpenArchive(args[0])
			if err != nil {
				return err
			}
			v := viewPar(args[0], archive)
			return a.print(v, v.text)
		}}
}

func parCreate(a *app) *cobra.Command {
	var c signing.ProviderClaims
	var target, out, account, key, schema string
	cmd := &cobra.Command{Use: "create EXECUTABLE", Short: "Make a signed archive of an executable", Args: exactArgs(1),
		Example: `  weft par create ./queue --contract acme:queue --vendor Acme
  weft par create ./queue --contract acme:queue --rev 3 --version 0.3.0 --out dist/queue.par`,
		RunE: func(_ *cobra.Command, args []string) error {
			if c.ContractID == "" {
				return usage.Errorf("an archive needs a contract, for example: --contract acme:queue")
			}
			bin, err := readExecutable(a, args[0])
			if err != nil {
				return err
			}
			if c.Name == "" {
				c.Name = strings.TrimSuffix(filepath.Base(args[0]), ".exe")
			}
			if schema != "" {
				text, err := a.readInput(schema, 1<<20)
				if err != nil {
					return err
				}
				c.ConfigSchema = json.RawMessage(text)
			}
			issuer, err := a.keeper().Account(account)
			if err != nil {
				return err
			}
			service, err := a.keeper().Provider(cmp.Or(key, c.Name))
			if err != nil {
				return err
			}
			return writePar(a, cmp.Or(out, operate.KeyName(c.Name)+".par.gz"), c, issuer, service,
				map[string][]byte{target: bin})
		}}
	f := cmd.Flags()
	f.StringVar(&c.Name, "name", "", "name of the provider (default: the file's)")
	idVar(f, &c.ContractID, "contract", "", "contract that it serves; required")
	f.StringVar(&c.Vendor, "vendor", "", "who made it")
	f.Var((*revision)(&c.Revision), "rev", "revision; grows with each release")
	f.StringVar(&c.Version, "version", "", "version for people")
	f.StringVar(&schema, "schema", "", "file with the JSON schema of its configuration")
	f.StringVar(&target, "target", signing.CurrentTarget(), "kind of machine that the executable is for")
	f.StringVar(&out, "out", "", "file to write (default: NAME.par.gz)")
	f.StringVar(&account, "account", "", "name of the account key that signs (default: default)")
	f.StringVar(&key, "key", "", "name of the provider's key (default: its name)")
	return cmd
}

func parInsert(a *app) *cobra.Command {
	var target, out, account string
	cmd := &cobra.Command{Use: "insert FILE EXECUTABLE",
		Short: "Add the executable for another kind of machine to an archive", Args: exactArgs(2),
		Long: `The claims stay as they are, and so does the provider's key, which has to be among yours, and the
account's, unless --account names another. An executable for the same target is replaced.`,
		Example: `  weft par insert queue.par.gz ./queue-arm64 --target aarch64-linux
  weft par insert queue.par.gz ./queue-mac --target aarch64-macos --out all.par.gz`,
		RunE: func(_ *cobra.Command, args []string) error {
			archive, err := operate.OpenArchive(args[0])
			if err != nil {
				return err
			}
			bin, err := readExecutable(a, args[1])
			if err != nil {
				return err
			}
			claims, bins, err := operate.Insert(archive, target, bin)
			if err != nil {
				return err
			}
			service, issuer, err := a.keeper().Renewing(archive.Claims, account)
			if err != nil {
				return err
			}
			return writePar(a, cmp.Or(out, args[0]), claims, issuer, service, bins)
		}}
	cmd.Flags().StringVar(&target, "target", signing.CurrentTarget(), "kind of machine that the executable is for")
	cmd.Flags().StringVar(&out, "out", "", "file to write (default: FILE itself)")
	cmd.Flags().StringVar(&account, "account", "", "name of another account key that signs from now on")
	return cmd
}

// writePar writes an archive, compressed unless its name ends in .par, and shows it.
func writePar(a *app, file string, c signing.ProviderClaims, account, service signing.KeyPair,
	bins map[string][]byte) error {
	archive, err := operate.WriteArchive(file, c, account, service, bins)
	if err != nil {
		return err
	}
	v := viewPar(file, archive)
	return a.print(v, func(w io.Writer) {
		printf(w, "wrote %s: %s for %s\n", file, v.ID, strings.Join(v.Targets, ", "))
	})
}
