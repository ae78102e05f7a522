package main

import (
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/scaffold"
	"github.com/weftlattice/weft/internal/deploy/usage"
)

func newCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "new", Short: "Make a project", Example: `  weft new actor hello
  weft new actor hello --module github.com/me/hello`}
	cmd.AddCommand(newActor(a))
	return cmd
}

func newActor(a *app) *cobra.Command {
	var dir, module string
	kind := choice{scaffold.Templates[0], scaffold.Templates}
	cmd := &cobra.Command{Use: "actor NAME", Short: "Make the project of an actor in Go, or of a component in Rust",
		Args: exactArgs(1),
		Long: `Makes a folder that builds, runs and tests as it is and without a network: sources, a test, actor.yaml,
and the SDK itself. With --template component-rust it is a WASI 0.2 component: sources and Cargo.toml, whose crates come
from the network, and no test. docs/components.md shows how one uses more than HTTP.`,
		Example: `  weft new actor hello
  weft new actor hello --dir services/hello --module github.com/me/hello
  weft new actor edge --template component-rust`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := scaffold.CheckName(args[0]); err != nil {
				return usage.Error{Err: err}
			}
			if module != "" && kind.value != scaffold.Templates[0] {
				return usage.Errorf("--module is the path of a Go module, and %s makes none; leave it out", kind.value)
			}
			dir := or(dir, args[0])
			if err := scaffold.New(dir, args[0], scaffold.Options{Module: module, Template: kind.value}); err != nil {
				return err
			}
			abs, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			return a.print(struct {
				Name string `json:"name"`
				Dir  string `json:"dir"`
			}{args[0], abs}, func(w io.Writer) {
				if kind.value != scaffold.Templates[0] {
					printf(w, "made %s\n\nNext:\n  cd %s\n  weft dev         # builds, runs, "+
						"and updates it as you edit\n", abs, dir)
					return
				}
				printf(w, "made %s\n\nNext:\n  cd %s\n  go test ./...    # runs without a lattice\n"+
					"  weft dev         # builds, runs, and updates it as you edit\n", abs, dir)
			})
		}}
	cmd.Flags().StringVar(&dir, "dir", "", "folder to make (default: NAME)")
	cmd.Flags().Var(&kind, "template", "what it is made of: "+strings.Join(scaffold.Templates, ", "))
	cmd.Flags().StringVar(&module, "module", "", "path of the Go module (default: example.com/NAME)")
	return cmd
}
