//go:build linux

// Command reliability shows what people see of a lattice while parts of it die, hang or are cut off: the rows of
// docs/reliability.md.
//
// Three hosts and a NATS server run as real processes, each in a network namespace of its own as on a machine of its
// own, joined by tokens over TLS. Requests come at a constant rate, whether or not earlier ones are answered, in turns
// to the three hosts, and their sender does not repeat one that fails. Each fault begins and, where it does, ends while
// they come. Then streams of events come, and faults meanwhile. It needs root, for the namespaces.
package main

import (
	"context"
	"errors"
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
	only := flag.String("only", "", "names of the faults to show, separated by commas; "+onlyStreams+
		" is those among streams (default: all)")
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
	list, streams, err := chosen(only)
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
	if err := put(doc, beginTable, table(rows), endTable, len(rows)); err != nil || !streams {
		return err
	}
	streamRows, err := b.showStreams(ctx, short, verbose)
	if err != nil {
		return fmt.Errorf("%s: %w", onlyStreams, err)
	}
	return put(doc, beginStreams, streamTable(streamRows), endStreams, len(streamRows))
}

// put puts a table of so many rows into a document, or prints it where there is none.
func put(doc, begin, table, end string, rows int) error {
	switch {
	case rows == 0:
		return nil
	case doc == "":
		fmt.Print(table)
		return nil
	}
	return replace(doc, begin, table, end)
}

// onlyStreams is the name of all faults among streams.
const onlyStreams = "streams"

// chosen picks faults by name.
func chosen(only string) (list []fault, streams bool, err error) {
	if only == "" {
		return faults, true, nil
	}
next:
	for name := range strings.SplitSeq(only, ",") {
		if name == onlyStreams {
			streams = true
			continue
		}
		names := []string{onlyStreams}
		for _, f := range faults {
			if f.name == name {
				list = append(list, f)
				continue next
			}
			names = append(names, f.name)
		}
		return nil, false, fmt.Errorf("no fault %q; there are %s", name, strings.Join(names, ", "))
	}
	return list, streams, nil
}

// streamLives is how long the streams live at least that no fault breaks.
const streamLives = time.Minute

// showStreams makes all faults among streams happen to one lattice. What is otherwise than it should be is an error.
func (b *binaries) showStreams(ctx context.Context, short, verbose bool) (rows []streamRow, err error) {
	l, err := b.open(ctx, (*lab).deployStreams)
	defer func() {
		if verbose || err != nil {
			fmt.Fprintln(os.Stderr, l.said())
		}
		l.close()
	}()
	if err != nil {
		return nil, err
	}
	lives := streamLives
	if short {
		lives = 0
	}
	for _, f := range streamFaults {
		r, err := l.streamed(ctx, f, lives)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Fprintln(os.Stderr, r)
		rows = append(rows, r)
		if len(r.wrong) > 0 {
			return rows, errors.New(strings.Join(r.wrong, "; "))
		}
	}
	l.end()
	if faults := l.faults(); len(faults) > 0 {
		return rows, errors.New(strings.Join(faults, "; "))
	}
	return rows, nil
}

// show starts a lattice, lets requests come, and makes one fault meanwhile.
func (b *binaries) show(ctx context.Context, f fault, short, verbose bool) (r row, err error) {
	l, err := b.open(ctx, (*lab).deploy)
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
	var urls []string
	for _, h := range l.hosts {
		urls = append(urls, h.url(echoPort), h.url(storePort))
	}
	load, err := l.load(rate, settle+length+calm, urls...)
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
