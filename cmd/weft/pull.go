package main

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
)

func pullCmd(a *app) *cobra.Command {
	var out string
	var reg registryFlags
	cmd := &cobra.Command{Use: "pull REF", Short: "Fetch an actor or a provider archive into a file",
		Args: exactArgs(1),
		Long: `REF is registry/repository:tag or @digest, or lattice://NAME:TAG. What is in the file is verified against
the digests, not against its claims; see: weft inspect FILE`,
		Example: `  weft pull ghcr.io/acme/echo:0.3 --out echo.wasm
  weft pull lattice://app:1.2.0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.secretFlag(cmd, "oci-password")
			got, err := pullAny(a, cmd, reg, args[0])
			if err != nil {
				return err
			}
			res := pushed{Ref: args[0], Manifest: got.Manifest, Name: got.Name, Digest: artifact.Digest(got.Bytes),
				File: or(out, got.Name+extension(got.Bytes))}
			if err := localfile.Write(res.File, got.Bytes, 0o644); err != nil {
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

// pullAny fetches what a reference of the lattice's store or of a registry means. Its name is that of the reference.
func pullAny(a *app, cmd *cobra.Command, reg registryFlags, text string) (oci.Artifact, error) {
	if artifact.IsReference(text) {
		ref, err := artifact.ParseReference(text)
		if err != nil {
			return oci.Artifact{}, err
		}
		data, err := pullFromLattice(a, cmd, ref)
		return oci.Artifact{Bytes: data, Name: ref.Name}, err
	}
	return operate.FromRegistry(cmd.Context(), reg.config(), text)
}

func pullFromLattice(a *app, cmd *cobra.Command, ref artifact.Reference) ([]byte, error) {
	d, done, err := openDepot(a, cmd)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.Get(cmd.Context(), ref)
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
