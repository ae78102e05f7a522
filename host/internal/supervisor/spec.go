package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Defaults of Spec.
const (
	defaultReadyTimeout = 10 * time.Second
	defaultGrace        = 2 * time.Second
)

// Spec says what to run and how to know that it serves.
type Spec struct {
	Path string   // the executable, an absolute path; required unless Run is set
	Args []string // without the program's name
	Dir  string   // working directory; empty is the host's

	// Run is called instead of running a program: the provider is then goroutines of the host's own process, with
	// streams as a process has them. It ends when its input does or ctx is canceled, and must not return while it has
	// goroutines, except one that reads its input. What it returns, nil included, counts as an exit; so does a panic of
	// its goroutine.
	Run func(ctx context.Context, s Streams) error

	// Env adds to the child's environment, which is otherwise nearly empty: PATH, HOME, TMPDIR, RUST_LOG and the two
	// OTEL_* settings of the host. "KEY=value" sets a variable, "KEY" hands over the host's if it is set. Secrets do
	// not belong here, but on standard input.
	Env []string

	// Stdin returns what the child gets on standard input, asked anew at each start, so that it is current. Standard
	// input then stays open until the child is to end. Nil writes nothing.
	Stdin func() []byte

	// A child is ready when it prints ReadyLine to standard output or when Probe succeeds, whichever comes first. With
	// RequireReadyLine only the line counts. With neither it is ready as soon as it runs. Probe is called again and
	// again, one call at a time, each bounded to a second.
	ReadyLine        string
	RequireReadyLine bool
	Probe            func(context.Context) error
	Answers          []string      // lines on standard output that answer Process.Tell
	ReadyTimeout     time.Duration // not ready by then is a failed start; 0 is 10 s

	// Shutdown asks the process politely to end, for example over NATS. Nil or an error goes on to SIGTERM at once.
	Shutdown func(context.Context) error
	Grace    time.Duration // for each of: Shutdown, the exit after it, the exit after SIGTERM; 0 is 2 s

	// Excused reports whether something is away that the child may need to get ready, through no fault of its own. A
	// child is then given more time, and an end of it does not make the wait for the next one longer than a second.
	// Nil: never.
	Excused func() bool

	Restart Policy
	Guard   *Guard // ends the process when the host dies; nil: the process has no guard

	// OnState is told every change, in order, by the goroutine that owns the process. It must not block nor call the
	// Process's methods other than State. Nil: no call.
	OnState func(State)

	Logger *slog.Logger // also gets the child's output, each line at its own level; nil discards
}

// withDefaults fills in what is not set, so that the rest of the package need not ask.
func (s Spec) withDefaults() Spec {
	if s.ReadyTimeout <= 0 {
		s.ReadyTimeout = defaultReadyTimeout
	}
	if s.Grace <= 0 {
		s.Grace = defaultGrace
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Excused == nil {
		s.Excused = func() bool { return false }
	}
	if s.OnState == nil {
		s.OnState = func(State) {}
	}
	return s
}

func (s Spec) validate() error {
	var errs []error
	bad := func(detail string) {
		errs = append(errs, &lattice.Error{Code: lattice.ErrInvalid, Op: "supervise",
			Entity: lattice.Printable(s.Path), Detail: detail})
	}
	if s.Run == nil && !filepath.IsAbs(s.Path) {
		bad("the path is not absolute")
	}
	if s.RequireReadyLine && s.ReadyLine == "" {
		bad("a ready line is required, but none is named")
	}
	return errors.Join(errs...)
}

// passed are the variables of the host that every child gets.
var passed = []string{"PATH", "HOME", "TMPDIR", "RUST_LOG", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT",
	"SYSTEMROOT"}

// environment returns the child's environment. It is never nil, since nil means all of the host's to os/exec.
func environment(extra []string, lookup func(string) (string, bool)) []string {
	env := []string{}
	for _, key := range passed {
		if v, ok := lookup(key); ok {
			env = append(env, key+"="+v)
		}
	}
	for _, e := range extra {
		if strings.Contains(e, "=") {
			env = append(env, e) // the last of two settings of one key wins
		} else if v, ok := lookup(e); ok {
			env = append(env, e+"="+v)
		}
	}
	return env
}

var hostEnv = os.LookupEnv
