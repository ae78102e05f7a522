package main

import "github.com/spf13/cobra"

// oldSpellings are the verb-first words of people who come from wash: "weft start actor", "weft get hosts". They are
// the same commands, hidden from help.
func oldSpellings(a *app) []*cobra.Command {
	as := func(use string, cmd *cobra.Command) *cobra.Command {
		cmd.Use = use
		return cmd
	}
	verb := func(use, short string, cmds ...*cobra.Command) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short, Hidden: true}
		c.AddCommand(cmds...)
		return c
	}
	hosts := as("hosts", hostList(a))
	hosts.Aliases = []string{"host"}
	inventory := as("inventory [HOST]", hostInspect(a))
	inventory.Aliases = []string{"inv"}
	links := as("links", linkList(a))
	links.Aliases = []string{"link"}
	label := as("label HOST [key=value ...]", hostLabel(a))
	drain := as("drain HOST", hostDrain(a))
	label.Hidden, drain.Hidden = true, true
	return []*cobra.Command{
		verb("start", "Start an actor or a provider", as("actor REF", actorStart(a)),
			as("provider REF", providerStart(a))),
		verb("stop", "Stop an actor, a provider or a host", as("actor ACTOR", actorStop(a)),
			as("provider PROVIDER", providerStop(a)), as("host HOST", hostStop(a))),
		verb("scale", "Scale an actor", as("actor ACTOR --max N", actorScale(a))),
		verb("update", "Update an actor", as("actor ACTOR REF", actorUpdate(a))),
		verb("get", "List hosts, inventories, links or claims", hosts, inventory, links, claimsList(a),
			as("actors", actorList(a)), as("providers", providerList(a))),
		verb("claims", "Show and sign claims", as("inspect FILE|ACTOR", inspectCmd(a)),
			as("sign FILE.wasm", signCmd(a))),
		label, drain,
	}
}
