//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weftlattice/weft/internal/latticetest/output"
)

// way is how events come to a client: from the httpserver on a host, which calls an actor.
type way struct {
	name string
	host int // of the httpserver
	port int
}

// The ways: from two httpservers, each with the actor "far" on host c and "near" on host b.
var (
	aFar  = way{"a far", 0, 8082}
	aNear = way{"a near", 0, 8083}
	bFar  = way{"b far", 1, 8082}
	bNear = way{"b near", 1, 8083}
	ways  = []way{aFar, aNear, bFar, bNear}
)

func (l *lab) wayURL(w way) string { return l.hosts[w.host].url(w.port) }

// streamFault is something that happens while events come on all ways, among requests.
type streamFault struct {
	name, what string
	breaks     []way // the others go on to their end
	requests   []way // on which no request fails
	begin      func(ctx context.Context, l *lab) error
}

// streamFaults in the order of the table. They happen to one lattice, one after another; a killed host stays so.
var streamFaults = []streamFault{
	{"update", "the actor is updated to a new revision", nil, ways, updateFar},
	{"httpserver-killed", "an httpserver's process is killed; its host starts it again", []way{aFar, aNear},
		[]way{bFar, bNear}, func(ctx context.Context, l *lab) error {
			pid, err := l.pid(ctx, l.hosts[0], "httpserver")
			if err != nil {
				return err
			}
			return syscall.Kill(pid, syscall.SIGKILL)
		}},
	{"httpservers-host-killed", "an httpserver's host is killed", []way{aFar, aNear}, []way{bFar, bNear},
		func(_ context.Context, l *lab) error { return l.hosts[0].kill() }},
	{"actors-host-killed", "an actor's host is killed", []way{bFar}, []way{bNear},
		func(_ context.Context, l *lab) error { return l.hosts[2].kill() }},
}

// streamPatience is how long something may take that is to come, on a busy machine.
const streamPatience = 2 * time.Minute

