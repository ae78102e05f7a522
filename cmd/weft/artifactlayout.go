package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
)

func artifactExport(a *app) *cobra.Command {
	return &cobra.Command{Use: "export PATH [NAME:TAG ...]", Short: "Write tagged artifacts as an OCI image layout, for a lattice without a network", Args: rangeArgs(1, -1),
		Long: `PATH is a directory, or a file that ends in .tar. Without NAME:TAG all tags are written. Other tools read it, too:
oras copy --from-oci-layout PATH:NAME:TAG registry/repository:tag`,
		Example: `  weft artifact export stick.tar
  weft artifact export ./layout app:1.2.0 queue:0.3`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			refs, err := d.tagged(cmd.Context(), args[1:])
			if err != nil {
				return err
			}
			layout, err := oci.CreateLayout(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer layout.Abandon()
			out := []pushed{}
			for _, ref := range refs {
				data, err := artifact.Get(cmd.Context(), d.js, d.Name(), ref, 0)
				if err != nil {
					return err
				}
				name := ref.Name + ":" + ref.Tag
				if err := layout.Add(cmd.Context(), name, oci.Artifact{Bytes: data, Name: ref.Name, Version: ref.Tag}); err != nil {
					return err
				}
				out = append(out, pushed{Ref: artifact.Scheme + name, Digest: artifact.Digest(data), Name: ref.Name, File: args[0]})
			}
			if err := layout.Close(); err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				for _, p := range out {
					printf(w, "exported %s\n", strings.TrimPrefix(p.Ref, artifact.Scheme))
				}
			})
		}}
}

// tagged returns what the given tags mean now, or all tags.
func (d depot) tagged(ctx context.Context, texts []string) ([]artifact.Reference, error) {
	if len(texts) == 0 {
		all, err := artifact.List(ctx, d.js, d.Name())
		if err != nil {
			return nil, err
		}
		for _, i := range all {
			texts = append(texts, i.Tags...)
		}
		if len(texts) == 0 {
			return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "export", Entity: string(d.Name()), Detail: "nothing has a tag; set one with: weft artifact tag"}
		}
	}
	var refs []artifact.Reference
	for _, text := range texts {
		ref, err := latticeRef(text)
		if err != nil {
			return nil, err
		}
		if ref.Tag == "" {
			return nil, usage.Errorf("%s has no tag, and would have no name in the layout", text)
		}
		if ref, err = artifact.Resolve(ctx, d.js, d.Name(), ref); err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

func artifactImport(a *app) *cobra.Command {
	return &cobra.Command{Use: "import PATH", Short: "Store what an OCI image layout holds, under the tags that it has there", Args: exactArgs(1),
		Long: `PATH is a directory or a tar file. Images in it that are no actors and no provider archives are passed over. Tags that exist
move.`,
		Example: `  weft artifact import stick.tar
  weft artifact import ./layout`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			out := []pushed{}
			err = oci.ReadLayout(cmd.Context(), args[0], 0, func(name string, got oci.Artifact, err error) error {
				if lattice.CodeOf(err) == lattice.ErrBadModule {
					a.say("- passed over: %v", err)
					return nil
				}
				if err != nil {
					return err
				}
				ref := importedRef(name, got.Name)
				if _, err := d.Push(cmd.Context(), ref.Name, got.Bytes); err != nil {
					return err
				}
				ref.Digest = got.Digest
				if err := artifact.Tag(cmd.Context(), d.js, d.Name(), ref); err != nil {
					return err
				}
				out = append(out, pushed{Ref: artifact.Reference{Name: ref.Name, Tag: ref.Tag}.String(), Digest: ref.Digest, Name: ref.Name})
				return nil
			})
			if err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				for _, p := range out {
					printf(w, "imported %s\n", p.Ref)
				}
				if len(out) == 0 {
					fmt.Fprintln(w, "nothing to import")
				}
			})
		}}
}

// importedRef makes a name and a tag of what an artifact is called in a layout: "echo:1.0", as weft writes it,
// "ghcr.io/acme/echo:1.0", or only "1.0".
func importedRef(name, title string) artifact.Reference {
	last := name[strings.LastIndex(name, "/")+1:]
	base, tag, ok := strings.Cut(last, ":")
	if !ok {
		base, tag = title, last
	}
	return artifact.Reference{Name: artifact.CleanName(base), Tag: artifact.CleanName(tag)}
}
