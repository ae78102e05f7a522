package main

import (
	"bytes"
	"context"
	"io"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
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
	ref, err := oci.ParseReference(text)
	if err != nil {
		return oci.Artifact{}, err
	}
	got, err := pullFromRegistry(a, cmd.Context(), reg, ref)
	got.Name = path.Base(ref.Repository)
	return got, err
}

// adopt fetches a module without claims from a registry, as tools push them that know none, signs it as if it were a
// file, and puts it into the lattice. It returns the reference there.
func adopt(a *app, cmd *cobra.Command, l *operate.Lattice, s *operate.Signer, reg registryFlags, text string,
	r operate.SignRequest) (string, *operate.Module, error) {
	got, err := pullAny(a, cmd, reg, text)
	if err != nil {
		return "", nil, err
	}
	a.say("- %s has no claims: it is signed here", lattice.Printable(text))
	m, err := s.Sign(filepath.Join(a.dir.Signed(), got.Name+".wasm"), got.Bytes, r) // no project file lies there
	if err != nil {
		return "", nil, err
	}
	explainClaims(a, text, m)
	ref, err := l.Push(cmd.Context(), m.Claims.Name, m.Bytes)
	return ref, m, err
}

// unsigned reports whether a host refused something of a registry for want of claims.
func unsigned(err error, ref string) bool {
	if lattice.CodeOf(err) != lattice.ErrUnsigned || operate.IsLocal(ref) || artifact.IsReference(ref) {
		return false
	}
	_, bad := oci.ParseReference(ref)
	return bad == nil
}

func pullFromLattice(a *app, cmd *cobra.Command, ref artifact.Reference) ([]byte, error) {
	d, done, err := openDepot(a, cmd)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.Get(cmd.Context(), ref)
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
