package wasm

import (
	"bytes"
	"context"
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

// write takes what the guest writes.
func (l *lines) write(p []byte) {
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		// A line without an end may not gather without bound: it is cut into several.
		if room := maxLogBytes - len(l.rest); len(line) > room {
			line = clip.Prefix(p, room)
			rest, ended = p[len(line):], true
		}
		units := costByte * uint64(len(line))
		if ended {
			units += costText
		}
		l.instance.pay(units)
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

// first returns the beginning of what was written since reset, without the traces that some runtimes add.
func (l *lines) first() string {
	l.flush()
	var keep []string
	for _, s := range l.head {
		if strings.HasPrefix(s, "goroutine ") || strings.HasPrefix(s, "note: run with") {
			break
		}
		keep = append(keep, s)
	}
	return clip.Text(strings.Join(keep, "; "), 1024)
}
