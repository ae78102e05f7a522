package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
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

func openDepot(a *app, cmd *cobra.Command) (*operate.Depot, func(), error) {
	l, done, err := a.connect(cmd)
	if err != nil {
		return nil, nil, err
	}
	d, err := l.Depot()
	if err != nil {
		done()
		return nil, nil, err
	}
	return d, done, nil
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
		rows = append(rows, cells(v.Name, or(strings.Join(tags, ","), "-"), v.Kind,
			lattice.Size(int64(v.SizeBytes)), v.Pushed.Format(minute), v.Digest))
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
			all, err := d.List(cmd.Context())
			if err != nil {
				return err
			}
			out := viewArtifacts(all)
			return a.print(out, func(w io.Writer) { artifactTable(a, w, out) })
		}}
}

func artifactTag(a *app) *cobra.Command {
	return &cobra.Command{Use: "tag REF TAG", Short: "Make a tag mean what a reference means now", Args: exactArgs(2),
		Long: `REF is NAME:TAG or NAME@sha256:HEX. TAG is a tag of the same name, or NAME:TAG. A tag that exists moves;
hosts that run what it meant before go on with it.`,
		Example: `  weft artifact tag app:1.2.0 stable
  weft artifact tag app@sha256:4bf5... 1.2.1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, to, err := operate.ReadTags(args[0], args[1])
			if err != nil {
				return err
			}
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			if to, err = d.Tag(cmd.Context(), from, to); err != nil {
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
			ref, err := operate.ReadTag(args[0])
			if err != nil {
				return err
			}
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			if err := d.Untag(cmd.Context(), ref); err != nil {
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
		Long: `Removes artifacts that no tag means and no actor or provider in the lattice was started from. Hosts that
are cut off at this moment do not count, but they have what they run in their own cache.`,
		Example: `  weft artifact gc --dry-run
  weft artifact gc --older-than 168h`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			removed, all, err := d.Collect(cmd.Context(), older, dry)
			if err != nil {
				return err
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
	spanFlag(cmd.Flags(), &older, "older-than", 10*time.Minute, 0,
		"keep what was pushed later than so long ago, since it may be about to be started")
	return cmd
}

func artifactExport(a *app) *cobra.Command {
	return &cobra.Command{Use: "export PATH [NAME:TAG ...]",
		Short: "Write tagged artifacts as an OCI image layout, for a lattice without a network", Args: rangeArgs(1, -1),
		Long: `PATH is a directory, or a file that ends in .tar. Without NAME:TAG all tags are written. Other tools read
it, too: oras copy --from-oci-layout PATH:NAME:TAG registry/repository:tag`,
		Example: `  weft artifact export stick.tar
  weft artifact export ./layout app:1.2.0 queue:0.3`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			refs, err := d.Export(cmd.Context(), args[0], args[1:], described)
			if err != nil {
				return err
			}
			out := []pushed{}
			for _, ref := range refs {
				p := tagged(ref)
				p.File = args[0]
				out = append(out, p)
			}
			return a.print(out, func(w io.Writer) {
				for _, p := range out {
					printf(w, "exported %s\n", strings.TrimPrefix(p.Ref, artifact.Scheme))
				}
			})
		}}
}

// tagged is a version in the lattice's store as the commands show it.
func tagged(ref artifact.Reference) pushed {
	return pushed{Ref: artifact.Reference{Name: ref.Name, Tag: ref.Tag}.String(), Digest: ref.Digest, Name: ref.Name}
}

func artifactImport(a *app) *cobra.Command {
	return &cobra.Command{Use: "import PATH",
		Short: "Store what an OCI image layout holds, under the tags that it has there", Args: exactArgs(1),
		Long: `PATH is a directory or a tar file. Images in it that are no actors and no provider archives are passed
over. Tags that exist move.`,
		Example: `  weft artifact import stick.tar
  weft artifact import ./layout`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, done, err := openDepot(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			refs, err := d.Import(cmd.Context(), args[0], func(err error) { a.say("- passed over: %v", err) })
			if err != nil {
				return err
			}
			out := []pushed{}
			for _, ref := range refs {
				out = append(out, tagged(ref))
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
