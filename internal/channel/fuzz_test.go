package channel_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/channel"
)

// FuzzFrames feeds a connection whatever a broken or hostile peer may send: it may end the connection, nothing else.
func FuzzFrames(f *testing.F) {
	here, there := net.Pipe() // what a real conversation looks like
	recorded := make(chan []byte, 1)
	go func() {
		var all []byte
		buf := make([]byte, 1<<20)
		for {
			n, err := there.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil {
				recorded <- all
				return
			}
		}
	}()
	c := channel.New(here, channel.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	_, _ = c.Call(ctx, request([]byte("hello")), time.Second)
	_, _ = c.Call(ctx, request(make([]byte, 70<<10)), time.Second)
	_ = c.Notify(context.Background(), []byte("notice"))
	cancel()
	_ = c.Close(context.Background())
	f.Add(<-recorded)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	for kind := byte(0); kind < 8; kind++ {
		f.Add([]byte{4, 0, 0, 0, 1, 0, 0, 0, kind, 0xff, 0, 0, 1, 2, 3, 4})
		f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 0, kind, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		here, there := net.Pipe()
		c := channel.New(here, channel.Config{Handler: echo, Inline: true, MaxBytes: 1 << 20})
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			buf := make([]byte, 4096)
			for {
				if _, err := there.Read(buf); err != nil {
					return
				}
			}
		}()
		_ = there.SetWriteDeadline(time.Now().Add(5 * time.Second))
		_, _ = there.Write(data)
		_ = there.Close()
		<-c.Done()
		_ = c.Close(context.Background())
		<-drained
	})
}
