package wasm

import (
	"bytes"
	"context"
	"strings"
)

// lines passes what a guest writes to stdout or stderr on to its host, line by line.
type lines struct {
	instance *Instance
	source   Source
	rest     []byte   // a line not yet ended
	head     []string // the first lines since reset, for error texts
}

const headLines = 4

// Write implements io.Writer. It never fails.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		if room := maxLogBytes - len(l.rest); len(line) > room {
			line, rest, ended = p[:room], p[room:], true
		}
		l.rest = append(l.rest, line...)
		p = rest
		if ended {
			l.emit()
		}
	}
	return n, nil
}

func (l *lines) emit() {
	s := text(bytes.TrimSuffix(l.rest, []byte("\r")), maxLogBytes)
	l.rest = l.rest[:0]
	if len(l.head) < headLines && s != "" {
		l.head = append(l.head, s)
	}
	ctx := l.instance.ctx
	if ctx == nil {
		ctx = context.Background()
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
	return text([]byte(strings.Join(keep, "; ")), 1024)
}
