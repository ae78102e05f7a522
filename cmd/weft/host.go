package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/deploy/values"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/process/slack"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

func hostCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "host", Aliases: []string{"hosts"}, Short: "Run, list, label and stop hosts",
		Example: `  weft host run --nats-url nats://10.0.0.1:4222 --label zone=edge
  weft host list`}
	cmd.AddCommand(hostRun(a), hostList(a), hostInspect(a), hostLabel(a), hostDrain(a), hostReload(a), hostStop(a),
		hostCompiler(a))
	return cmd
}

// hostView is a host in a list.
type hostView struct {
	ID        lattice.HostID    `json:"id"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
	Actors    int               `json:"actors"`
	Providers int               `json:"providers"`
	Version   string            `json:"version"`
	Uptime    uint64            `json:"uptime_seconds"`
	State     string            `json:"state"` // running, draining, or lost
	JSDomain  *string           `json:"js_domain,omitempty"`
	// Of a lost host: when it was heard last, by the clock of a host that heard it, and what ran there.
	LastHeard time.Time         `json:"last_heard,omitzero"`
	Ran       *control.LostHost `json:"ran,omitempty"`
}

const stateLost = "lost"

// lostView is a lost host in a list.
func lostView(h control.LostHost) hostView {
	return hostView{ID: h.HostID, Name: h.FriendlyName, Labels: h.Labels, Actors: len(h.Actors),
		Providers: len(h.Providers), Version: h.Version,
		Uptime: h.UptimeSeconds, State: stateLost, LastHeard: h.LastHeard, Ran: &h}
}

// ran says what ran on a lost host.
func ran(h control.LostHost) string {
	var list []string
	for _, a := range h.Actors {
		list = append(list, fmt.Sprintf("actor %s (max %d)", or(a.Name, string(a.ID)), a.MaxInstances))
	}
	for _, p := range h.Providers {
		name := "provider " + or(p.Name, string(p.ID))
		if p.LinkName != lattice.DefaultLink {
			name += " (link name " + string(p.LinkName) + ")"
		}
		list = append(list, name)
	}
	switch {
	case h.Unknown:
		return "not known"
	case h.Omitted > 0:
		list = append(list, fmt.Sprintf("%d more", h.Omitted))
	}
	return or(strings.Join(list, ", "), "nothing")
}

// lostLines says below a table which hosts are missing in it.
func lostLines(w io.Writer, lost []control.LostHost) {
	for _, h := range lost {
		printf(w, "%s is lost: last heard %s ago, at %s; ran there: %s\n", or(h.FriendlyName, string(h.HostID)),
			max(0, time.Since(h.LastHeard)).Round(time.Second), h.LastHeard.Local().Format(time.TimeOnly), ran(h))
	}
}

func hostList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the hosts of the lattice",
		Args: exactArgs(0),
		Long: `Lists the hosts that answer, and for ten minutes those that are lost: whose signs of life have ended
though they have not said that they end. Of these it tells when they were heard last, and what ran there.`,
		Example: `  weft host list
  weft host list -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, done, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer done()
			v, err := l.View(cmd.Context())
			if err != nil {
				return err
			}
			hosts := []hostView{} // none is an answer, too
			for _, h := range v.Hosts {
				hosts = append(hosts, hostView{h.HostID, h.FriendlyName, h.Labels, len(h.Actors), len(h.Providers),
					h.Version, h.UptimeSeconds, or(h.State, "running"), h.JSDomain, time.Time{}, nil})
			}
			lost := l.Lost(cmd.Context(), v)
			for _, h := range lost {
				hosts = append(hosts, lostView(h))
			}
			slices.SortStableFunc(hosts, func(x, y hostView) int { return strings.Compare(x.Name, y.Name) })
			return a.print(hosts, func(w io.Writer) {
				var rows [][]string
				for _, h := range hosts {
					rows = append(rows, cells(h.Name, h.ID, h.Actors, h.Providers,
						uptime(h.Uptime), h.State, labels(h.Labels)))
				}
				a.table(w, "NAME ID~ ACTORS PROVIDERS UPTIME STATE LABELS", rows)
				lostLines(w, lost)
				problemLine(w, v)
			})
		}}
}

// problemLine says below a table what is wrong with the hosts together.
func problemLine(w io.Writer, v *operate.View) {
	for _, text := range []string{v.SplitStore(), v.SplitTrust()} {
		if text != "" {
			printf(w, "problem: %s\n", text)
		}
	}
}

func uptime(seconds uint64) string {
	return (time.Duration(min(seconds, 1<<32)) * time.Second).String()
}

// labels leaves out those that every host has.
func labels(l map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(l)) {
		if !strings.HasPrefix(k, "hostcore.") {
			out = append(out, k+"="+l[k])
		}
	}
	return strings.Join(out, ",")
}

