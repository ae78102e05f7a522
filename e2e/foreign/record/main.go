// Record writes every message of a NATS server to a file, one JSON object a line, until it is interrupted:
//
//	go run ./e2e/foreign/record -nats nats://127.0.0.1:4222 -o traffic.jsonl
//
// docs/protocol-notes.md tells what was recorded with it; the golden tests of e2e/foreign/recorded read its lines.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/e2e/foreign/recorded"
)

func main() {
	url := flag.String("nats", nats.DefaultURL, "URL of the NATS server")
	out := flag.String("o", "", "file to write (default: standard output)")
	limit := flag.Int("max", 64<<10, "leave out payloads of more bytes, and tell their size")
	skip := flag.String("skip", "wasmbus.beat.,_WEFT.", "leave out subjects that begin so, comma-separated")
	flag.Parse()
	if err := record(*url, *out, *limit, strings.Split(*skip, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

// record runs until SIGINT or SIGTERM. What has arrived by then is written.
func record(url, out string, limit int, skip []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	file := os.Stdout
	if out != "" {
		f, err := os.Create(out)
		if err != nil {
			return err
		}
		defer f.Close()
		file = f
	}
	nc, err := nats.Connect(url, nats.Name("record"))
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	defer nc.Close()
	messages := make(chan *nats.Msg, 64<<10)
	sub, err := nc.ChanSubscribe(">", messages)
	if err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "recording", url)
	w := bufio.NewWriter(file)
	for n := 1; ; {
		select {
		case m := <-messages:
			if skipped(m.Subject, skip) {
				continue
			}
			if err := json.NewEncoder(w).Encode(recorded.Of(n, m, limit)); err != nil {
				return err
			}
			n++
		case <-ctx.Done():
			if dropped, err := sub.Dropped(); err == nil && dropped > 0 {
				return fmt.Errorf("%d messages came too fast and are missing", dropped)
			}
			return w.Flush()
		}
	}
}

func skipped(subject string, skip []string) bool {
	for _, s := range skip {
		if s != "" && strings.HasPrefix(subject, s) {
			return true
		}
	}
	return false
}
