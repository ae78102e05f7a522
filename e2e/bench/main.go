// Bench measures the figures of docs/benchmarks.md, each as a ratio within one run, since machines differ and are shared.
//
//	go run ./e2e/bench [-weft bin/weft] [-actors bin/actors] [-out docs/benchmarks.md] [-seconds 5] [-rounds 3]
//
// With -instances, -scale or -overload only some of them are measured.
//
// What is compared runs in processes of its own, takes turns, and is loaded by the same generator on the same machine.
// Every answer is checked. It exits 1 when anything went wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	var o options
	flag.StringVar(&o.weft, "weft", "bin/weft", "the binary to measure")
	flag.StringVar(&o.actors, "actors", "bin/actors", "folder of the example actors")
	flag.StringVar(&o.out, "out", "docs/benchmarks.md", "file to write; - for standard output only")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each is measured, in turns; medians count")
	flag.DurationVar(&o.window, "window", 5*time.Second, "how long each measurement takes")
	flag.IntVar(&o.conns, "conns", 32, "connections and requests in flight")
	flag.BoolVar(&o.instances, "instances", false, "only the figures about instances, to standard output")
	flag.BoolVar(&o.scale, "scale", false, "only the figures about inline providers and about many hosts, actors and links, to standard output")
	flag.BoolVar(&o.overload, "overload", false, "only the figures about more load than can be served, to standard output")
	role := flag.String("role", "", "internal: the other process of a comparison")
	url := flag.String("nats", "", "internal: where that process finds NATS")
	flag.Parse()
	var err error
	switch *role {
	case "http":
		err = serveHTTP()
	case "nats":
		err = serveNATS(*url)
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
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				_, _ = io.WriteString(w, answer)
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
	fmt.Println("ready")
	untilParentEnds(func() {})
	return nil
}

// untilParentEnds waits for the end of standard input, which the parent holds open.
func untilParentEnds(then func()) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	then()
}
