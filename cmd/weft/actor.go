package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/deploy/values"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

func actorCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "actor", Aliases: []string{"actors"}, Short: "Start, scale, update and stop actors",
		Example: `  weft actor start ./app.wasm --max 9 --spread
  weft actor scale app --max 2`}
	cmd.AddCommand(actorStart(a), actorScale(a), actorUpdate(a), actorStop(a), actorList(a), actorInspect(a))
	return cmd
}

func actorStart(a *app) *cobra.Command {
	f := actorFlags{max: 1}
	var w waiting
	var sign operate.SignRequest
	var reg registryFlags
	cmd := &cobra.Command{Use: "start REF", Short: "Start an actor", Args: exactArgs(1),
		Long: `REF is a file, or a reference that hosts can fetch: lattice://NAME@sha256:..., file:///on/the/host. A
file is signed with your account key if it is not signed, pushed into the lattice, and started from there on whatever
host. So is what a registry has without claims, as tools push components that know none.

Without --host the hosts bid, and the least loaded gets all instances; with --spread they are divided over all bidders.
An instance serves one call at a time; --max is how many there may be.`,
		Example: `  weft actor start ./app.wasm --cap wasmcloud:httpserver
  weft actor start ./app.wasm --max 9 --spread --constraint zone=edge`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.start(a)
			if err != nil {
				return err
			}
			ctx, l, s, done, err := w.ship(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			if err := l.BeforePush(ctx, args[0], r.Where); err != nil {
				return err
			}
			sign.Flags = saidClaims(cmd.Flags(), claimNames)
			ref, module, err := l.PushActor(ctx, s, args[0], sign)
			if err != nil {
				return err
			}
			if module != nil {
				explainClaims(a, args[0], module)
			}
			result, err := l.StartActor(ctx, r.Of(ref, module))
			if operate.Unsigned(err, args[0]) {
				if ref, module, err = l.Adopt(cmd.Context(), s, reg.config(), args[0], sign); err != nil {
					return err
				}
				explainClaims(a, args[0], module)
				result, err = l.StartActor(ctx, r.Of(ref, module))
			}
			if lattice.CodeOf(err) == lattice.ErrConflict && result != nil && result.ID != "" {
				err = fmt.Errorf("%w\nTo replace the code of an actor that runs: weft actor update %s %s", err,
					or(result.Name, string(result.ID)), args[0])
				if len(r.Config) > 0 {
					err = fmt.Errorf("%w\nTo change --config: weft actor stop %s, then start again; while it runs: %s",
						err, or(result.Name, string(result.ID)), configByLink)
				}
			}
			return showScale(a, result, err, w.done("started"))
		}}
	w.flags(cmd.Flags())
	f.flags(a, cmd)
	claimFlags(cmd.Flags(), &sign)
	reg.hidden(cmd.Flags())
	return cmd
}

// actorFlags say how an actor is started.
type actorFlags struct {
	placing
	max                 instances
	mode                choice
	limits              control.ActorLimits
	execution           time.Duration
	annotations, config []string
}

func (f *actorFlags) flags(a *app, cmd *cobra.Command) {
	f.mode.among = []string{control.SharedInstances, control.FreshInstances}
	f.placing.flags(a, cmd, "divide the instances over all hosts that bid")
	set := cmd.Flags()
	set.Var(&f.max, "max", "instances, that is calls at once; \"unlimited\" is no limit")
	sizeFlag(set, &f.limits.MemoryBytes, "memory", "", "memory of one instance (default: the host's, 64MiB)")
	spanFlag(set, &f.execution, "timeout-exec", 0, time.Millisecond,
		"how long one call may take (default: the host's, 30s)")
	set.Uint64Var(&f.limits.Fuel, "fuel", 0,
		"work that one call may do, in units of about an instruction, 1e10 or so a second (default: the host's, "+
			"no limit)")
	set.Var(&f.mode, "instances",
		"\"shared\": an instance serves the next call as it is; \"fresh\": nothing survives between calls "+
			"(default: fresh for components, shared for modules)")
	set.Uint64Var(&f.limits.RecycleCalls, "recycle-calls", 0,
		"calls after which an instance begins again (default: the host's, never)")
	sizeFlag(set, &f.limits.RecycleMemoryBytes, "recycle-memory", "",
		"size after a call above which an instance begins again (default: never)")
	set.StringArrayVar(&f.annotations, "annotation", nil, "key=value kept with the instances; may be repeated")
	set.StringArrayVar(&f.config, "config", nil, configHelp)
}

