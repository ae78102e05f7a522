// Bench measures the figures of docs/benchmarks.md, each as a ratio within one run, since machines differ and are
// shared.
//
//	go run ./e2e/bench [-only PART,...] [-flame FILE] [-window 3s] [-rounds 3] [-out docs/benchmarks.md]
//
// What is compared runs in processes of its own, takes turns, and is loaded by the same generator on the same machine.
// It exits 1 when anything went wrong; a target that is missed is a figure, not an error. A whole run rewrites its own
// part of the file, which lies between two comments; with -only the figures go to standard output alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

type options struct {
	weft, actors, out, flame string
	only                     string
	rounds, conns            int
	window                   time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.weft, "weft", "bin/weft", "the binary to measure")
	flag.StringVar(&o.actors, "actors", "bin/actors", "folder of the example actors")
	flag.StringVar(&o.out, "out", "docs/benchmarks.md",
		"file whose part between the markers a whole run rewrites; - for standard output only")
	flag.StringVar(&o.only, "only", "", "parts to measure, separated by commas, to standard output: "+
		strings.Join(partNames(), ", "))
	flag.StringVar(&o.flame, "flame", "", "SVG file for the flame graph that the part cpu makes")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each is measured, in turns; medians count")
	flag.DurationVar(&o.window, "window", 3*time.Second, "how long each measurement takes")
	flag.IntVar(&o.conns, "conns", 32, "connections and requests in flight")
	role := flag.String("role", "", "internal: the other process of a comparison")
	url := flag.String("nats", "", "internal: where that process finds NATS")
	socket := flag.String("socket", "", "internal: where that process listens")
	flag.Parse()
	var err error
	switch *role {
	case "http":
		err = serveHTTP()
	case "nats":
		err = serveNATS(*url)
	case "unix":
		err = serveUnix(*socket)
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// payload and answer are what every compared path carries: the echo actor's work, byte for byte.
const payload = "hello"

const answer = `{"body":[104,101,108,108,111],"method":"POST","path":"/","query_string":""}`

// serveHTTP is the bare net/http server: it reads the body and answers the bytes that the echo actor answers.
func serveHTTP() error {
	srv := &http.Server{Addr: "127.0.0.1:" + os.Getenv("BENCH_PORT"), ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
			if err != nil {
				_, _ = io.WriteString(w, answer)
				return
			}
			for piece := make([]byte, 64<<10); n > 0 && err == nil; n -= int64(len(piece)) {
				_, err = w.Write(piece[:min(n, int64(len(piece)))])
			}
		})}
	go untilParentEnds(func() { _ = srv.Close() })
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// serveNATS is the bare responder.
func serveNATS(url string) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.QueueSubscribe("bench", "bench", func(m *nats.Msg) { _ = m.Respond([]byte(answer)) }); err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	untilParentEnds(func() {})
	return nil
}

// untilParentEnds waits for the end of standard input, which the parent holds open.
func untilParentEnds(then func()) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	then()
}
