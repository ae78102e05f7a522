package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
	"github.com/weftlattice/weft/lattice/oci"
	"github.com/weftlattice/weft/lattice/signing"
)

// fileView is what can be seen of a module or a provider archive.
type fileView struct {
	File     string                  `json:"file"`
	Kind     string                  `json:"kind"` // "actor" or "provider"
	Bytes    int                     `json:"bytes"`
	SHA256   string                  `json:"sha256"`
	Trust    string                  `json:"trust"` // "valid", or the code of what is wrong
	Problem  string                  `json:"problem,omitempty"`
	Refused  string                  `json:"refused,omitempty"` // why no host would run it
	Claims   *signing.ActorClaims    `json:"claims,omitempty"`
	Lacks    []lattice.ContractID    `json:"missing_capabilities,omitempty"` // needed, and not granted by the claims
	Provider *signing.ProviderClaims `json:"provider_claims,omitempty"`
	World    string                  `json:"world,omitempty"` // of a component, as WIT
	Needs    []host.Interface        `json:"interfaces,omitempty"`
	*operate.WasmInfo
}

func inspectCmd(a *app) *cobra.Command {
	var reg registryFlags
	cmd := &cobra.Command{Use: "inspect FILE|REF|ACTOR",
		Short: "Show claims, imports, exports, size and memory of a module or component",
		Long: `Shows a file (module, component or provider archive), or what a reference means (registry/repository:tag
or lattice://NAME:TAG), without running it; or an actor of the lattice. A file whose claims do not hold is shown too,
and what is wrong with them. Of a component its world is shown, too: what it imports and exports, in WIT. What no host
would run ends with the host's words and exit code 2.`,
		Example: `  weft inspect app.wasm
  weft inspect ghcr.io/acme/app:1.2.0
  weft inspect edge-data-processor -o json`, Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.secretFlag(cmd, "oci-password")
			data, err := localfile.Read(args[0], localfile.MaxBytes)
			if lattice.CodeOf(err) == lattice.ErrNotFound {
				switch {
				case isRemote(args[0]):
					var got oci.Artifact
					got, err = pullAny(a, cmd, reg, args[0])
					data = got.Bytes
				case !looksLikeFile(args[0]):
					return inspectActor(a, cmd, args[0])
				}
			}
			if err != nil {
				return err
			}
			v, err := viewFile(args[0], data)
			if v.Kind == "" {
				return err
			}
			return errors.Join(a.print(v, v.text), err)
		}}
	reg.hidden(cmd.Flags())
	return cmd
}

// isRemote reports whether an argument names something in the lattice's store or in a registry, and no file.
func isRemote(s string) bool {
	_, err := oci.ParseReference(s)
	return artifact.IsReference(s) || !operate.IsLocal(s) && err == nil
}