// start is what the flags ask for, of whatever actor.
func (f *actorFlags) start(a *app) (operate.ActorStart, error) {
	none := operate.ActorStart{}
	where, err := f.get()
	if err != nil {
		return none, err
	}
	r := operate.ActorStart{Max: uint32(f.max), Where: where, Limits: f.limits}
	r.Limits.Instances, r.Limits.ExecutionMs = f.mode.value, uint64(f.execution.Milliseconds())
	if f.max == 0 {
		return none, usage.Errorf("--max 0 starts nothing; to stop an actor: weft actor stop")
	}
	if r.Annotations, err = values.Pairs("--annotation", f.annotations); err != nil {
		return none, err
	}
	if r.Config, err = values.Actor(f.config, a.in); err != nil {
		return none, err
	}
	if r.Limits.Fuel > control.MaxFuel {
		return none, usage.Errorf("--fuel %d: want at most %d", r.Limits.Fuel, uint64(control.MaxFuel))
	}
	return r, nil
}

// configHelp tells of the flags that values.Actor reads.
const configHelp = "key=value in the actor's environment, or a JSON or YAML file of such; may be repeated"

// choice is one of several words on the command line.
type choice struct {
	value string
	among []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.among, "|") }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.among, s) {
		return fmt.Errorf("want %s", strings.Join(c.among, " or "))
	}
	c.value = s
	return nil
}

// instances is a number of instances on the command line.
type instances uint32

func (n *instances) String() string { return operate.Count(uint32(*n)) }
func (n *instances) Type() string   { return "N" }
func (n *instances) Set(s string) error {
	if s == "unlimited" {
		*n = operate.Unlimited
		return nil
	}
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return fmt.Errorf("want a number from 0 to %d, or unlimited", uint32(operate.Unlimited))
	}
	*n = instances(v)
	return nil
}

// showScale shows what became of an actor. With a partial success there is both a result and an error.
func showScale(a *app, r *operate.ActorScale, err error, verb string) error {
	if err != nil && (r == nil || len(r.Hosts) == 0) {
		return err
	}
	printed := a.print(r, func(w io.Writer) {
		printf(w, "%s %s: %s on %s\n", verb, or(r.Name, string(r.ID)), operate.Count(r.Max),
			or(hostScales(r.Hosts), "no host"))
		for _, g := range r.Groups {
			printf(w, "  group %s: %s\n", operate.GroupName(g.Annotations), operate.Count(g.Max))
		}
		fields(w, "id", r.ID, "ref", r.Ref)
	})
	if err != nil {
		return err
	}
	return printed
}

