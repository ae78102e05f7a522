package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
)

func artifactCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "artifact", Aliases: []string{"artifacts"},
		Short: "Look after the lattice's own store of actors and providers",
		Long: `Every file that is started or pushed is kept in the lattice, under its digest. Tags name versions of it:
lattice://NAME:TAG starts the one that the tag means.`,
		Example: `  weft artifact list
  weft artifact tag app:1.2.0 stable`}
	cmd.AddCommand(artifactList(a), artifactTag(a), artifactUntag(a), artifactGC(a), artifactExport(a),
		artifactImport(a))
	return cmd
}

// depot is the lattice's store.
type depot struct {
	*operate.Lattice
	js jetstream.JetStream
}

func openDepot(a *app, cmd *cobra.Command) (depot, func(), error) {
	l, done, err := a.connect(cmd)
	if err != nil {
		return depot{}, nil, err
	}
	js, err := l.JetStream()
	if err != nil {
		done()
		return depot{}, nil, err
	}
	return depot{l, js}, done, nil
}

// latticeRef reads NAME:TAG, with or without lattice:// in front.
func latticeRef(text string) (artifact.Reference, error) {
	return artifact.ParseReference(artifact.Scheme + strings.TrimPrefix(text, artifact.Scheme))
}

// artifactView is a stored artifact as the commands show it.
type artifactView struct {
	Name      string    `json:"name"`
	Tags      []string  `json:"tags"`
	Kind      string    `json:"kind"`
	SizeBytes uint64    `json:"size_bytes"`
	Pushed    time.Time `json:"pushed"`
	Digest    string    `json:"digest"`
}

func viewArtifacts(all []artifact.Info) []artifactView {
	out := []artifactView{}
	for _, i := range all {
		v := artifactView{i.Name, []string{}, i.Kind, i.SizeBytes, i.Pushed, i.Digest}
		v.Tags = append(v.Tags, i.Tags...)
		out = append(out, v)
	}
	return out
}

func artifactTable(a *app, w io.Writer, all []artifactView) {
	var rows [][]string
	for _, v := range all {
		var tags []string
		for _, t := range v.Tags {
			tags = append(tags, strings.TrimPrefix(t, v.Name+":")) // the name of the first push may be another
		}
		rows = append(rows, []string{v.Name, or(strings.Join(tags, ","), "-"), v.Kind,
			lattice.Size(int64(v.SizeBytes)), v.Pushed.Format(minute), v.Digest})
	}
	a.table(w, "NAME TAGS KIND SIZE PUSHED DIGEST~", rows)
}

func artifactList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List what is stored", Args: exactArgs(0),
		Example: `  weft artifact list
  weft artifact list -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			all, err := artifact.List(cmd.Context(), d.js, d.Name())
			if err != nil {
				return err
			}
			out := viewArtifacts(all)
			return a.print(out, func(w io.Writer) { artifactTable(a, w, out) })
		}}
}

func artifactTag(a *app) *cobra.Command {
	return &cobra.Command{Use: "tag REF TAG", Short: "Make a tag mean what a reference means now", Args: exactArgs(2),
		Long: `REF is NAME:TAG or NAME@sha256:HEX. TAG is a tag of the same name, or NAME:TAG. A tag that exists moves; hosts that run what
it meant before go on with it.`,
		Example: `  weft artifact tag app:1.2.0 stable
  weft artifact tag app@sha256:4bf5... 1.2.1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := latticeRef(args[0])
			if err != nil {
				return err
			}
			text := strings.TrimPrefix(args[1], artifact.Scheme)
			if !strings.Contains(text, ":") {
				text = from.Name + ":" + text
			}
			to, err := latticeRef(text)
			if err != nil {
				return err
			}
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			if from, err = artifact.Resolve(cmd.Context(), d.js, d.Name(), from); err != nil {
				return err
			}
			to.Digest = from.Digest
			if err := artifact.Tag(cmd.Context(), d.js, d.Name(), to); err != nil {
				return err
			}
			return a.print(pushed{Ref: to.String(), Digest: to.Digest, Name: to.Name}, func(w io.Writer) {
				printf(w, "%s:%s is %s\n", to.Name, to.Tag, to.Digest)
			})
		}}
}

