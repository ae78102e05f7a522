package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/scaffold"
	"github.com/weftlattice/weft/lattice"
)

func buildCmd(a *app) *cobra.Command {
	var opts scaffold.BuildOptions
	var out string
	var warm bool
	cmd := &cobra.Command{Use: "build [DIR]", Short: "Build the actor of a project", Args: rangeArgs(0, 1),
		Long: `Compiles the project in DIR (default: the current folder) to build/NAME.wasm. "weft actor start" signs
it. A folder with a Cargo.toml is a Rust crate, which becomes a component (wasm32-wasip2); it needs no actor.yaml.`,
		Example: `  weft build
  weft build ./hello --tinygo
  weft build --warm`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			p, err := scaffold.Open(dir, out)
			if err != nil {
				return err
			}
			a.say("- building %s", p.Name)
			built, err := scaffold.Build(cmd.Context(), p.Dir, p.Out, opts)
			if err != nil {
				return err
			}
			if warm {
				a.say("- compiling for hosts here")
				code, err := os.ReadFile(built.Path)
				if err != nil {
					return err
				}
				if err := host.Warm(cmd.Context(), a.dir.Cache(), code); err != nil {
					return err
				}
			}
			return a.print(struct {
				Name   string `json:"name"`
				File   string `json:"file"`
				Digest string `json:"digest"`
				Bytes  int64  `json:"bytes"`
			}{p.Name, built.Path, built.Digest, built.Size}, func(w io.Writer) {
				printf(w, "built %s (%s)\n\nNext: weft actor start %s\n", built.Path, lattice.Size(built.Size),
					built.Path)
			})
		}}
	cmd.Flags().StringVar(&out, "out", "", "file to write (default: build/NAME.wasm)")
	cmd.Flags().BoolVar(&warm, "warm", false,
		"also compile it to machine code for hosts on this machine, so that the first start takes no time")
	cmd.Flags().BoolVar(&opts.TinyGo, "tinygo", false, "build with TinyGo: a far smaller module, which starts faster")
	cmd.Flags().StringVar(&opts.Target, "target", "", "TinyGo's target (default: wasip1)")
	return cmd
}