func actorScale(a *app) *cobra.Command {
	var w waiting
	var p placing
	var max instances
	var annotations []string
	var unannotated bool
	cmd := &cobra.Command{Use: "scale ACTOR --max N", ValidArgsFunction: completer(a, actorNames),
		Short: "Change how many instances of an actor there may be", Args: rangeArgs(1, 2),
		Long: `Sets the total over the hosts where the actor runs, or over all hosts that bid with --spread, or on one
host. 0 stops it.

Instances with other annotations are other groups, as managers make them for each application. Where there are several,
--annotation or --unannotated says which one is meant; --max 0 alone stops all of them. What is printed is what runs
afterwards, in all groups.`,
		Example: `  weft actor scale app --max 12 --spread
  weft actor scale app --max 2 --host edge-1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("max") {
				return usage.Errorf("--max is missing: %s", cmd.UseLine())
			}
			if len(args) == 2 { // the order of old: HOST ACTOR
				p.where.Host, args = args[0], args[1:]
			}
			where, err := p.get()
			if err != nil {
				return err
			}
			set, err := values.Pairs("--annotation", annotations)
			if err != nil {
				return err
			}
			if unannotated && len(set) > 0 {
				return usage.Errorf("--annotation and --unannotated contradict each other")
			}
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			r, err := l.ScaleActor(ctx, args[0], uint32(max), where, operate.ScaleGroup{Annotations: set,
				Unannotated: unannotated})
			return showScale(a, r, err, w.done("scaled"))
		}}
	w.flags(cmd.Flags())
	p.flags(a, cmd, "divide the instances over all hosts that bid, not only those where it runs")
	cmd.Flags().VarP(&max, "max", "c", "instances in total; \"unlimited\" is no limit, 0 stops")
	cmd.Flags().StringArrayVar(&annotations, "annotation", nil,
		"key=value of the instances that are meant; may be repeated")
	cmd.Flags().BoolVar(&unannotated, "unannotated", false, "the instances without annotations are meant")
	return cmd
}

func actorUpdate(a *app) *cobra.Command {
	var w waiting
	var sign operate.SignRequest
	var reg registryFlags
	var host string
	cmd := &cobra.Command{Use: "update ACTOR REF", ValidArgsFunction: completer(a, actorNames, nil),
		Short: "Replace the code of a running actor without losing a call", Args: rangeArgs(2, 3),
		Long: `The new module must have the same key and a greater revision. It goes to the hosts where the actor runs,
one after another, and stops at the first that refuses. Calls in progress finish on the old code.`,
		Example: `  weft actor update app ./app.wasm
  weft actor update app ./app.wasm --rev 7 --host edge-1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 3 { // the order of old: HOST ACTOR REF
				host, args = args[0], args[1:]
			}
			ctx, l, s, done, err := w.ship(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			sign.Flags = saidClaims(cmd.Flags(), claimNames)
			ref, module, sign, err := l.PushUpdate(ctx, s, args[0], args[1], host, sign)
			if err != nil {
				return err
			}
			if module != nil {
				explainClaims(a, args[1], module)
			}
			r, err := l.UpdateActor(ctx, sign.Subject, ref, host)
			if operate.Unsigned(err, ref) {
				if ref, module, err = l.Adopt(cmd.Context(), s, reg.config(), ref, sign); err != nil {
					return err
				}
				explainClaims(a, args[1], module)
				r, err = l.UpdateActor(ctx, sign.Subject, ref, host)
			}
			return showScale(a, r, err, "updated")
		}}
	w.flags(cmd.Flags())
	claimFlags(cmd.Flags(), &sign)
	reg.hidden(cmd.Flags())
	onlyOn(cmd.Flags(), &host)
	return cmd
}

