package actors

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice/subject"
)

// Whatever an actor writes, what comes of it in the log and on NATS stays within the rate, as it is written: with
// escapes, and with what stands around the texts.
func TestLogRateCountsWhatIsWritten(t *testing.T) {
	long.Test(t, "writes logs for seconds")
	env := latticetest.NATS(t)
	handlers := map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	}
	for what, line := range map[string]string{
		"plain": strings.Repeat("x", 8000), "short": "x", "null bytes": strings.Repeat("\x00", 8000),
		"new lines": strings.Repeat("\n", 8000),
		"quotes":    strings.Repeat("\"", 8000), "angles": strings.Repeat("<", 8000),
		"invalid UTF-8": strings.Repeat("\xff", 8000),
		"deletes":       strings.Repeat("\x7f", 8000), "tags": strings.Repeat("\U000e0001", 2000),
		"invisible":  strings.Repeat("\u200b", 2600),
		"separators": strings.Repeat("\u2028", 2600), "too long": strings.Repeat("\u00e4", 1<<20),
	} {
		for format, handler := range handlers {
			names := []string{"writer"}
			if what == "plain" || what == "short" { // what a name adds is the same for all lines
				names = append(names, strings.Repeat("\x01", 5000))
			}
			for _, name := range names {
				t.Run(fmt.Sprintf("%s, %s, a name of %d bytes", what, format, len(name)), func(t *testing.T) {
					var logged bytes.Buffer
					cfg := &LogConfig{Self: identity.New("", "host", env.Lattice, nil),
						Logger:  slog.New(handler(&logged)),
						Metrics: metrics.New(prometheus.NewRegistry()), Conn: env.Conn(t)}
					l := newLog(cfg, "MACTOR", name)
					var published, lines atomic.Int64
					sub, err := cfg.Conn.Subscribe(subject.Log(env.Lattice, "MACTOR"),
						func(m *nats.Msg) { published.Add(int64(len(m.Data))); lines.Add(1) })
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = sub.Unsubscribe() }()
					from := time.Now()
					for range 3 * logLines { // more than the burst and what the rate lets through meanwhile
						l.write(context.Background(), "info", line)
					}
					most := logBytes + logBytesRate*time.Since(from).Seconds() + 1
					if err := cfg.Conn.Flush(); err != nil {
						t.Fatal(err)
					}
					if n := float64(logged.Len()); n > most || n == 0 {
						t.Errorf("%.0f bytes in the log, want at most %.0f", n, most)
					}
					kept := l.tail(0)
					latticetest.Eventually(t, func() error {
						if len(kept) < logLines && lines.Load() < int64(len(kept)) {
							return fmt.Errorf("%d lines on NATS, %d kept", lines.Load(), len(kept))
						}
						return nil
					})
					if n := float64(published.Load()); n > most {
						t.Errorf("%.0f bytes on NATS, want at most %.0f", n, most)
					}
					if len(kept) == 0 || lines.Load() > logLines+logPerSecond*int64(time.Since(from).Seconds()+1) {
						t.Errorf("%d lines on NATS, %d kept", lines.Load(), len(kept))
					}
				})
			}
		}
	}
}

func TestALongLineIsCutBetweenCharacters(t *testing.T) {
	env := latticetest.NATS(t)
	l := newLog(&LogConfig{Self: identity.New("", "host", env.Lattice, nil), Logger: slog.New(slog.DiscardHandler),
		Metrics: metrics.New(prometheus.NewRegistry()), Conn: env.Conn(t)}, "MACTOR", "writer")
	l.write(context.Background(), "info", "x"+strings.Repeat("ä", logLineBytes/2))
	want := "x" + strings.Repeat("ä", logLineBytes/2-1) + "... (2 bytes cut)"
	if kept := l.tail(0); len(kept) != 1 || kept[0].Text != want {
		t.Errorf("kept %d lines, want one that ends in %q: %q", len(kept), want[len(want)-20:],
			kept[0].Text[len(want)-20:])
	}
}
