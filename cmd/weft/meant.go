package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/nearest"
)

// otherWords are verbs that people bring from other tools, with those that do the same here, the likeliest first. A
// word stands for each that the command at hand has.
var otherWords = map[string][]string{
	"ls": {"list"}, "ps": {"list"}, "show": {"inspect", "list"}, "describe": {"inspect"}, "info": {"inspect"},
	"status": {"list"}, "state": {"list"}, "top": {"list"}, "get": {"inspect", "list"}, "query": {"list"},
	"all": {"list"},
	"run": {"start", "run", "dev"}, "exec": {"call"}, "invoke": {"call"}, "create": {"start", "put", "create", "new"},
	"launch": {"start"},
	"deploy": {"start", "up -f FILE"}, "apply": {"up -f FILE"}, "add": {"start", "put", "create", "import"},
	"set": {"put", "label", "scale"}, "bind": {"put"}, "connect": {"put", "token create"},
	"join":   {"run --join TOKEN", "host run --join TOKEN"},
	"delete": {"stop", "del", "revoke"}, "remove": {"stop", "del", "revoke"}, "rm": {"stop", "del", "revoke"},
	"kill": {"stop"},
	"down": {"stop"}, "terminate": {"stop"}, "undeploy": {"stop"}, "unlink": {"link del"},
	"restart": {"update", "stop"}, "upgrade": {"update"}, "replace": {"update"}, "rollout": {"update"},
	"reload": {"update"},
	"tail":   {"logs"}, "log": {"logs"}, "watch": {"events"}, "monitor": {"events"}, "compile": {"build"},
	"init": {"new", "up"}, "generate": {"new", "create"}, "gen": {"create", "new"}, "new": {"create"},
	"make":  {"create", "new"},
	"serve": {"up"}, "server": {"up"}, "download": {"pull"}, "upload": {"push"}, "publish": {"push"},
	"login": {"help connection"}, "config": {"help connection"}, "context": {"help connection"},
}

// manyNouns are the commands whose verbs are looked at when a verb stands alone: "weft ps".
var manyNouns = []string{"actor", "provider", "link", "host"}

// meantCommand says which commands were probably meant by args, of which cmd knows none: "weft actor list or weft host
// list". It is empty when there is no idea.
func meantCommand(cmd *cobra.Command, args []string) string {
	word := strings.ToLower(args[0])
	var found []string
	add := func(at *cobra.Command, verbs ...string) {
		for _, verb := range verbs {
			first, _, _ := strings.Cut(verb, " ")
			i := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == first && !c.Hidden })
			if full := at.CommandPath() + " " + verb; (i >= 0 || first == "help" && !at.HasParent()) &&
				!slices.Contains(found, full) {
				found = append(found, full)
			}
		}
	}
	same := append([]string{word}, otherWords[word]...)
	if cmd.HasParent() {
		add(cmd, otherWords[word]...)
	} else {
		nouns := manyNouns
		if len(args) > 1 { // "weft list actors"
			if noun := nounOf(cmd, args[1]); noun != "" {
				nouns = []string{noun}
			}
		}
		for _, noun := range nouns {
			at, _, err := cmd.Find([]string{noun})
			if err != nil {
				continue
			}
			before := len(found)
			for _, verb := range same { // the likeliest of a noun is enough
				if add(at, verb); len(found) > before {
					break
				}
			}
		}
		add(cmd, otherWords[word]...)
	}
	if len(found) == 0 {
		var names []string
		for _, c := range cmd.Commands() {
			if !c.Hidden {
				names = append(names, c.Name())
			}
		}
		found = nearest.Names(word, names)
	}
	return orList(found)
}

// nounOf is the command whose name or alias a word is; "": it is no such word.
func nounOf(root *cobra.Command, word string) string {
	for _, c := range root.Commands() {
		if !c.Hidden && (c.Name() == word || c.HasAlias(word)) && c.HasSubCommands() {
			return c.Name()
		}
	}
	return ""
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// otherFlags are flags that people bring from other tools.
var otherFlags = map[string][]string{
	"replicas": {"max"}, "instances": {"max"}, "count": {"max"}, "scale": {"max"}, "concurrency": {"max"},
	"max-instances": {"max"},
	"namespace":     {"lattice"}, "server": {"nats-url"}, "url": {"nats-url"}, "format": {"output"}, "json": {"output"},
	"yaml": {"output"},
	"tail": {"lines"}, "env": {"config"}, "labels": {"label", "constraint"}, "selector": {"constraint"},
	"port": {"address"}, "listen": {"address", "nats-listen"},
	"wait": {"no-wait", "timeout"}, "verbose": {"log-level"}, "debug": {"log-level"}, "file": {"values", "config"},
	"contract-id": {"contract"},
	"caps":        {"cap"}, "capability": {"cap"}, "credentials": {"creds"}, "out": {"output"}, "target": {"host"},
	"node": {"host"}, "revision": {"rev"}, "version": {"ver"},
}

// unknownFlag words what is wrong with the flags of a command line: with an unknown one, the nearest that cmd has; with
// a file in --output, where it goes.
func unknownFlag(cmd *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if errors.As(err, &wrong) && wrong.GetFlag().Name == "output" && cmd.Flags().Lookup("out") != nil {
		return usage.Errorf("%w; the file to write goes in --out", err)
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage.Error{Err: err}
	}
	name := unknown.GetSpecifiedName()
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	var near []string
	for _, other := range otherFlags[strings.ToLower(name)] {
		if slices.Contains(names, other) {
			near = append(near, other)
		}
	}
	if len(near) == 0 && len(name) > 1 {
		near = nearest.Names(name, names)
	}
	hint := ""
	if len(near) > 0 {
		for i := range near {
			near[i] = "--" + near[i]
		}
		hint = "; did you mean " + orList(near) + "?"
	}
	if later := onlyAtStart(cmd, name); later != "" {
		hint = "; " + later
	}
	return usage.Error{Err: fmt.Errorf("%w%s\nSee: %s --help", err, hint, cmd.CommandPath())}
}

// onlyAtStart says how to change what a flag of a start says, on what runs; "": the noun's start has no such flag.
func onlyAtStart(cmd *cobra.Command, flag string) string {
	if cmd.Name() != "update" && cmd.Name() != "scale" || !cmd.HasParent() {
		return ""
	}
	for _, start := range cmd.Parent().Commands() {
		if f := start.Flags().Lookup(flag); start.Name() != "start" || f == nil || f.Hidden {
			continue
		}
		noun := cmd.Parent().CommandPath()
		hint := fmt.Sprintf("--%s is said at the start, and holds until the stop: %s stop, then %s start with --%s",
			flag, noun, noun, flag)
		if cmd.Parent().Name() == "actor" && flag == "config" {
			hint += "; while it runs: " + configByLink
		}
		return hint
	}
	return ""
}

// configByLink is how an actor's configuration changes while it runs.
const configByLink = "weft link put ACTOR PROVIDER weft.config.KEY=VALUE"
