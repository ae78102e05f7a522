package natsserver

import (
	"context"
	"fmt"
	"log/slog"
)

// serverLog hands the server's own log to slog. Its notices are routine and appear as debug.
type serverLog struct {
	log   *slog.Logger
	fatal chan string // what the server found fatal while starting; it holds the first
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log.With("part", "nats-server"), fatal: make(chan string, 1)}
}

func (l *serverLog) write(level slog.Level, format string, v []any) {
	if ctx := context.Background(); l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, "nats server", "text", fmt.Sprintf(format, v...))
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }

// Fatalf does not end the process, as the server's own logger would: Start turns it into an error.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.write(slog.LevelError, format, v)
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}
