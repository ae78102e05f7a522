//go:build unix

package natsserver

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/natsauth"
)

// direct starts a server with the users of another, which listens itself.
func direct(b *testing.B, like *Server, creds natsauth.Credentials) *Server {
	b.Helper()
	cfg := Config{Host: DefaultHost, Port: -1, DataDir: b.TempDir(), Users: like.door.users, Logger: like.door.log}
	opts, _, err := cfg.options()
	if err != nil {
		b.Fatal(err)
	}
	d := newDoor(cfg.Users, cfg.Logger)
	if err := d.guard(opts); err != nil {
		b.Fatal(err)
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		b.Fatal(err)
	}
	if err := d.prepare(srv, opts, ""); err != nil {
		b.Fatal(err)
	}
	srv.Start()
	b.Cleanup(func() {
		d.close()
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(time.Minute) {
		b.Fatal("the server does not start")
	}
	return &Server{srv: srv, door: d}
}

// BenchmarkFront is what a request and its answer cost by way of the front and without it, in CPU time of client,
// answerer and server together, since machines that run tests are busy.
func BenchmarkFront(b *testing.B) {
	front, creds, _ := frontOf(b, Config{})
	bare := direct(b, front, creds)
	for _, size := range []int{128, 64 << 10, 4 << 20} {
		for name, s := range map[string]*Server{"front": front, "direct": bare} {
			b.Run(fmt.Sprint(size, "/", name), func(b *testing.B) {
				asker, answerer := connectAs(b, s, creds), connectAs(b, s, creds)
				const subj = "wasmbus.rpc.l.M"
				if _, err := answerer.Subscribe(subj, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
					b.Fatal(err)
				}
				if err := answerer.Flush(); err != nil {
					b.Fatal(err)
				}
				payload := make([]byte, size)
				runtime.GC()
				var before, after syscall.Rusage
				if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := asker.RequestWithContext(context.Background(), subj, payload); err != nil {
						b.Fatal(err)
					}
				}
				if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
					b.Fatal(err)
				}
				used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
				b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
