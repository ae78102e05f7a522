package wasm

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/internal/clip"
)

// lines passes what a guest writes to stdout or stderr on to its host, line by line.
type lines struct {
	instance *Instance
	source   Source
	rest     []byte   // a line not yet ended
	head     []string // the first lines since reset, for error texts
}

const headLines = 4

// What is kept of the output of a command that fails. It is less than a log takes at once.
const (
	endLines = 400
	endBytes = 64 << 10
)

// write takes what the guest writes, and pays for.
func (l *lines) write(p []byte) { l.take(p, true) }

// end takes all that a command has written that fails. It has ended, and pays no more: the last endLines lines and
// endBytes bytes count, and what first returns are the last headLines of them.
func (l *lines) end(p []byte) {
	if start := max(lastLines(p, endLines), len(p)-endBytes); start > 0 {
		l.take(fmt.Appendf(nil, "(%d bytes before this are left out)\n", start), false)
		p = p[start:]
	}
	said := len(p)
	for _, trace := range traces {
		if at := bytes.Index(p, []byte("\n"+trace)); at >= 0 {
			said = min(said, at)
		}
	}
	said = lastLines(p[:said], headLines)
	l.take(p[:said], false)
	l.reset()
	l.take(p[said:], false)
	l.flush()
}

// lastLines returns where the last n lines of p begin.
func lastLines(p []byte, n int) int {
	at := len(bytes.TrimSuffix(p, []byte("\n")))
	for ; n > 0 && at >= 0; n-- {
		at = bytes.LastIndexByte(p[:at], '\n')
	}
	return at + 1
}

func (l *lines) take(p []byte, pays bool) {
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		// A line without an end may not gather without bound: it is cut into several.
		if room := maxLogBytes - len(l.rest); len(line) > room {
			line = clip.Prefix(p, room)
			rest, ended = p[len(line):], true
		}
		if pays {
			units := costByte * uint64(len(line))
			if ended {
				units += costText
			}
			l.instance.pay(units)
		}
		l.rest = append(l.rest, line...)
		p = rest
		if ended {
			l.emit()
		}
	}
}

// emit passes a line on with the context of the call in progress, so that the log knows the trace. A call may be over.
func (l *lines) emit() {
	s := clip.Text(bytes.TrimSuffix(l.rest, []byte("\r")), maxLogBytes)
	l.rest = l.rest[:0]
	if len(l.head) < headLines && s != "" {
		l.head = append(l.head, s)
	}
	ctx := context.Background()
	if l.instance.ctx != nil {
		ctx = l.instance.ctx
	}
	l.instance.template.host.Log(ctx, l.source, s)
}

// flush passes on a last line without an end.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.emit()
	}
}

func (l *lines) reset() { l.head = l.head[:0] }

// traces are how the traces begin that some runtimes add to what they say.
var traces = []string{"goroutine ", "note: run with"}

// first returns the beginning of what was written since reset, without traces.
func (l *lines) first() string {
	l.flush()
	var keep []string
	for _, s := range l.head {
		if slices.ContainsFunc(traces, func(trace string) bool { return strings.HasPrefix(s, trace) }) {
			break
		}
		keep = append(keep, s)
	}
	return clip.Text(strings.Join(keep, "; "), 1024)
}
