package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/guard"
	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/internal/providers/httpclient"
	"github.com/weftlattice/weft/internal/providers/httpserver"
	"github.com/weftlattice/weft/internal/providers/keyvaluenats"
	"github.com/weftlattice/weft/internal/providers/keyvalueredis"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/provider"
)

type builtin struct {
	name     string
	contract lattice.ContractID
	about    string
	storage  bool // keeps its data in JetStream
}

// builtins are the providers that come with weft, by the name that they are started by.
var builtins = []builtin{
	{"httpserver", "wasmcloud:httpserver", "an HTTP server that calls actors", false},
	{"httpclient", "wasmcloud:httpclient", "HTTP requests of actors to where their links allow", false},
	{"keyvalue-redis", "wasmcloud:keyvalue", "key-value storage in Redis", false},
	{"keyvalue-nats", "wasmcloud:keyvalue", "key-value storage in NATS JetStream", true},
}

// builtinID is the same on every machine, so that links to built-in providers hold everywhere.
func builtinID(name string) lattice.ProviderID {
	return signing.Derive(signing.KindProvider, "weft builtin "+name).ProviderID()
}

func builtinNames() []operate.Builtin {
	var out []operate.Builtin
	for _, b := range builtins {
		out = append(out, operate.Builtin{Name: b.name, ID: builtinID(b.name), ContractID: b.contract})
	}
	return out
}

// providerMains are the built-in providers.
func providerMains() map[string]providerMain {
	return map[string]providerMain{
		"httpserver":     {httpserver.Info, httpserver.New},
		"httpclient":     {httpclient.Info, httpclient.New},
		"keyvalue-redis": {keyvalueredis.Info, keyvalueredis.New},
		"keyvalue-nats":  {keyvaluenats.Info, keyvaluenats.New},
	}
}

// providerMain is a built-in provider as a process.
type providerMain struct {
	info    provider.Info
	factory provider.Factory
}

// providerRun is how a host starts a built-in provider.
func providerRun(a *app) *cobra.Command {
	return &cobra.Command{Use: "run NAME", Short: "Be a built-in provider (hosts start this)", Hidden: true,
		Args: exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, ok := providerMains()[args[0]]
			if !ok {
				return noBuiltin(args[0])
			}
			if code := provider.Main(p.info, p.factory); code != 0 {
				return silentError(code)
			}
			return nil
		}}
}

func noBuiltin(name string) error {
	var names []string
	for _, b := range builtins {
		names = append(names, b.name)
	}
	slices.Sort(names)
	hint := or(nearest.DidYouMean(name, names), "there are "+strings.Join(names, ", "))
	return usage.Errorf("no built-in provider %q; %s", name, hint)
}

// runInside lets the host run some of its built-in providers in its own process.
func runInside(all map[string]host.Builtin, names []string) error {
	mains := providerMains()
	for _, name := range names {
		m, ok := mains[name]
		if !ok {
			return fmt.Errorf("--inline: %w", noBuiltin(name))
		}
		b := all[name]
		b.Inside = func(ctx context.Context, r host.InsideRun) error {
			return provider.Run(ctx, provider.Options{Info: m.info, Stdin: r.In, Stdout: r.Out, Stderr: r.Err,
				StopTimeout: r.Grace}, m.factory)
		}
		all[name] = b
	}
	return nil
}

// providerGuard is the process that ends providers when their host dies.
func providerGuard(a *app) *cobra.Command {
	return &cobra.Command{Use: "guard", Short: "End providers whose host has died (hosts start this)", Hidden: true,
		Args: exactArgs(0),
		RunE: func(*cobra.Command, []string) error { return guard.Run(a.in, a.out) }}
}
