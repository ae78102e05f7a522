package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
	"github.com/weftlattice/weft/lattice/signing"
)

// pushed is what push and pull report.
type pushed struct {
	Ref      string `json:"ref"`                // starts it on a host
	Digest   string `json:"digest"`             // of the content
	Manifest string `json:"manifest,omitempty"` // digest of a registry's manifest
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	File     string `json:"file,omitempty"`
}

func pushCmd(a *app) *cobra.Command {
	var r operate.SignRequest
	var tag string
	var reg registryFlags
	cmd := &cobra.Command{Use: "push FILE [REF]",
		Short: "Put an actor or a provider archive into the lattice or a registry", Args: rangeArgs(1, 2),
		Long: `Without REF the file goes into the lattice's own store, where lattice://NAME:TAG starts it on any host.
NAME is the one in the claims, TAG is --tag or else the version in the claims. REF is registry/repository:tag, or
lattice://NAME:TAG.

A module without claims is signed first, as "weft actor start" does; without a revision of its own, each push is a new
one, to which what runs can be updated. A tag that exists moves. An executable becomes an archive with "weft par
create".`,
		Example: `  weft push app.wasm --tag 1.2.0                 # then: weft actor start lattice://app:1.2.0
  weft push queue.par.gz ghcr.io/acme/queue:0.3`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.secretFlag(cmd, "oci-password")
			r.Release = true
			r.Flags = saidClaims(cmd.Flags(), []string{"name", "cap", "rev", "ver"}) // --tag is that of the store
			what, err := operate.Pack(args[0], a.signer, r)
			if err != nil {
				return err
			}
			if what.Module != nil {
				explainClaims(a, args[0], what.Module)
				warnClaims(a, what.Module)
			}
			if what.Artifact, err = described(what.Artifact); err != nil {
				return err
			}
			var out pushed
			switch {
			case len(args) == 1:
				out, err = pushToLattice(a, cmd, artifact.Reference{Name: artifact.CleanName(what.Name),
					Tag: or(tag, versionTag(what.Version))}, what)
			case tag != "":
				return usage.Errorf("--tag is for the lattice's store; REF has its own")
			case artifact.IsReference(args[1]):
				var ref artifact.Reference
				if ref, err = artifact.ParseReference(args[1]); err != nil {
					return err
				}
				out, err = pushToLattice(a, cmd, ref, what)
			default:
				out, err = pushToRegistry(a, cmd.Context(), reg, args[1], what)
			}
			if err != nil {
				return err
			}
			out.ID, out.Name = what.ID, what.Name
			return a.print(out, func(w io.Writer) {
				printf(w, "pushed %s\n", out.Ref)
				fields(w, "digest", out.Digest, "manifest", out.Manifest)
			})
		}}
	f := cmd.Flags()
	f.StringVar(&tag, "tag", "", "tag in the lattice's store (default: the version in the claims)")
	f.StringVar(&r.Name, "name", "",
		"actor's name, when the file is unsigned (default: from actor.yaml or the file's name)")
	capVar(f, &r.Caps,
		"contract that the actor may use, when the file is unsigned; may be repeated; none is none at all (default: "+
			"as for sign)")
	f.Var((*revision)(&r.Revision), "rev",
		"revision, when the file is unsigned (default: from actor.yaml, else the time)")
	f.StringVar(&r.Version, "ver", "", "version for people, when the file is unsigned")
	reg.accessFlags(f)
	return cmd
}

// versionTag is a version as a tag; none for none.
func versionTag(version string) string {
	if version == "" {
		return ""
	}
	return artifact.CleanName(version)
}

// described adds what the configuration of a component says of it.
func described(what oci.Artifact) (oci.Artifact, error) {
	var err error
	if signing.IsModule(what.Bytes) {
		what.Imports, what.Exports, err = host.Interfaces(what.Bytes)
	}
	return what, err
}

func pushToLattice(a *app, cmd *cobra.Command, ref artifact.Reference, what operate.Packed) (pushed, error) {
	d, done, err := openDepot(a, cmd)
	if err != nil {
		return pushed{}, err
	}
	defer done()
	stored, err := d.Put(cmd.Context(), ref, what.Bytes)
	if err != nil {
		return pushed{}, err
	}
	if stored.Tag == "" {
		return pushed{Ref: stored.String(), Digest: stored.Digest}, nil
	}
	return pushed{Ref: artifact.Reference{Name: stored.Name, Tag: stored.Tag}.String(), Digest: stored.Digest}, nil
}

func pushToRegistry(a *app, ctx context.Context, reg registryFlags, text string, what operate.Packed) (pushed, error) {
	ref, err := oci.ParseReference(text)
	if err != nil {
		return pushed{}, err
	}
	if ref.Tag == oci.Latest {
		a.say("- the tag is latest, which hosts refuse unless they are told otherwise; better give a version")
	}
	a.say("- pushing %s (%s)", what.Name, lattice.Size(int64(len(what.Bytes))))
	manifest, err := operate.ToRegistry(ctx, reg.config(), ref, what.Artifact)
	return pushed{Ref: ref.String(), Manifest: manifest, Digest: artifact.Digest(what.Bytes)}, err
}
