package provider

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/weftlattice/weft/internal/process/heap"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// Exit statuses of Main.
const (
	ExitOK      = 0 // ended in order
	ExitFailure = 1
	ExitUsage   = 2 // started by hand, or with something else than host data
)

// StopTimeout bounds the end: calls in progress, Shutdown and flushing. Set Options.StopTimeout for another.
const StopTimeout = 10 * time.Second

// Options are the surroundings of Run. Info and Stdin are required.
type Options struct {
	Info Info
	// Stdin carries the line of host data, and a further one each time that keys or credentials have changed. Its end
	// is the end of the host, and so of the provider, unless the host closes it at once, as those of the dialect do
	// since 0.78. Run leaves a read pending on it.
	Stdin          io.Reader
	Stdout, Stderr io.Writer     // nil discards
	StopTimeout    time.Duration // default StopTimeout
}

// Main runs a provider as the process it is: standard streams, SIGTERM and SIGINT, and the exit status to pass to
// os.Exit. A second signal ends it at once. Started on a terminal it explains itself.
func Main(info Info, factory Factory) int {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintf(os.Stderr, "%s %s: %s\n\nThis is a capability provider (%s). A weft host starts it and tells it "+
			"on standard input\nwhere its lattice is; by hand it can do nothing. Start it with:\n\n"+
			"  weft provider start %s\n",
			info.Name, info.Version, info.Description, info.Contract, os.Args[0])
		return ExitUsage
	}
	heap.Room(heap.DefaultRoom)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // from now on a signal has its default effect
	err := Run(ctx, Options{Info: info, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, factory)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errHostData):
		fmt.Fprintf(os.Stderr, "%s: %v\nA weft host writes this line: start the provider with \"weft provider "+
			"start\".\n", info.Name, err)
		return ExitUsage
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", info.Name, err)
	return ExitFailure
}

var errHostData = errors.New("no host data on standard input")

// Run runs a provider until ctx ends, its host closes Stdin or asks it to shut down; each is an orderly end and no
// error. A provider that runs in its host's process gets the context that the host has made for it (host.Inside).
// Errors: unusable host data, a provider that cannot be made, and calls that did not end within StopTimeout.
func Run(ctx context.Context, opts Options, factory Factory) error {
	if opts.Stdout == nil {
		opts.Stdout = io.Discard
	}
	if opts.Stderr == nil {
		opts.Stderr = io.Discard
	}
	if opts.StopTimeout <= 0 {
		opts.StopTimeout = StopTimeout
	}
	in := bufio.NewReader(opts.Stdin)
	hd, err := readHostData(in)
	if err != nil {
		return err
	}
	said := newLossy(opts.Stderr)
	defer said.close()
	log := newLogger(said, opts.Info, hd)
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	var serving atomic.Bool
	held := time.AfterFunc(earlyClose,
		func() { log.Debug("standard input is held open: its end will be taken for the host's") })
	defer held.Stop()
	later := make(chan wire.HostData)
	go listen(ctx, in, log, later, func() {
		if held.Stop() && !serving.Load() {
			log.Info("standard input was closed at once: its end says nothing about the host")
			return
		}
		log.Info("standard input has ended: the host is gone")
		quit()
	})
	p, err := newProcess(ctx, opts, hd, log, factory, quit)
	if err != nil {
		if ctx.Err() != nil && lattice.CodeOf(err) == lattice.ErrCanceled {
			return nil // ended while it waited for NATS
		}
		return err
	}
	err = p.start(ctx, hd.LinkDefinitions)
	if err == nil {
		serving.Store(true)
		if _, err = fmt.Fprintln(opts.Stdout, wire.ReadyLine); err != nil {
			err = fmt.Errorf("say that it is ready: %w", err)
		}
	}
	if err == nil {
		log.Info("serving", "version", opts.Info.Version, "links", len(p.links.states()))
		p.hear(ctx, later, opts.Stdout)
	} else if ctx.Err() != nil {
		err = nil // ended while it started
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opts.StopTimeout)
	defer cancel()
	err = errors.Join(err, p.stop(stopCtx))
	log.Info("stopped")
	return err
}

// earlyClose is how soon after the line, before the provider serves, the end of standard input means that the host
// never meant to hold it open.
const earlyClose = 100 * time.Millisecond

// readHostData reads one line, of bounded length. At the end of input the error is io.EOF.
func readHostData(in *bufio.Reader) (wire.HostData, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > wire.MaxHostDataBytes {
			return wire.HostData{}, fmt.Errorf("%w: the line is longer than %d bytes", errHostData,
				wire.MaxHostDataBytes)
		}
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return wire.HostData{}, fmt.Errorf("%w: %w", errHostData, io.EOF)
		}
		if err == nil || errors.Is(err, io.EOF) {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return wire.HostData{}, fmt.Errorf("%w: %w", errHostData, err)
		}
	}
	hd, err := wire.DecodeHostData(line)
	if err != nil {
		return hd, fmt.Errorf("%w: %w", errHostData, err)
	}
	return hd, nil
}

// listen reads further lines until the host closes standard input or dies.
func listen(ctx context.Context, in *bufio.Reader, log *slog.Logger, later chan<- wire.HostData, ended func()) {
	defer ended()
	for {
		hd, err := readHostData(in)
		switch {
		case lattice.CodeOf(err) == lattice.ErrInvalid: // a line, but not one of host data
			log.Warn("line on standard input ignored", lattice.LogErr, err)
			continue
		case err != nil:
			return
		}
		select {
		case later <- hd:
		case <-ctx.Done():
			_, _ = io.Copy(io.Discard, in)
			return
		}
	}
}

// newLogger logs as the host data says: text or JSON, from a level on.
func newLogger(w io.Writer, info Info, hd wire.HostData) *slog.Logger {
	opts := &slog.HandlerOptions{Level: map[string]slog.Level{
		"critical": slog.LevelError, "error": slog.LevelError, "warn": slog.LevelWarn,
		"debug": slog.LevelDebug, "trace": slog.LevelDebug,
	}[strings.ToLower(hd.LogLevel)]}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if hd.StructuredLogging {
		h = slog.NewJSONHandler(w, opts)
	}
	return slog.New(h).With("part", "provider", "name", info.Name, lattice.LogProvider,
		lattice.Printable(hd.ProviderKey),
		lattice.LogLink, lattice.Printable(hd.LinkName), lattice.LogHost, lattice.Printable(hd.HostID),
		lattice.LogLattice, lattice.Printable(hd.LatticeRPCPrefix))
}
