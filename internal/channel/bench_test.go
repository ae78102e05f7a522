package channel_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/channel"
)

// echoProcess is the other process of the benchmark: it dials and serves echoes until its standard input ends.
func echoProcess(cred string) {
	var c channel.Credentials
	if err := json.Unmarshal([]byte(cred), &c); err != nil {
		panic(err)
	}
	conn, err := channel.Dial(c)
	if err != nil {
		panic(err)
	}
	ch := channel.New(conn, channel.Config{Handler: echo, Inline: true})
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = ch.Close(context.Background())
}

// BenchmarkCall is an echo between two processes, with that many calls in flight.
func BenchmarkCall(b *testing.B) {
	l, err := channel.Listen(b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	cred, err := json.Marshal(l.Offer(func(c net.Conn) { accepted <- c }))
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "WEFT_CHANNEL_ECHO="+string(cred))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = stdin.Close(); _ = cmd.Wait() }()
	c := channel.New(<-accepted, channel.Config{})
	defer c.Close(context.Background())
	payload := make([]byte, 200)
	for _, flight := range []int{1, 8, 32} {
		b.Run(strconv.Itoa(flight), func(b *testing.B) {
			b.ReportAllocs()
			var wg sync.WaitGroup
			each := b.N/flight + 1
			for range flight {
				wg.Go(func() {
					for range each {
						if got, err := c.Call(context.Background(), request(payload), 5*time.Second); err != nil ||
							len(got) != len(payload) {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
