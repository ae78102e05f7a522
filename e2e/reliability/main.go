// Command reliability shows what people see of a lattice while parts of it die, hang or are cut off: the rows of
// docs/reliability.md.
//
// Three hosts and a NATS server run as real processes, each in a network namespace of its own as on a machine of its
// own, joined by tokens over TLS. Requests come at a constant rate, whether or not earlier ones are answered, in turns
// to the three hosts, and their sender does not repeat one that fails. Each fault begins and, where it does, ends while
// they come. It needs root, for the namespaces.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == loadCommand {
		os.Exit(generate(os.Args[2:]))
	}
	only := flag.String("only", "", "names of the faults to show, separated by commas (default: all)")
	short := flag.Bool("short", false, "shorter faults, as the tests have them")
	out := flag.String("doc", "", "file with a table between markers, which is replaced (default: print it)")
	keep := flag.Bool("v", false, "show what the processes say")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *out, *short, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "reliability:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only, doc string, short, verbose bool) error {
	list, err := chosen(only)
	if err != nil {
		return err
	}
	b, err := build()
	if err != nil {
		return err
	}
	defer b.close()
	var rows []row
	for _, f := range list {
		fmt.Fprintf(os.Stderr, "%s ...\n", f.name)
		r, err := b.show(ctx, f, short, verbose)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Fprintln(os.Stderr, r)
		rows = append(rows, r)
	}
	if doc == "" {
		fmt.Print(table(rows))
		return nil
	}
	return replace(doc, rows)
}

// chosen picks faults by name.
func chosen(only string) ([]fault, error) {
	if only == "" {
		return faults, nil
	}
	var list []fault
next:
	for name := range strings.SplitSeq(only, ",") {
		var names []string
		for _, f := range faults {
			if f.name == name {
				list = append(list, f)
				continue next
			}
			names = append(names, f.name)
		}
		return nil, fmt.Errorf("no fault %q; there are %s", name, strings.Join(names, ", "))
	}
	return list, nil
}

// show starts a lattice, lets requests come, and makes one fault meanwhile.
func (b *binaries) show(ctx context.Context, f fault, short, verbose bool) (r row, err error) {
	l, err := b.open(ctx)
	defer func() {
		if verbose || err != nil {
			fmt.Fprintln(os.Stderr, l.said())
		}
		l.close()
	}()
	if err != nil {
		return r, err
	}
	length := f.length
	if short {
		length = f.short
	}
	load, err := l.load(rate, settle+length+calm)
	if err != nil {
		return r, err
	}
	defer load.end()
	if err := pause(ctx, settle); err != nil {
		return r, err
	}
	begun := time.Now()
	heal, err := f.begin(ctx, l)
	if err != nil {
		return r, fmt.Errorf("begin: %w", err)
	}
	if err := pause(ctx, length); err != nil {
		return r, err
	}
	if heal != nil {
		if err := heal(); err != nil {
			return r, fmt.Errorf("end: %w", err)
		}
	}
	all, err := load.wait()
	if err != nil {
		return r, err
	}
	return sum(f, length, begun, all), nil
}

const (
	rate   = 150.0           // requests per second
	settle = 4 * time.Second // before the fault
	calm   = 8 * time.Second // after it
)

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