func hostInspect(a *app) *cobra.Command {
	return &cobra.Command{Use: "inspect HOST", ValidArgsFunction: completer(a, hostNames),
		Aliases: []string{"inventory", "get"}, Short: "Show what runs on a host", Args: rangeArgs(0, 1),
		Example: `  weft host inspect edge-1
  weft host inspect NBX5 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, v, done, err := a.look(cmd)
			if err != nil {
				return err
			}
			defer done()
			if len(args) == 0 { // as "get inventory": all of them
				return a.print(v.Hosts, func(w io.Writer) {
					for i, h := range v.Hosts {
						if i > 0 {
							fmt.Fprintln(w)
						}
						inventory(w, h)
					}
					problemLine(w, v)
				})
			}
			h, err := v.Host(args[0])
			if err != nil {
				return err
			}
			return a.print(h, func(w io.Writer) {
				inventory(w, h)
				problemLine(w, v)
			})
		}}
}

func inventory(w io.Writer, h control.HostInventory) {
	fields(w, "name", h.FriendlyName, "id", h.HostID, "issuer", h.Issuer, "version", h.Version, "uptime",
		uptime(h.UptimeSeconds),
		"state", or(h.State, "running"), "carries NATS", yes(h.CarriesNATS), "JetStream domain", domainText(h.JSDomain))
	for _, k := range slices.Sorted(maps.Keys(h.Labels)) {
		printf(w, "label %s=%s\n", k, h.Labels[k])
	}
	for _, a := range h.Actors {
		for _, i := range a.Instances {
			printf(w, "actor %s %s max %d %s %s %s %s\n", or(a.Name, "-"), a.ID, i.MaxInstances, a.InstanceMode,
				a.ImageRef, a.Digest, labels(i.Annotations))
		}
	}
	for _, p := range h.Providers {
		printf(w, "provider %s %s %s link name %s %s %s %s\n", or(p.Name, "-"), p.ID, p.ContractID, p.LinkName,
			p.State, p.Digest, p.Error)
	}
}

// domainText is empty where there is no domain, or it is not known.
func domainText(domain *string) string {
	if domain == nil {
		return ""
	}
	return *domain
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func hostLabel(a *app) *cobra.Command {
	var remove []string
	cmd := &cobra.Command{Use: "label HOST [key=value ...]", ValidArgsFunction: completer(a, hostNames),
		Short: "Set and delete labels of a host", Args: rangeArgs(1, -1),
		Long: `Labels are what --constraint looks at. They last until the host ends; ` +
			`those given to "weft host run --label" return.`,
		Example: `  weft host label edge-1 zone=edge tier=gold
  weft host label edge-1 --delete tier`,
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := values.Pairs("label", args[1:])
			if err != nil {
				return err
			}
			if len(set)+len(remove) == 0 {
				return usage.Errorf("no label given: %s", cmd.UseLine())
			}
			l, done, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer done()
			h, err := l.LabelHost(cmd.Context(), args[0], set, remove)
			if err != nil {
				return err
			}
			return a.print(hostLabels{h.HostID, h.FriendlyName, h.Labels}, func(w io.Writer) {
				printf(w, "labels of %s: %s\n", h.FriendlyName, or(labels(h.Labels), "none"))
			})
		}}
	cmd.Flags().StringArrayVar(&remove, "delete", nil, "label to delete; may be repeated")
	return cmd
}

type hostLabels struct {
	ID     lattice.HostID    `json:"id"`
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

func hostDrain(a *app) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{Use: "drain HOST", ValidArgsFunction: completer(a, hostNames),
		Short: "Let a host take no more work and end what runs on it", Args: exactArgs(1),
		Long: `Actors finish their calls and stop, then providers stop. The host stays, empty, until it is stopped.`,
		Example: `  weft host drain edge-1
  weft host drain edge-1 --timeout 3m && weft host stop edge-1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			h, err := l.DrainHost(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(h, func(out io.Writer) { printf(out, "%s host %s\n", w.done("drained"), h.Name) })
		}}
	w.flags(cmd.Flags())
	return cmd
}