// deployStreams starts what serves the ways. They stream once the hosts have heard of each other (streams).
func (l *lab) deployStreams(ctx context.Context) error {
	start := func(name, host string) []string {
		return []string{"actor", "start", l.stream, "--name", name, "--cap", "wasmcloud:httpserver", "--rev", "1",
			"--max", "8", "--timeout-exec", "10m", "--host", host}
	}
	for _, args := range [][]string{
		{"provider", "start", "httpserver", "--host", "a"}, {"provider", "start", "httpserver", "--host", "b"},
		start("far", "c"), start("near", "b"),
		{"link", "put", "far", "httpserver", fmt.Sprintf("address=0.0.0.0:%d", aFar.port)},
		{"link", "put", "near", "httpserver", fmt.Sprintf("address=0.0.0.0:%d", aNear.port)},
	} {
		if _, err := l.operate(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// Words of the component's answer to a request, in the first revision and in the second one.
const oldWord, newWord = "hello\n", "HELLO\n"

// updateFar replaces the code of the actor on host c.
func updateFar(ctx context.Context, l *lab) error {
	code, err := os.ReadFile(l.stream)
	if err != nil {
		return err
	}
	if bytes.Count(code, []byte(oldWord)) != 1 {
		return fmt.Errorf("%s does not have its word once", l.stream)
	}
	file := filepath.Join(l.dir, "stream.wasm")
	if err := os.WriteFile(file, bytes.Replace(code, []byte(oldWord), []byte(newWord), 1), 0o600); err != nil {
		return err
	}
	_, err = l.operate(ctx, "actor", "update", "far", file, "--name", "far", "--cap", "wasmcloud:httpserver", "--rev",
		"2")
	return err
}

// events is a client on a machine of its own that reads a stream of events. They come until it ends its request.
type events struct {
	*process
	way      way
	begun    time.Time
	received output.Text
	request  *os.File
}

func (l *lab) events(w way) (*events, error) {
	e := &events{way: w, begun: time.Now()}
	r, request, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	e.request = request
	e.process, err = l.startWith(r, "client", "events "+w.name, &e.received, nil, "curl", "-sSNf", "-X", "POST", "-H",
		"Expect:", "-T", ".", l.wayURL(w)+"sse?ms=20")
	return e, err
}

// count is how many events have come.
func (e *events) count() int { return strings.Count(e.received.String(), "\n\n") }

// more waits for further events.
func (e *events) more(ctx context.Context, n int) error {
	want := e.count() + n
	return until(ctx, streamPatience, func() error {
		if !e.alive() {
			return fmt.Errorf("events %s: it ended after %d events: %s", e.way.name, e.count(), e.log.String())
		}
		if have := e.count(); have < want {
			return fmt.Errorf("events %s: %d of %d have come", e.way.name, have, want)
		}
		return nil
	})
}

// over waits until the stream has ended, and reports whether that was its clean end. All events must be there, in their
// order.
func (e *events) over(ctx context.Context) (clean bool, err error) {
	select {
	case <-e.ended:
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(streamPatience):
		return false, fmt.Errorf("events %s: it goes on after %d events", e.way.name, e.count())
	}
	rest := e.received.String()
	for n := range e.count() {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, "data: "+strconv.Itoa(n)+"\n\n"); !ok {
			return false, fmt.Errorf("events %s: instead of event %d comes %.40q", e.way.name, n, rest)
		}
	}
	clean = e.cmd.ProcessState.ExitCode() == 0
	if clean && (rest != "" || e.count() == 0) {
		return false, fmt.Errorf("events %s: a clean end after %d events and %q", e.way.name, e.count(), rest)
	}
	return clean, nil
}

// streamRow is what a fault came to.
type streamRow struct {
	streamFault
	broken, whole    int
	brokenAfter      time.Duration // the last one
	lived            time.Duration // the oldest that went on to its end
	requests, failed int
	wrong            []string // what is otherwise than it should be
}

func (r *streamRow) not(format string, args ...any) {
	r.wrong = append(r.wrong, r.name+": "+fmt.Sprintf(format, args...))
}

// streamed lets events come on all ways that are alive, and requests, and makes one fault meanwhile. Streams that go on
// live for a time, at least. An error says that the fault could not be shown; what came of it is in the row.
func (l *lab) streamed(ctx context.Context, f streamFault, lives time.Duration) (r streamRow, err error) {
	r.streamFault = f
	var all []*events
	for _, w := range ways {
		if !l.hosts[w.host].alive() {
			continue
		}
		if err := l.streams(ctx, w); err != nil {
			return r, err
		}
		e, err := l.events(w)
		if err != nil {
			return r, err
		}
		defer e.request.Close()
		all = append(all, e)
	}
	var urls []string
	for _, w := range f.requests {
		urls = append(urls, l.wayURL(w))
	}
	load, err := l.load(streamedRate, time.Hour, urls...)
	if err != nil {
		return r, err
	}
	defer load.end()
	further := func() error {
		for _, e := range all {
			if slices.Contains(f.breaks, e.way) && !e.alive() {
				continue
			}
			if err := e.more(ctx, 20); err != nil {
				return err
			}
		}
		return load.more(ctx, 40)
	}
	if err := further(); err != nil {
		return r, err
	}
	begun := time.Now()
	if err := f.begin(ctx, l); err != nil {
		return r, err
	}
	done := time.Now()
	for _, e := range all {
		if !slices.Contains(f.breaks, e.way) {
			continue
		}
		if clean, err := e.over(ctx); err != nil || clean {
			r.not("the stream %s is not broken: %v", e.way.name, err)
		}
		r.broken++
		r.brokenAfter = time.Since(begun)
	}
	if err := errors.Join(further(), pause(ctx, time.Until(all[0].begun.Add(lives))), further()); err != nil {
		r.not("%v", err)
	}
	for _, e := range all {
		if slices.Contains(f.breaks, e.way) {
			continue
		}
		lived := time.Since(e.begun)
		_ = e.request.Close()
		if clean, err := e.over(ctx); err != nil || !clean {
			r.not("the stream %s has no clean end: %v: %s", e.way.name, err, e.log.String())
			continue
		}
		r.whole++
		r.lived = max(r.lived, lived)
	}
	load.end()
	l.judge(&r, load.sofar(), done)
	return r, l.released(ctx, &r)
}

// streamedRate is how many requests a second come beside the streams.
const streamedRate = 40.0

// judge looks at what became of the requests.
func (l *lab) judge(r *streamRow, all []request, done time.Time) {
	r.requests = len(all)
	old := 0
	for _, q := range all {
		far := strings.HasPrefix(q.URL, l.wayURL(aFar)) || strings.HasPrefix(q.URL, l.wayURL(bFar))
		switch {
		case q.failed() || q.Answer != oldWord && q.Answer != newWord:
			r.failed++
			r.not("a request fails: %s: %d %s%s", q.URL, q.Status, q.Answer, q.Error)
		case r.name != "update" || !far:
		case q.Answer == oldWord:
			if old++; q.Due.After(done) {
				r.not("a request after the update gets the old revision")
			}
		}
	}
	if r.name == "update" && old == 0 {
		r.not("no request got the old revision")
	}
}

// released waits until the hosts that are alive hold nothing of the streams any more.
func (l *lab) released(ctx context.Context, r *streamRow) error {
	for _, h := range l.hosts {
		if !h.alive() {
			continue
		}
		err := until(ctx, streamPatience, func() error {
			text, err := l.output(h.machine, "curl", "-sSf", "http://127.0.0.1:7422/metrics")
			if err != nil {
				return err
			}
			seen := 0
			for line := range strings.Lines(text) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
				name, labels, _ := strings.Cut(name, "{")
				switch {
				case strings.HasSuffix(name, "_streams_open"), strings.HasSuffix(name, "_streams_held_bytes"),
					name == "weft_httpserver_requests_active", name == "weft_large_payload_bytes",
					name == "weft_instances" && strings.Contains(labels, `state="in_use"`):
					seen++
					if value != "0" {
						return errors.New(line)
					}
				}
			}
			if seen < 3 {
				return fmt.Errorf("only %d metrics of streams", seen)
			}
			return nil
		})
		if err != nil {
			r.not("host %s still holds %v", h.machine, err)
		}
	}
	return ctx.Err()
}

// streams waits until a way streams: the httpserver has heard from the host that its actor does.
func (l *lab) streams(ctx context.Context, w way) error {
	return until(ctx, streamPatience, func() error {
		head, err := l.output("client", "curl", "-sSf", "-m", "20", "-D", "-", l.wayURL(w)+"sse?n=1&ms=100")
		if err == nil && !strings.Contains(strings.ToLower(head), "transfer-encoding: chunked") {
			err = fmt.Errorf("%s answers as a whole: %s", w.name, head)
		}
		return err
	})
}

func (r streamRow) String() string {
	s := fmt.Sprintf("%-24s %d streams broken, the last after %s; %d whole, up to %s old; %d requests, %d failed",
		r.name, r.broken, r.brokenAfter.Round(100*time.Millisecond), r.whole, r.lived.Round(100*time.Millisecond),
		r.requests, r.failed)
	for _, w := range r.wrong {
		s += "\n    " + w
	}
	return s
}
