package main

import (
	"bytes"
	"context"
	"io"
	"path"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
)

func pullCmd(a *app) *cobra.Command {
	var out string
	var reg registryFlags
	cmd := &cobra.Command{Use: "pull REF", Short: "Fetch an actor or a provider archive into a file",
		Args: exactArgs(1),
		Long: `REF is registry/repository:tag or @digest, or lattice://NAME:TAG. What is in the file is verified against the digests, not
against its claims; see: weft inspect FILE`,
		Example: `  weft pull ghcr.io/acme/echo:0.3 --out echo.wasm
  weft pull lattice://app:1.2.0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.secretFlag(cmd, "oci-password")
			var name string
			var data []byte
			res := pushed{Ref: args[0]}
			if artifact.IsReference(args[0]) {
				ref, err := artifact.ParseReference(args[0])
				if err != nil {
					return err
				}
				if data, err = pullFromLattice(a, cmd, ref); err != nil {
					return err
				}
				name = ref.Name
			} else {
				ref, err := oci.ParseReference(args[0])
				if err != nil {
					return err
				}
				got, err := pullFromRegistry(a, cmd.Context(), reg, ref)
				if err != nil {
					return err
				}
				name, data, res.Manifest = path.Base(ref.Repository), got.Bytes, got.Manifest
			}
			res.Name, res.Digest, res.File = name, artifact.Digest(data), or(out, name+extension(data))
			if err := localfile.Write(res.File, data, 0o644); err != nil {
				return localfile.Error("write", res.File, err)
			}
			return a.print(res, func(w io.Writer) {
				printf(w, "wrote %s\n", res.File)
				fields(w, "digest", res.Digest, "manifest", res.Manifest)
			})
		}}
	cmd.Flags().StringVar(&out, "out", "", "file to write (default: the name, with .wasm, .par or .par.gz)")
	reg.flags(cmd.Flags())
	return cmd
}

func pullFromLattice(a *app, cmd *cobra.Command, ref artifact.Reference) ([]byte, error) {
	l, done, err := a.connect(cmd)
	if err != nil {
		return nil, err
	}
	defer done()
	js, err := l.JetStream()
	if err != nil {
		return nil, err
	}
	return artifact.Get(cmd.Context(), js, l.Name(), ref, 0)
}

func pullFromRegistry(a *app, ctx context.Context, reg registryFlags, ref oci.Reference) (oci.Artifact, error) {
	c, err := oci.New(reg.config())
	if err != nil {
		return oci.Artifact{}, err
	}
	defer c.Close()
	return c.Pull(ctx, ref)
}

// extension is how a file of such content is called.
func extension(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\x00asm")):
		return ".wasm"
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		return ".par.gz"
	}
	return ".par"
}
