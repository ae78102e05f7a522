package latticetest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// HTTP2 is a client that speaks HTTP/2 frame by frame, so that it can misbehave. What comes is read all the time, but
// not acted upon, except that settings are acknowledged: windows stay as they are. It is safe for concurrent use.
type HTTP2 struct {
	net.Conn
	t    testing.TB
	read sync.WaitGroup

	sending sync.Mutex
	out     *http2.Framer  // guarded by sending
	block   bytes.Buffer   // guarded by sending
	pack    *hpack.Encoder // guarded by sending
	next    uint32         // guarded by sending

	mu     sync.Mutex
	status map[uint32]int  // of the streams that were answered; guarded by mu
	bytes  map[uint32]int  // of their bodies; guarded by mu
	ended  map[uint32]bool // by the server, in any way; guarded by mu
}

// NewHTTP2 begins to speak HTTP/2 on a connection, which it closes at the end of the test. Streams begin with a window
// of so many bytes for what the server sends; the connection's is 64 KiB.
func NewHTTP2(t testing.TB, c net.Conn, window uint32) *HTTP2 {
	t.Helper()
	h := &HTTP2{Conn: c, t: t, out: http2.NewFramer(c, nil), next: 1, status: map[uint32]int{},
		bytes: map[uint32]int{}, ended: map[uint32]bool{}}
	h.pack = hpack.NewEncoder(&h.block)
	t.Cleanup(func() {
		c.Close()
		h.read.Wait()
	})
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := h.out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}); err != nil {
		t.Fatal(err)
	}
	h.read.Go(h.listen)
	return h
}

// Send writes frames, and returns the error of that.
func (h *HTTP2) Send(write func(f *http2.Framer) error) error {
	h.sending.Lock()
	defer h.sending.Unlock()
	_ = h.SetWriteDeadline(time.Now().Add(time.Minute))
	return write(h.out)
}

// Request opens a stream with a header of pairs of names and values, ended or not.
func (h *HTTP2) Request(method, path string, end bool, header ...string) (stream uint32, err error) {
	h.sending.Lock()
	defer h.sending.Unlock()
	h.block.Reset()
	for i, all := 0, append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "x"},
		header...); i+1 < len(all); i += 2 {
		if err := h.pack.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]}); err != nil {
			return 0, err
		}
	}
	stream = h.next
	h.next += 2
	_ = h.SetWriteDeadline(time.Now().Add(time.Minute))
	return stream, h.out.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: h.block.Bytes(),
		EndStream: end, EndHeaders: true})
}

// Answer is the status of a stream's answer, how much of its body has come, and whether the server has ended the
// stream. Status is 0 as long as there is none.
func (h *HTTP2) Answer(stream uint32) (status, body int, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status[stream], h.bytes[stream], h.ended[stream]
}

// Statuses counts the answers by their status.
func (h *HTTP2) Statuses() map[int]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts := map[int]int{}
	for _, status := range h.status {
		counts[status]++
	}
	return counts
}

// listen reads until the connection ends.
func (h *HTTP2) listen() {
	in := http2.NewFramer(nil, h.Conn)
	in.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := in.ReadFrame()
		h.mu.Lock()
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			status := 0
			for _, c := range f.PseudoValue("status") {
				status = 10*status + int(c-'0')
			}
			h.status[f.StreamID] = status
			h.ended[f.StreamID] = f.StreamEnded()
		case *http2.DataFrame:
			h.bytes[f.StreamID] += len(f.Data())
			h.ended[f.StreamID] = f.StreamEnded()
		case *http2.RSTStreamFrame:
			h.ended[f.StreamID] = true
		}
		settings, ok := f.(*http2.SettingsFrame)
		h.mu.Unlock()
		if err != nil {
			return
		}
		if ok && !settings.IsAck() {
			// else reading ends soon, and says why
			_ = h.Send(func(f *http2.Framer) error { return f.WriteSettingsAck() })
		}
	}
}
