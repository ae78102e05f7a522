package host

import (
	"context"
	"io"
	"time"

	"github.com/weftlattice/weft/host/internal/providers"
	"github.com/weftlattice/weft/host/internal/supervisor"
)

// Inside runs a built-in provider as goroutines of the host's process, until ctx ends or In does, and returns when all
// of them have ended, except one that reads In. It is under the same supervision as a process. What it returns, or the
// panic of its own goroutine, is an exit: the host tells it by events and starts the provider again. A panic of any
// other goroutine ends the host. It calls provider.Run with ctx, which carries the way between host and provider, and
// with the parts of r.
type Inside func(ctx context.Context, r InsideRun) error

// InsideRun is what a run of a provider in the host has in place of a process's surroundings.
type InsideRun struct {
	In       io.Reader // host data, a line at a time, as a process has it
	Out, Err io.Writer
	Grace    time.Duration // how long its end may take: Config.ProviderGrace
}

// builtins are the providers that come with the binary, for package providers.
func (c *Config) builtins() map[string]providers.Builtin {
	all := map[string]providers.Builtin{}
	for name, b := range c.Builtins {
		to := providers.Builtin{ID: b.ID, Name: b.Name, ContractID: b.ContractID, Version: b.Version,
			Revision: b.Revision,
			Path:     b.Path, Args: b.Args, Storage: b.Storage}
		if b.Inside != nil {
			to.Inside = func(ctx context.Context, s supervisor.Streams) error {
				return b.Inside(ctx, InsideRun{In: s.In, Out: s.Out, Err: s.Err, Grace: c.ProviderGrace})
			}
		}
		all[name] = to
	}
	return all
}