func artifactUntag(a *app) *cobra.Command {
	return &cobra.Command{Use: "untag NAME:TAG", Short: "Remove a tag; what it means stays until \"weft artifact gc\"",
		Args: exactArgs(1),
		Example: `  weft artifact untag app:1.0.0
  weft artifact untag lattice://app:stable`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := latticeRef(args[0])
			if err != nil {
				return err
			}
			if ref.Tag == "" {
				return usage.Errorf("%s has no tag", args[0])
			}
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			if err := artifact.Untag(cmd.Context(), d.js, d.Name(), ref); err != nil {
				return err
			}
			return a.print(pushed{Ref: ref.String(), Name: ref.Name},
				func(w io.Writer) { printf(w, "untagged %s:%s\n", ref.Name, ref.Tag) })
		}}
}

func artifactGC(a *app) *cobra.Command {
	var dry bool
	var older time.Duration
	cmd := &cobra.Command{Use: "gc", Short: "Remove what has no tag and runs nowhere", Args: exactArgs(0),
		Long: `Removes artifacts that no tag means and no actor or provider in the lattice was started from. Hosts that are cut off at this
moment do not count, but they have what they run in their own cache.`,
		Example: `  weft artifact gc --dry-run
  weft artifact gc --older-than 168h`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			all, err := artifact.List(cmd.Context(), d.js, d.Name())
			if err != nil {
				return err
			}
			v, err := d.View(cmd.Context())
			if err != nil {
				return err
			}
			unused := artifact.Unused(all, runningRefs(v), time.Now().Add(-older))
			removed := []artifact.Info{}
			for _, i := range unused {
				if !dry {
					err := artifact.Delete(cmd.Context(), d.js, d.Name(), i.Reference)
					if errors.Is(err, lattice.ErrNotFound) {
						continue // somebody else was faster
					}
					if err != nil {
						return err
					}
				}
				removed = append(removed, i)
			}
			out := viewArtifacts(removed)
			return a.print(out, func(w io.Writer) {
				var total uint64
				for _, v := range out {
					total += v.SizeBytes
				}
				verb := "removed"
				if dry {
					verb = "would remove"
				}
				if len(out) > 0 {
					artifactTable(a, w, out)
				}
				printf(w, "%s %d of %d, %s\n", verb, len(out), len(all), lattice.Size(int64(total)))
			})
		}}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only show what would be removed")
	cmd.Flags().DurationVar(&older, "older-than", 10*time.Minute,
		"keep what was pushed later than so long ago, since it may be about to be started")
	return cmd
}

// runningRefs are the references that anything in the lattice was started from.
func runningRefs(v *operate.View) []string {
	var refs []string
	for _, h := range v.Hosts {
		for _, x := range h.Actors {
			refs = append(refs, x.ImageRef)
		}
		for _, p := range h.Providers {
			refs = append(refs, p.ImageRef)
		}
	}
	return refs
}

func artifactExport(a *app) *cobra.Command {
	return &cobra.Command{Use: "export PATH [NAME:TAG ...]",
		Short: "Write tagged artifacts as an OCI image layout, for a lattice without a network", Args: rangeArgs(1, -1),
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
				what, err := described(oci.Artifact{Bytes: data, Name: ref.Name, Version: ref.Tag})
				if err != nil {
					return err
				}
				if err := layout.Add(cmd.Context(), name, what); err != nil {
					return err
				}
				out = append(out, pushed{Ref: artifact.Scheme + name, Digest: artifact.Digest(data), Name: ref.Name,
					File: args[0]})
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
			return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "export", Entity: string(d.Name()),
				Detail: "nothing has a tag; set one with: weft artifact tag"}
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
	return &cobra.Command{Use: "import PATH",
		Short: "Store what an OCI image layout holds, under the tags that it has there", Args: exactArgs(1),
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
				out = append(out, pushed{Ref: artifact.Reference{Name: ref.Name, Tag: ref.Tag}.String(),
					Digest: ref.Digest, Name: ref.Name})
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
