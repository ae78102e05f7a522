package supervisor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
)

const (
	maxLineBytes = 16 << 10 // longer lines are cut
	tailLines    = 20
	tailBytes    = 500 // of a line kept in the tail
)

// tail keeps the last lines. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	last []string // guarded by mu
}

// add keeps a line, and forgets the oldest. The array is made anew, since readers may hold the one before.
func (t *tail) add(line string) {
	line = clip.Text(line, tailBytes)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) == tailLines {
		t.last = append(t.last[:0:0], t.last[1:]...)
	}
	t.last = append(t.last, line)
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last[:len(t.last):len(t.last)]
}

// readLines calls emit for each line without its end, and returns when r ends. Of a line longer than limit the rest is
// dropped and cut is true. The slice is valid during the call only.
func readLines(r io.Reader, limit int, emit func(line []byte, cut bool)) error {
	br := bufio.NewReaderSize(r, limit)
	for inside := false; ; { // inside a line that has been emitted already
		chunk, err := br.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if !inside && (len(chunk) > 0) {
			emit(bytes.TrimRight(chunk, "\r\n"), full)
		}
		inside = full
		switch {
		case err == nil, full:
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

// relay drains one output of a child into the log.
type relay struct {
	r         *os.File
	log       *slog.Logger
	fallback  slog.Level // of lines that do not tell theirs
	tail      *tail      // nil for standard output
	readyLine string     // "" for standard error
	onReady   func()
	answers   []string // nil for standard error
	answered  chan<- string

	panicked bool // from then on everything is an error
}

// newRelay makes the relay of one stream of a child. The ready line and answers come on standard output alone.
func newRelay(spec Spec, c *child, r *os.File, stderr bool) *relay {
	rel := &relay{r: r, log: spec.Logger}
	if pid := c.pid(); pid != 0 {
		rel.log = rel.log.With("pid", pid)
	}
	if stderr {
		rel.fallback, rel.tail = slog.LevelWarn, c.tail
	} else {
		rel.fallback, rel.readyLine = slog.LevelInfo, spec.ReadyLine
		rel.answers, rel.answered = spec.Answers, c.answers
		rel.onReady = sync.OnceFunc(func() { close(c.readyLine) })
	}
	return rel
}

func (r *relay) run() {
	// An error is the deadline after the end of the group, or nothing we could mend.
	_ = readLines(r.r, maxLineBytes, r.line)
}

// line takes one line of the child. A ready line or an answer is for the supervisor, all else is logged: a record at
// its own level, a text at that of the stream, a panic and what follows it as errors.
func (r *relay) line(raw []byte, cut bool) {
	text := strings.ToValidUTF8(string(bytes.TrimSpace(raw)), "?")
	if text == "" {
		return
	}
	if r.readyLine != "" && text == r.readyLine {
		r.onReady()
		return
	}
	if slices.Contains(r.answers, text) {
		select {
		case r.answered <- text:
		default: // nobody asked
		}
		return
	}
	if r.tail != nil {
		r.tail.add(text)
	}
	rec := parseRecord(text, r.fallback)
	if strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:") ||
		strings.Contains(text, "' panicked at ") {
		r.panicked = true
	}
	if r.panicked {
		rec.level = max(rec.level, slog.LevelError)
	}
	rec.attrs = slices.DeleteFunc(rec.attrs, func(a slog.Attr) bool { return saidAlready[a.Key] })
	if cut {
		rec.attrs = append(rec.attrs, slog.Bool("cut", true))
	}
	r.log.LogAttrs(context.Background(), rec.level, rec.message, rec.attrs...)
}

// saidAlready are the attributes by which providers built on weft's SDK name themselves. The logger here names them in
// its own words, and one key twice is more than JSON takes.
var saidAlready = map[string]bool{"part": true, "name": true, lattice.LogHost: true, lattice.LogLattice: true,
	lattice.LogProvider: true, lattice.LogLink: true}
