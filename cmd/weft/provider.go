package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/deploy/values"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

func providerCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "provider", Aliases: []string{"providers"}, Short: "Start and stop capability providers",
		Example: `  weft provider start httpserver
  weft provider start ./my-provider --contract acme:queue`}
	cmd.AddCommand(providerStart(a), providerUpdate(a), providerStop(a), providerList(a), providerRun(a),
		providerGuard(a))
	return cmd
}

func providerStart(a *app) *cobra.Command {
	var w waiting
	var p placing
	var pack operate.ProviderPack
	var link, config string
	var annotations []string
	var names []string
	for _, b := range builtins {
		names = append(names, fmt.Sprintf("  %-15s %s (%s)", b.name, b.about, b.contract))
	}
	cmd := &cobra.Command{Use: "start REF", ValidArgsFunction: builtinOrFile, Short: "Start a provider",
		Args: exactArgs(1),
		Long: "REF is a file (a provider archive, or with --contract an executable, " +
			"which is then packed and signed), a reference\nthat hosts can fetch, " +
			"or the name of a built-in provider:\n\n" + strings.Join(names, "\n"),
		Example: `  weft provider start keyvalue-redis --link-name cache
  weft provider start ./my-provider --contract acme:queue --config '{"url":"tcp://queue:1883"}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := operate.ProviderStart{}
			var err error
			if r.Where, err = p.get(); err != nil {
				return err
			}
			if r.LinkName, err = lattice.ParseLinkName(link); err != nil {
				return err
			}
			if r.Annotations, err = values.Pairs("--annotation", annotations); err != nil {
				return err
			}
			if r.Configuration, err = values.Provider(config, a.in); err != nil {
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
			if r.Ref, err = l.PushProvider(ctx, s, args[0], pack, operate.ProviderPack{}); err != nil {
				return err
			}
			result, err := l.StartProvider(ctx, r)
			return showProvider(a, result, err, w.done("started"))
		}}
	f := cmd.Flags()
	w.flags(f)
	p.flags(a, cmd, "start it on all hosts that bid")
	f.StringVar(&link, "link-name", "", "link name that it serves (default: default)")
	f.StringVar(&config, "config", "", "configuration for the provider: JSON, or a JSON or YAML file")
	f.StringArrayVar(&annotations, "annotation", nil, "key=value kept with the provider; may be repeated")
	idVar(f, &pack.ContractID, "contract", "", "contract that an executable provides")
	f.StringVar(&pack.Name, "name", "", "name of an executable's archive (default: the file's)")
	f.StringVar(&pack.Version, "ver", "", "version of an executable's archive, for people")
	return cmd
}

func providerUpdate(a *app) *cobra.Command {
	var w waiting
	var r operate.ProviderStart
	var pack operate.ProviderPack
	var link, config string
	cmd := &cobra.Command{Use: "update PROVIDER REF", ValidArgsFunction: completer(a, providerNames, nil),
		Short: "Replace a running provider by another build of it", Args: exactArgs(2),
		Long: `REF is what "weft provider start" takes, and must have the same key. It goes to the hosts where the
provider runs, one after another, and stops at the first that refuses. Each host fetches and verifies the new one before
it ends the old one; calls that come between the two fail, or are served by other hosts, since one process serves an id.
A new one that does not start is replaced by the old one again. Links, annotations and, without --config, the
configuration stay.`,
		Example: `  weft provider update queue ./queue-0.4.par.gz
  weft provider update keyvalue-redis keyvalue-redis --link-name cache     # the same again: a restart`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if r.LinkName, err = anyLink(link); err != nil {
				return err
			}
			if r.Configuration, err = values.Provider(config, a.in); err != nil {
				return err
			}
			ctx, l, s, done, err := w.ship(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			v, err := l.View(ctx)
			if err != nil {
				return err
			}
			id, err := v.Provider(args[0])
			if err != nil {
				return err
			}
			if err := l.BeforePush(ctx, args[1], r.Where); err != nil {
				return err
			}
			r.Ref, err = l.PushProvider(ctx, s, args[1], pack,
				operate.ProviderPack{Name: v.ProviderName(id), ContractID: v.Contract(id)})
			if err != nil {
				return err
			}
			result, err := l.UpdateProvider(ctx, id, r)
			return showProvider(a, result, err, w.done("updated"))
		}}
	f := cmd.Flags()
	w.flags(f)
	f.StringVar(&link, "link-name", "", "only the one that serves this link name")
	onlyOn(f, &r.Where.Host)
	f.StringVar(&config, "config", "", "other configuration: JSON, or a JSON or YAML file (default: as it is)")
	f.StringVar(&pack.Name, "name", "", "name of an executable's archive (default: the provider's)")
	f.StringVar(&pack.Version, "ver", "", "version of an executable's archive, for people")
	return cmd
}

