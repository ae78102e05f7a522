package main

import "github.com/spf13/cobra"

// oldSpellings are the verb-first words of people who come from wash: "weft start actor", "weft get hosts". They are the
// same commands, hidden from help.
func (a *app) oldSpellings() []*cobra.Command {
	as := func(use string, cmd *cobra.Command) *cobra.Command {
		cmd.Use = use
		return cmd
	}
	verb := func(use, short string, cmds ...*cobra.Command) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short, Hidden: true}
		c.AddCommand(cmds...)
		return c
	}
	hosts := as("hosts", a.hostList())
	hosts.Aliases = []string{"host"}
	inventory := as("inventory [HOST]", a.hostInspect())
	inventory.Aliases = []string{"inv"}
	links := as("links", a.linkList())
	links.Aliases = []string{"link"}
	label := as("label HOST [key=value ...]", a.hostLabel())
	drain := as("drain HOST", a.hostDrain())
	label.Hidden, drain.Hidden = true, true
	return []*cobra.Command{
		verb("start", "Start an actor or a provider", as("actor REF", a.actorStart()), as("provider REF", a.providerStart())),
		verb("stop", "Stop an actor, a provider or a host", as("actor ACTOR", a.actorStop()), as("provider PROVIDER", a.providerStop()), as("host HOST", a.hostStop())),
		verb("scale", "Scale an actor", as("actor ACTOR --max N", a.actorScale())),
		verb("update", "Update an actor", as("actor ACTOR REF", a.actorUpdate())),
		verb("get", "List hosts, inventories, links or claims", hosts, inventory, links, a.claimsList(),
			as("actors", a.actorList()), as("providers", a.providerList())),
		verb("claims", "Show and sign claims", as("inspect FILE|ACTOR", a.inspectCmd()), as("sign FILE.wasm", a.signCmd())),
		label, drain,
	}
}