func hostStop(a *app) *cobra.Command {
	var w waiting
	var grace time.Duration
	var force bool
	cmd := &cobra.Command{Use: "stop HOST", ValidArgsFunction: completer(a, hostNames),
		Short: "End a host, after its work in flight", Args: exactArgs(1),
		Long: `Actors finish their calls and stop, then providers stop, then the host's process ends. The host that
carries the lattice's NATS server ("weft up") takes that with it: where others are on it, it is stopped with --force
only.`,
		Example: `  weft host stop edge-1
  weft host stop edge-1 --grace 1m --timeout 2m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			h, err := l.StopHost(ctx, args[0], grace, force)
			if err != nil {
				return err
			}
			return a.print(h, func(out io.Writer) { printf(out, "%s host %s\n", w.done("stopped"), h.Name) })
		}}
	w.flags(cmd.Flags())
	cmd.Flags().BoolVar(&force, "force", false, "also the host that carries the NATS server of others")
	spanFlag(cmd.Flags(), &grace, "grace", 0, time.Millisecond,
		"how long calls in progress may take (default: the host's)")
	return cmd
}

func hostReload(a *app) *cobra.Command {
	var all bool
	var w waiting
	cmd := &cobra.Command{Use: "reload HOST", ValidArgsFunction: completer(a, hostNames),
		Short: "Let a host read its keys and credentials again", Args: rangeArgs(0, 1),
		Long: `The host reads its cluster keys and NATS credentials again from the files that it was started with, and
takes over what has changed without losing a call, its providers too. SIGHUP does the same to a host without a
terminal.`,
		Example: `  weft host reload edge-1
  weft host reload --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return usage.Errorf("want a host or --all: %s", cmd.UseLine())
			}
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			list, err := l.Reload(ctx, strings.Join(args, ""))
			if list == nil {
				return err
			}
			if printErr := a.print(list, func(out io.Writer) {
				for _, h := range list {
					printf(out, "%s: %s\n", h.Name, or(strings.Join(h.Changed, "; "), "nothing has changed"))
				}
			}); printErr != nil {
				return printErr
			}
			return err
		}}
	cmd.Flags().BoolVar(&all, "all", false, "all hosts of the lattice, one after another")
	spanFlag(cmd.Flags(), &w.timeout, "timeout", 3*time.Minute, 1, "how long calls in progress may take")
	return cmd
}

func hostRun(a *app) *cobra.Command {
	var flags hostFlags
	cmd := &cobra.Command{Use: "run", Short: "Run a host that joins a lattice", Args: exactArgs(0),
		Long: `Joins the lattice that a token leads to, the one at --nats-url, or the one that "weft up" runs on this
machine:

  first$  weft up -d --nats-listen 0.0.0.0
  first$  weft token create > second.token
  second$ weft host run --join second.token

The token may also be in WEFT_JOIN. With --nats-url, for a NATS server of your own, the cluster key that all hosts of a
lattice share is given by --cluster-seed-file, WEFT_CLUSTER_SEED or WASMCLOUD_CLUSTER_SEED, or stored once with
"weft key import cluster.nk". Ctrl-C lets work in flight finish; a second Ctrl-C ends at once.`,
		Example: `  weft host run --join second.token --label zone=edge
  weft host run --nats-url nats://10.0.0.1:4222 --cluster-seed-file cluster.nk --label zone=edge
  weft host run --name second     # beside "weft up", on the same machine`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			slack.Take()
			log, err := flags.logger(a)
			if err != nil {
				return err
			}
			n, err := startNode(a, cmd, &flags, nil, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, n.Stop()) }()
			up := n.Up(a.dir)
			view := struct {
				ID       lattice.HostID `json:"id"`
				Name     string         `json:"name"`
				Lattice  lattice.Name   `json:"lattice"`
				NATSURL  string         `json:"nats_url"`
				HTTPAddr string         `json:"http_addr,omitempty"`
				PID      int            `json:"pid"`
			}{up.HostID, up.Host, up.Lattice, natsconn.SafeURL(up.NATSURL), up.HTTPAddr, up.PID}
			err = a.printEach(view, func(w io.Writer) {
				printf(w, "host %s is ready in lattice %s at %s\n", view.Name, view.Lattice, view.NATSURL)
			})
			if err != nil {
				return err
			}
			n.Wait(cmd.Context())
			return nil
		}}
	flags.flags(cmd.Flags())
	return cmd
}

// hostCompiler is the process that compiles a module for a host, within limits.
func hostCompiler(a *app) *cobra.Command {
	return &cobra.Command{Use: "compiler DIR BYTES TIME",
		Short: "Compile a module from standard input (hosts start this)", Hidden: true, Args: exactArgs(3),
		RunE: func(_ *cobra.Command, args []string) error {
			if code := host.CompilerMain(args, a.in, a.out); code != 0 {
				return silentError(code)
			}
			return nil
		}}
}

// listOnHosts is a command that lists what runs on all hosts, or on one.
func listOnHosts[T any](a *app, what, use string, list func([]control.HostInventory, *operate.View) []T,
	show func(io.Writer, []T)) *cobra.Command {
	var host string
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the " + what + " and where they run",
		Args:    exactArgs(0),
		Example: "  " + use + "\n  " + use + " --host edge-1 -o json",
		Long: `Lists the ` + what +
			` of the hosts that answer. For ten minutes, hosts that are lost are named below, with what ran there.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, v, done, err := a.look(cmd)
			if err != nil {
				return err
			}
			defer done()
			hosts, err := onHosts(v, host)
			if err != nil {
				return err
			}
			all := list(hosts, v)
			return a.print(all, func(w io.Writer) {
				show(w, all)
				if host == "" {
					lostLines(w, l.Lost(cmd.Context(), v))
				}
			})
		}}
	onlyOn(cmd.Flags(), &host)
	return cmd
}

// shortDigest is as much of a digest as tells releases apart.
func shortDigest(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return hex[:min(len(hex), 12)]
}
