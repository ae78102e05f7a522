package main

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/values"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

func linkCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "link", Aliases: []string{"links"}, Short: "Let actors use providers",
		Example: `  weft link put app httpserver port=8080
  weft link list`}
	cmd.AddCommand(linkPut(a), linkDel(a), linkList(a))
	return cmd
}

func linkPut(a *app) *cobra.Command {
	var w waiting
	var name, file string
	cmd := &cobra.Command{Use: "put ACTOR PROVIDER|ACTOR [CONTRACT] [key=value ...]",
		ValidArgsFunction: linkPutWords(a),
		Short:             "Link an actor to a provider, or to another actor", Args: rangeArgs(2, -1),
		Long: `Grants an actor the use of a provider, with the values that configure it. Waits until the provider has
the link and shows its error if it cannot use it. What the provider refuses replaces no link that works. Values may be
secrets: give them in a file with --values. The values of built-in providers: docs/providers.md.

What a component imports from another one is linked to the actor that exports it; the contract is the interface. The
types of both must be the same, and pass values only. Putting such a link to another actor exchanges it while requests
flow.`,
		Example: `  weft link put app httpserver port=8080 path=/api
  weft link put app keyvalue-redis --link-name cache --values redis.yaml
  weft link put app filter acme:edge/filter`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := operate.LinkPut{Actor: args[0], Provider: args[1]}
			rest := args[2:]
			if len(rest) > 0 && !strings.Contains(rest[0], "=") {
				r.ContractID, rest = lattice.ContractID(rest[0]), rest[1:]
			}
			var err error
			if r.Values, err = values.Link(rest, file, a.in); err != nil {
				return err
			}
			if r.LinkName, err = lattice.ParseLinkName(name); err != nil {
				return err
			}
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			link, err := l.PutLink(ctx, r)
			if err != nil {
				return err
			}
			if link.State == operate.LinkPending && !w.noWait {
				who := or(link.ProviderName, string(link.ProviderID))
				if _, actor := link.Target(); actor {
					a.say("- %s does not run yet; the link takes effect when it starts", who)
				} else {
					a.say("- no process of %s serves link name %s yet; the link takes effect when one starts", who,
						link.LinkName)
				}
			}
			return a.print(link, func(w io.Writer) { linkLine(w, *link) })
		}}
	w.flags(cmd.Flags())
	cmd.Flags().StringVar(&name, "link-name", "",
		"tells apart several links of an actor to one contract (default: default)")
	cmd.Flags().StringVar(&file, "values", "", "JSON or YAML file of values; - is standard input")
	return cmd
}

func linkLine(w io.Writer, k operate.Link) {
	printf(w, "%s: %s -> %s (%s, link name %s)\n", k.State, or(k.ActorName, string(k.ActorID)),
		or(k.ProviderName, string(k.ProviderID)), k.ContractID, k.LinkName)
	if k.State == wire.LinkAway {
		printf(w, "  %s\n", linkProblem(k))
	}
}

func linkDel(a *app) *cobra.Command {
	var w waiting
	var name string
	cmd := &cobra.Command{Use: "del ACTOR [PROVIDER|CONTRACT]", ValidArgsFunction: completer(a, actorNames,
		providerNames), Aliases: []string{"delete", "rm"}, Short: "Delete a link of an actor", Args: rangeArgs(1, 2),
		Example: `  weft link del app httpserver
  weft link del app wasmcloud:keyvalue --link-name cache`,
		RunE: func(cmd *cobra.Command, args []string) error {
			linkName, err := lattice.ParseLinkName(name)
			if err != nil {
				return err
			}
			ctx, l, done, err := w.connect(a, cmd)
			if err != nil {
				return err
			}
			defer done()
			contract := ""
			if len(args) > 1 {
				contract = args[1]
			}
			link, err := l.DelLink(ctx, args[0], contract, linkName)
			if err != nil {
				return err
			}
			return a.print(link, func(w io.Writer) { linkLine(w, *link) })
		}}
	w.flags(cmd.Flags())
	cmd.Flags().StringVar(&name, "link-name", "", "link name (default: default)")
	return cmd
}

func linkList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls", "query"}, Short: "List links and whether they work",
		Args: exactArgs(0),
		Long: `The state is active, failed (with the provider's reason), away (active, but what the provider needs for
it is away, since when and why), pending (no provider process has it yet), or unknown (the provider is not one of weft's
and does not tell). "active (new values refused)" serves with the values that it had; the reason is that of the newer
ones. What may pass is tried again, and "next try" says when.`,
		Example: `  weft link list
  weft link list -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, done, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer done()
			links, err := l.Links(cmd.Context())
			if err != nil {
				return err
			}
			slices.SortStableFunc(links, func(x, y operate.Link) int {
				return cmp.Or(strings.Compare(x.ActorName, y.ActorName), cmp.Compare(x.ActorID, y.ActorID),
					cmp.Compare(x.ContractID, y.ContractID),
					cmp.Compare(x.LinkName, y.LinkName))
			})
			return a.print(links, func(w io.Writer) {
				var rows [][]string
				for _, k := range links {
					// Values may be secrets; -o json shows them.
					rows = append(rows, cells(or(k.ActorName, k.ActorID),
						or(k.ProviderName, k.ProviderID), k.ContractID, k.LinkName,
						strings.Join(slices.Sorted(maps.Keys(k.Values)), ","), k.Summary(), linkProblem(k)))
				}
				a.table(w, "ACTOR PROVIDER CONTRACT LINK +VALUES STATE! ERROR", rows)
			})
		}}
}

// linkProblem is why a link does not work, and since when where that is known.
func linkProblem(l operate.Link) string {
	if l.Since.IsZero() {
		return l.Problem()
	}
	return "since " + l.Since.Local().Format(time.DateTime) + ": " + l.Problem()
}