func actorStop(a *app) *cobra.Command {
	var w waiting
	var host string
	var annotations []string
	cmd := &cobra.Command{Use: "stop ACTOR", ValidArgsFunction: completer(a, actorNames),
		Short: "Stop an actor, after its calls in progress", Args: rangeArgs(1, 2),
		Example: `  weft actor stop app
  weft actor stop app --host edge-1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 { // the order of old: HOST ACTOR
				host, args = args[0], args[1:]
			}
			set, err := values.Pairs("--annotation", annotations)
			if err != nil {
				return err
			}
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			r, err := l.StopActor(ctx, args[0], host, set)
			return showScale(a, r, err, w.done("stopped"))
		}}
	w.flags(cmd.Flags())
	onlyOn(cmd.Flags(), &host)
	cmd.Flags().StringArrayVar(&annotations, "annotation", nil, "only instances with this key=value; may be repeated")
	return cmd
}

// actorView is one actor on one host.
type actorView struct {
	ID          lattice.ActorID         `json:"id"`
	Name        string                  `json:"name,omitempty"`
	HostID      lattice.HostID          `json:"host_id"`
	Host        string                  `json:"host"`
	Max         uint32                  `json:"max_instances"`
	Running     int                     `json:"running"`
	Revision    int32                   `json:"revision"`
	Ref         string                  `json:"ref"`
	Digest      string                  `json:"digest,omitempty"`
	State       string                  `json:"state,omitempty"`
	Error       string                  `json:"error,omitempty"`
	Limits      *control.ActorLimits    `json:"limits,omitempty"`
	Mode        string                  `json:"instance_mode,omitempty"`
	Reason      string                  `json:"instance_reason,omitempty"`
	Annotations []control.ActorInstance `json:"instances"`
}

func viewActor(on operate.ActorOn, v *operate.View) actorView {
	out := actorView{ID: on.Actor.ID, Name: on.Actor.Name, HostID: on.Host.HostID, Host: v.HostName(on.Host.HostID),
		Max: operate.Scale(on.Actor),
		Ref: on.Actor.ImageRef, Digest: on.Actor.Digest, State: on.Actor.State, Error: on.Actor.Error,
		Limits: on.Actor.Limits, Mode: on.Actor.InstanceMode, Reason: on.Actor.InstanceReason,
		Annotations: on.Actor.Instances}
	for _, i := range on.Actor.Instances {
		out.Running += i.Running
		out.Revision = i.Revision
	}
	return out
}

func actorList(a *app) *cobra.Command {
	return listOnHosts(a, "actors", "weft actor list", actorsOf, func(w io.Writer, actors []actorView) {
		var rows [][]string
		for _, x := range actors {
			rows = append(rows, cells(x.Name, x.ID, x.Host, operate.Count(x.Max), x.Running,
				x.Revision, x.Digest, x.State))
		}
		a.table(w, "NAME ID~ HOST MAX INSTANCES REVISION +DIGEST STATE", rows)
	})
}

// actorsOf lists the actors of some hosts by name.
func actorsOf(hosts []control.HostInventory, v *operate.View) []actorView {
	actors := []actorView{}
	for _, h := range hosts {
		for _, actor := range h.Actors {
			actors = append(actors, viewActor(operate.ActorOn{Host: h, Actor: actor}, v))
		}
	}
	slices.SortStableFunc(actors, func(x, y actorView) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID),
			strings.Compare(x.Host, y.Host))
	})
	return actors
}

func actorInspect(a *app) *cobra.Command {
	return &cobra.Command{Use: "inspect ACTOR", ValidArgsFunction: completer(a, actorNames), Aliases: []string{"get"},
		Short: "Show an actor: claims, where it runs, links", Args: exactArgs(1),
		Example: `  weft actor inspect app
  weft actor inspect MBCFO -o yaml`,
		RunE: func(cmd *cobra.Command, args []string) error { return inspectActor(a, cmd, args[0]) }}
}

// inspectActor shows what the lattice knows about an actor.
func inspectActor(a *app, cmd *cobra.Command, query string) error {
	l, v, done, err := a.look(cmd)
	if err != nil {
		return err
	}
	defer done()
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
		// interfaces that it imports from other actors and has no link for
		Waits []lattice.ContractID `json:"waits,omitempty"`
	}{ID: id, On: []actorView{}, Links: []operate.Link{}}
	if out.Waits, err = l.Waiting(cmd.Context(), id); err != nil {
		return err
	}
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
		fields(w, "name", out.Name, "id", id)
		if c := out.Claims; c != nil {
			fields(w, "issuer", c.Issuer, "version", c.Version, "revision", c.Revision, "call alias",
				c.CallAlias,
				"capabilities", or(strings.Join(lattice.Texts(c.Caps), ", "), "none"), "tags",
				strings.Join(c.Tags, ", "))
		}
		for _, on := range out.On {
			limits := ""
			if on.Limits != nil {
				limits = fmt.Sprintf(", %s, %d ms per call", lattice.Size(int64(on.Limits.MemoryBytes)),
					on.Limits.ExecutionMs)
				if on.Limits.Fuel > 0 {
					limits += fmt.Sprintf(", %d units of fuel", on.Limits.Fuel)
				}
			}
			printf(w, "on %s: %s at once%s, %s\n", on.Host, operate.Count(on.Max), limits, on.Ref)
			if on.Mode != "" {
				printf(w, "   instances are %s: %s\n", on.Mode, on.Reason)
			}
		}
		if len(out.On) == 0 {
			fmt.Fprintln(w, "runs nowhere")
		}
		for _, f := range v.Surface(id).Exports {
			printf(w, "exports %s: %s\n", f, f.Type)
		}
		for _, f := range v.Surface(id).Imports {
			printf(w, "imports %s: %s\n", f, f.Type)
		}
		for _, contract := range out.Waits {
			printf(w, "waits for a link, which its calls of %s need: weft link put %s ACTOR %s\n", contract,
				or(out.Name, string(id)), contract)
		}
		for _, k := range out.Links {
			printf(w, "link to %s (%s, %s): %s %s\n", or(k.ProviderName, string(k.ProviderID)), k.ContractID,
				k.LinkName, k.State, k.Error)
		}
	})
}

// onHosts are all hosts, or the one that is named.
func onHosts(v *operate.View, host string) ([]control.HostInventory, error) {
	if host == "" {
		return v.Hosts, nil
	}
	h, err := v.Host(host)
	return []control.HostInventory{h}, err
}
