package actors

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/host/internal/failures"
	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
)

// What the log of one actor may cost its host. Bytes are those that are written, to the log or to NATS, whichever are
// more: with what stands around the text, and with its escapes, which make up to six bytes of one.
const (
	logLines     = 1000      // kept per actor
	logBytes     = 256 << 10 // kept per actor
	logLineBytes = 8 << 10   // a longer line is cut
	logPerSecond = 500       // lines; beyond it they are dropped and counted, after a burst of as many as are kept
	logBytesRate = 64 << 10  // bytes a second, likewise; 5 GiB a day at most, of an actor that does nothing else
	logAround    = 128       // what stands around the text in the log, beside names: time, level, keys, trace
)

// LogConfig is what the logs of actors need. All fields are necessary.
type LogConfig struct {
	Self    *identity.Self
	Conn    *nats.Conn // over which lines are streamed
	Metrics *metrics.Metrics
	Logger  *slog.Logger
}

// Log keeps the last lines of one actor and streams them to the lattice. It is safe for concurrent use.
type Log struct {
	cfg    *LogConfig
	id     lattice.ActorID
	logger *slog.Logger
	limit  *rate.Limiter
	volume *rate.Limiter // of bytes
	around int           // bytes around a text in the log
	raw    int           // likewise on NATS, at the least

	mu      sync.Mutex
	lines   []control.LogLine // a ring; guarded by mu
	next    int               // where the oldest line is once the ring is full; guarded by mu
	bytes   int               // guarded by mu
	dropped int               // since the last line; guarded by mu
}

// newLog makes the log of one actor.
func newLog(cfg *LogConfig, id lattice.ActorID, name string) *Log {
	empty, _ := json.Marshal(control.LogLine{HostID: cfg.Self.ID, ActorID: id}) // it has no errors
	return &Log{cfg: cfg, id: id, raw: len(empty), limit: rate.NewLimiter(logPerSecond, logLines),
		volume: rate.NewLimiter(logBytesRate, logBytes),
		around: logAround + quoted(name) + quoted(cfg.Self.Name), logger: cfg.Logger.With(lattice.LogActor, name)}
}

// quoted is how many bytes a text takes at most in a log, text or JSON.
func quoted(s string) int {
	raw, _ := json.Marshal(s) // it has no errors for a string
	return max(len(raw), len(strconv.Quote(s)))
}

// levels maps the dialect's words to slog's numbers.
var levels = map[string]slog.Level{"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo,
	"warn": slog.LevelWarn, "error": slog.LevelError, "critical": slog.LevelError + 4}

// write adds a line. An unknown level counts as debug, as on hosts of old.
func (l *Log) write(ctx context.Context, level, text string) {
	if len(text) > logLineBytes {
		begin := clip.Prefix(text, logLineBytes)
		text = fmt.Sprintf("%s%s (%d bytes cut)", begin, clip.Mark, len(text)-len(begin))
	}
	if _, known := levels[level]; !known {
		level = "debug"
	}
	now := time.Now()
	line := control.LogLine{Time: now.UTC(), HostID: l.cfg.Self.ID, ActorID: l.id, Level: level, Text: text,
		TraceID: failures.TraceID(ctx)}
	raw := l.take(now, &line)
	if raw == nil {
		l.cfg.Metrics.LogDropped.WithLabelValues(string(l.id)).Inc()
		return
	}
	attrs := []slog.Attr{}
	if line.TraceID != "" {
		attrs = append(attrs, slog.String(lattice.LogTrace, line.TraceID))
	}
	l.logger.LogAttrs(ctx, levels[level], line.Text, attrs...)
	// there may be no listener
	_ = l.cfg.Conn.PublishMsg(&nats.Msg{Subject: subject.Log(l.cfg.Self.Lattice, l.id), Data: raw})
}

// take puts a line among those that are kept and returns it as it goes to NATS, or counts it as dropped and returns
// nil. Lines that come after dropped ones say so.
func (l *Log) take(now time.Time, line *control.LogLine) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.limit.AllowN(now, 1) { // what is dropped for the number of lines is not even measured
		l.dropped++
		return nil
	}
	// The next line that is kept tells of those before it, so that nobody takes the log for whole.
	if l.dropped > 0 {
		line.Text = fmt.Sprintf("(%d lines dropped, more than %d lines or %d bytes per second) ", l.dropped,
			logPerSecond,
			logBytesRate) + line.Text
	}
	raw, err := json.Marshal(line)
	text := max(len(raw)-l.raw, len(strconv.Quote(line.Text))) // in a log of JSON, or of text
	if err != nil || !l.volume.AllowN(now, max(len(raw), text+l.around)) {
		l.dropped++
		return nil
	}
	l.dropped = 0
	l.keep(*line)
	return raw
}

// keep puts a line into the ring and forgets the oldest beyond either bound. mu is held.
func (l *Log) keep(line control.LogLine) {
	l.lines = append(l.lines, line)
	l.bytes += len(line.Text)
	// The last line stays even when it alone is above the bound.
	for len(l.lines)-l.next > logLines || l.bytes > logBytes && len(l.lines)-l.next > 1 {
		l.bytes -= len(l.lines[l.next].Text)
		l.lines[l.next] = control.LogLine{}
		l.next++
	}
	if l.next > logLines { // move down once in a while, so that appending stays cheap
		l.lines = append(l.lines[:0:0], l.lines[l.next:]...)
		l.next = 0
	}
}

// tail returns the last n lines, oldest first; n <= 0 means all that are kept.
func (l *Log) tail(n int) []control.LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.lines[l.next:]
	if n > 0 && n < len(kept) {
		kept = kept[len(kept)-n:]
	}
	return append([]control.LogLine{}, kept...)
}