// looksLikeFile reports whether an argument can only mean a file.
func looksLikeFile(s string) bool {
	return strings.ContainsAny(s, `/\`) && !strings.Contains(s, "://") || strings.HasSuffix(s, ".wasm") ||
		strings.HasSuffix(s, ".par") || strings.HasSuffix(s, ".par.gz")
}

// viewFile looks at a file. With a module that no host would run there is both a view and an error.
func viewFile(path string, data []byte) (fileView, error) {
	sum := sha256.Sum256(data)
	v := fileView{File: path, Bytes: len(data), SHA256: hex.EncodeToString(sum[:]), Trust: "valid"}
	var err error
	switch {
	case signing.IsModule(data):
		v.Kind = "actor"
		if v.Claims, err = signing.ReadModule(data, time.Now()); err != nil {
			v.Claims, _ = signing.InspectModule(data) // what it claims, true or not
		}
		if info, err := operate.ReadWasm(data); err == nil {
			v.WasmInfo = &info
		}
		v.World, _ = host.World(data) // what is wrong with it says the check
		v.Needs, _ = host.Needs(data)
		if needed, err := host.Contracts(data); err == nil && v.Claims != nil {
			v.Lacks = operate.Lacking(needed, v.Claims)
		}
		if refused := host.CheckModule(data); refused != nil {
			v.Refused = refused.Error()
			return v.judged(err), fmt.Errorf("%s: %w", path, refused)
		}
	case signing.IsArchive(data):
		v.Kind = "provider"
		var archive *signing.Archive
		if archive, err = signing.OpenArchive(data, time.Now()); err == nil {
			v.Provider = archive.Claims
		} else if lattice.CodeOf(err) == lattice.ErrInvalid { // not even that
			return fileView{}, fmt.Errorf("%s: %w", path, err)
		}
	default:
		return v, &lattice.Error{Code: lattice.ErrBadModule, Op: "inspect", Entity: path,
			Detail: "neither a WebAssembly module nor a provider archive: " + signing.Form(data)}
	}
	return v.judged(err), nil
}

// judged adds what is wrong with the claims, if anything is.
func (v fileView) judged(err error) fileView {
	if err == nil {
		return v
	}
	code := lattice.CodeOf(err)
	v.Trust = code.Name()
	if code != lattice.ErrUnsigned { // that says it all, and is none before the file is signed
		v.Problem = err.Error()
	}
	return v
}

func (v fileView) text(w io.Writer) {
	fields(w, "file", v.File, "kind", v.Kind, "size", lattice.Size(int64(v.Bytes)), "sha256", v.SHA256, "trust",
		v.Trust, "problem", v.Problem, "refused", v.Refused)
	if c := v.Claims; c != nil {
		notBefore, expires := c.HumanTimes()
		fields(w, "id", c.Subject, "name", c.Name, "issuer", c.Issuer, "version", c.Version,
			"revision", c.EffectiveRevision(), "call alias", c.CallAlias, "capabilities",
			or(strings.Join(lattice.Texts(c.Caps), ", "), "none"),
			"tags", strings.Join(c.Tags, ", "), "valid from", notBefore, "expires", expires)
	}
	if c := v.Provider; c != nil {
		fields(w, "id", c.Subject, "name", c.Name, "issuer", c.Issuer, "contract", c.ContractID,
			"vendor", c.Vendor,
			"version", c.Version, "revision", c.EffectiveRevision())
		for target, hash := range c.TargetHashes {
			fields(w, "target "+target, hash)
		}
	}
	if v.WasmInfo != nil {
		limit := "no limit of its own"
		if v.MemoryLimitBytes > 0 {
			limit = "at most " + lattice.Size(int64(v.MemoryLimitBytes))
		}
		printf(w, "memory:   %s, %s\n", lattice.Size(int64(v.MemoryBytes)), limit)
		fmt.Fprintf(w, "imports:  %s\nexports:  %s\n", list(v.Imports), list(v.Exports))
	}
	if v.World != "" {
		fields(w, "instances", "fresh for each call, as users of components expect; --instances shared keeps them")
		fmt.Fprintf(w, "\n%s", v.World)
		v.needs(w, "\nimports are served by:\n", false)
		v.needs(w, "\nexports are called by:\n", true)
	}
}

// needs shows who is on the other side of the imports, or of the exports.
func (v fileView) needs(w io.Writer, title string, exports bool) {
	wide := 0
	for _, i := range v.Needs {
		if i.Export == exports {
			wide = max(wide, len(i.Name))
		}
	}
	for _, i := range v.Needs {
		if i.Export != exports {
			continue
		}
		by := "the host"
		switch i.By {
		case "contract":
			by = fmt.Sprintf("a provider of %s: weft link put ACTOR PROVIDER", i.Contract)
			if slices.Contains(v.Lacks, i.Contract) {
				by = fmt.Sprintf("nobody, since the claims do not grant %s: weft sign %s%s", i.Contract, v.File,
					operate.GrantFlags(v.Claims, v.Lacks))
			}
		case "actor":
			if by = "another actor: weft link put ACTOR OTHER " + string(i.Contract); exports {
				by = "other actors, by links, and weft call"
			}
		case "nobody":
			by = "nobody: " + strings.Join(i.Missing, ", ")
			if i.Hint != "" {
				by += "; " + i.Hint
			}
		}
		fmt.Fprint(w, title)
		printf(w, "  %-*s  %s\n", wide, i.Name, by)
		title = ""
	}
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	var shown []string
	for _, n := range names {
		shown = append(shown, lattice.Visible(n))
	}
	return strings.Join(shown, "\n          ")
}
