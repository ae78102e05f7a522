//go:build unix

package natsserver

import (
	"syscall"
	"testing"

	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice/signing"
)

// BenchmarkGuarded is what each message costs in an account whose requests to JetStream pass the gate, and in one
// without: the server looks at every subject. It sends messages of 128 bytes to which no client subscribes, and
// measures CPU time, since machines that run tests are busy.
func BenchmarkGuarded(b *testing.B) {
	authority, err := signing.New(signing.KindAccount)
	if err != nil {
		b.Fatal(err)
	}
	s, err := Start(b.Context(), Config{Port: -1, DataDir: b.TempDir(), Users: natsauth.NewVerifier(authority.Public(),
		"", nil)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(b.Context())
	guarded, err := s.door.accounts.of("l")
	if err != nil {
		b.Fatal(err)
	}
	bare, _ := s.srv.LookupOrRegisterAccount("bare")
	payload := make([]byte, 128)
	const batch = 1000
	for _, acc := range []string{bare.Name, guarded.Name} {
		b.Run(acc, func(b *testing.B) {
			g := &gate{srv: s.srv, secret: s.door.gate.secret}
			defer g.close()
			nc, err := g.connect(acc)
			if err != nil {
				b.Fatal(err)
			}
			var before, after syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				for range batch {
					if err := nc.Publish("wasmbus.rpc.l.MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR",
						payload); err != nil {
						b.Fatal(err)
					}
				}
				if err := nc.Flush(); err != nil {
					b.Fatal(err)
				}
			}
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
				b.Fatal(err)
			}
			used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(used)/float64(b.N*batch), "cpu-ns/msg")
		})
	}
}
