package natsserver

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
)

// serverLog hands the server's own log to slog. Its notices are routine and appear as debug.
type serverLog struct {
	log    *slog.Logger
	fatal  chan string // what the server found fatal while starting; it holds the first
	failed chan string // a write to the disk that failed; it holds the first that has not been read
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log.With("part", "nats-server"), fatal: make(chan string, 1), failed: make(chan string, 1)}
}

// write formats only what is logged: the server traces a lot.
func (l *serverLog) write(level slog.Level, format string, v []any) {
	if ctx := context.Background(); l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, "nats server", "text", fmt.Sprintf(format, v...))
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }

// Errorf also tells the keeper of writes that failed: the server has no other way to say so.
func (l *serverLog) Errorf(format string, v ...any) {
	l.write(slog.LevelError, format, v)
	if text := fmt.Sprintf(format, v...); failedWrite(text) {
		select {
		case l.failed <- cause(v, text):
		default:
		}
	}
}

// cause is the error among the values of a line, or the line.
func cause(values []any, line string) string {
	for _, v := range values {
		if err, ok := v.(error); ok {
			return reason(err)
		}
	}
	if strings.Contains(line, syscall.ENOSPC.Error()) { // put into words by the server
		return syscall.ENOSPC.Error()
	}
	return line
}

// Fatalf does not end the process, as the server's own logger would: Start turns it into an error.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.write(slog.LevelError, format, v)
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}
