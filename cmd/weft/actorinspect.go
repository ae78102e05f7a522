package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

func actorInspect(a *app) *cobra.Command {
	return &cobra.Command{Use: "inspect ACTOR", ValidArgsFunction: completer(a, actorNames), Aliases: []string{"get"}, Short: "Show an actor: claims, where it runs, links", Args: exactArgs(1),
		Example: `  weft actor inspect app
  weft actor inspect MBCFO -o yaml`,
		RunE: func(cmd *cobra.Command, args []string) error { return inspectActor(a, cmd, args[0]) }}
}

// inspectActor shows what the lattice knows about an actor.
func inspectActor(a *app, cmd *cobra.Command, query string) error {
	l, done, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer done()
	v, err := l.View(cmd.Context())
	if err != nil {
		return err
	}
	if err := v.NeedHosts(); err != nil {
		return err
	}
	id, err := v.Actor(query)
	if err != nil {
		return err
	}
	out := struct {
		ID     lattice.ActorID `json:"id"`
		Name   string          `json:"name,omitempty"`
		Claims *control.Claims `json:"claims,omitempty"`
		On     []actorView     `json:"on"`
		Links  []operate.Link  `json:"links"`
	}{ID: id, On: []actorView{}, Links: []operate.Link{}}
	for _, c := range v.Claims {
		if c.Subject == string(id) {
			out.Claims, out.Name = &c, c.Name
		}
	}
	for _, on := range v.Running(id) {
		out.On = append(out.On, viewActor(on, v))
		out.Name = or(out.Name, on.Actor.Name)
	}
	links, err := l.Links(cmd.Context())
	if err != nil {
		return err
	}
	for _, link := range links {
		if link.ActorID == id {
			out.Links = append(out.Links, link)
		}
	}
	return a.print(out, func(w io.Writer) {
		fields(w, "name", out.Name, "id", string(id))
		if c := out.Claims; c != nil {
			fields(w, "issuer", c.Issuer, "version", c.Version, "revision", fmt.Sprint(c.Revision), "call alias", c.CallAlias,
				"capabilities", or(strings.Join(c.Caps, ", "), "none"), "tags", strings.Join(c.Tags, ", "))
		}
		for _, on := range out.On {
			limits := ""
			if on.Limits != nil {
				limits = fmt.Sprintf(", %s, %d ms per call", lattice.Size(int64(on.Limits.MemoryBytes)), on.Limits.ExecutionMs)
				if on.Limits.Fuel > 0 {
					limits += fmt.Sprintf(", %d units of fuel", on.Limits.Fuel)
				}
			}
			printf(w, "on %s: %s at once%s, %s\n", on.Host, operate.Count(on.Max), limits, on.Ref)
		}
		if len(out.On) == 0 {
			fmt.Fprintln(w, "runs nowhere")
		}
		for _, k := range out.Links {
			printf(w, "link to %s (%s, %s): %s %s\n", or(k.ProviderName, string(k.ProviderID)), k.ContractID, k.LinkName, k.State, k.Error)
		}
	})
}

// view reaches the lattice and looks at it.
func view(a *app, cmd *cobra.Command) (*operate.View, func(), error) {
	l, done, err := a.connect(cmd)
	if err != nil {
		return nil, nil, err
	}
	v, err := l.View(cmd.Context())
	if err == nil {
		err = v.NeedHosts()
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return v, done, nil
}

// onHosts are all hosts, or the one that is named.
func onHosts(v *operate.View, host string) ([]control.HostInventory, error) {
	if host == "" {
		return v.Hosts, nil
	}
	h, err := v.Host(host)
	return []control.HostInventory{h}, err
}

// update finds the actor, prepares the new module under the actor's own key, and replaces the code.
func updateActor(a *app, ctx context.Context, l *operate.Lattice, s *operate.Signer, actor, ref, host string, sign operate.SignRequest) (*operate.ActorScale, error) {
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.NeedHosts(); err != nil {
		return nil, err
	}
	id, err := v.Actor(actor)
	if err != nil {
		return nil, err
	}
	sign.Subject, sign.Fresh = id, true
	switch name := v.ActorName(id); {
	case name == string(id): // its name is not known
	case sign.Name == "":
		sign.Name, sign.Replaces = name, name
	case sign.Name != name:
		return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "update actor", Entity: name,
			Detail: "--name " + lattice.Printable(sign.Name) + " contradicts: an update keeps the actor's name; start another actor with: weft actor start"}
	}
	ref, module, err := l.PushActor(ctx, s, ref, sign)
	if err != nil {
		return nil, err
	}
	if module != nil && module.Claims.Subject != id {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "update", Entity: actor, Detail: "the module is signed with another key, " + string(module.Claims.Subject)}
	}
	return l.UpdateActor(ctx, id, ref, host)
}