// anyLink reads the name of a link; empty means any.
func anyLink(name string) (lattice.LinkName, error) {
	if name == "" {
		return "", nil
	}
	return lattice.ParseLinkName(name)
}

func isBuiltin(ref string) bool {
	return slices.ContainsFunc(builtins, func(b builtin) bool {
		return b.name == strings.TrimPrefix(ref, "builtin://")
	})
}

// showProvider shows what became of a provider.
func showProvider(a *app, r *operate.ProviderState, err error, verb string) error {
	if err != nil && (r == nil || len(r.Hosts) == 0) {
		return err
	}
	printed := a.print(r, func(w io.Writer) {
		var hosts []string
		for _, h := range r.Hosts {
			hosts = append(hosts, h.Name)
		}
		if r.Already {
			verb = "runs already:"
		}
		printf(w, "%s %s on %s\n", verb, or(r.Name, or(string(r.ID), r.Ref)), or(strings.Join(hosts, ", "), "no host"))
		fields(w, "id", r.ID, "contract", r.ContractID, "link name", r.LinkName, "ref", r.Ref)
	})
	if err != nil {
		return err
	}
	return printed
}

func providerStop(a *app) *cobra.Command {
	var w waiting
	var link, host string
	cmd := &cobra.Command{Use: "stop PROVIDER", ValidArgsFunction: completer(a, providerNames),
		Short: "Stop a provider, after its calls in progress", Args: rangeArgs(1, 4),
		Example: `  weft provider stop httpserver
  weft provider stop keyvalue-redis --link-name cache --host edge-1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := oldStopArgs(args, &host, &link)
			if err != nil {
				return err
			}
			linkName, err := anyLink(link)
			if err != nil {
				return err
			}
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			r, err := l.StopProvider(ctx, name, linkName, host)
			return showProvider(a, r, err, w.done("stopped"))
		}}
	w.flags(cmd.Flags())
	cmd.Flags().StringVar(&link, "link-name", "", "link name that it serves")
	onlyOn(cmd.Flags(), &host)
	return cmd
}

// oldStopArgs reads PROVIDER, and what people have in their fingers: PROVIDER CONTRACT, PROVIDER LINK CONTRACT and
// HOST PROVIDER LINK CONTRACT.
func oldStopArgs(args []string, host, link *string) (string, error) {
	if len(args) == 4 {
		*host, args = args[0], args[1:]
	}
	if len(args) > 1 && !strings.Contains(args[len(args)-1], ":") {
		return "", usage.Errorf("%q is no contract", args[len(args)-1])
	}
	if len(args) == 3 {
		*link = args[1]
	}
	return args[0], nil
}

// providerView is one provider process on one host.
type providerView struct {
	ID       lattice.ProviderID `json:"id"`
	Name     string             `json:"name,omitempty"`
	Contract lattice.ContractID `json:"contract_id"`
	LinkName lattice.LinkName   `json:"link_name"`
	HostID   lattice.HostID     `json:"host_id"`
	Host     string             `json:"host"`
	Ref      string             `json:"ref,omitempty"`
	Digest   string             `json:"digest,omitempty"`
	State    string             `json:"state,omitempty"`
	Error    string             `json:"error,omitempty"`
	Restarts uint64             `json:"restarts"`
	PID      int                `json:"pid,omitempty"`
	Inline   bool               `json:"inline,omitempty"`
}

func providerList(a *app) *cobra.Command {
	return listOnHosts(a, "providers", "weft provider list", providersOf, func(w io.Writer, providers []providerView) {
		var rows [][]string
		for _, p := range providers {
			rows = append(rows, cells(p.Name, p.ID, p.Contract, p.LinkName, p.Host,
				providerState(p), p.Restarts, p.Digest, p.Error))
		}
		a.table(w, "NAME ID~ CONTRACT LINK HOST STATE! +RESTARTS +DIGEST ERROR", rows)
	})
}

// providerState is what people are told: one inside the host has no pid of its own that could be looked for.
func providerState(p providerView) string {
	if p.Inline {
		return p.State + ", inline"
	}
	return p.State
}

// providersOf lists the providers of some hosts.
func providersOf(hosts []control.HostInventory, v *operate.View) []providerView {
	providers := []providerView{}
	for _, h := range hosts {
		for _, p := range h.Providers {
			name := or(p.Name, v.ProviderName(p.ID))
			providers = append(providers, providerView{p.ID, name, p.ContractID, p.LinkName, h.HostID,
				v.HostName(h.HostID),
				p.ImageRef, p.Digest, p.State, p.Error, p.Restarts, p.PID, p.Inline})
		}
	}
	slices.SortStableFunc(providers, func(x, y providerView) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), cmp.Compare(x.ID, y.ID),
			cmp.Compare(x.LinkName, y.LinkName), strings.Compare(x.Host, y.Host))
	})
	return providers
}
