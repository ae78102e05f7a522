package httpserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/beside"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

// guest is an actor that takes streams, on the provider's own host.
type guest struct {
	way    *channel.End
	meters [2]stream.Meter // of the provider, and of the host
}

// Streams is that of the provider's process.
func (g *guest) Streams(lattice.ActorID) bool { return true }

func (g *guest) Call(context.Context, lattice.ActorID, string, []byte) ([]byte, error) {
	return nil, errors.New("not used")
}

func (g *guest) Open(ctx context.Context, actor lattice.ActorID, op string, r provider.Request) (provider.Answer,
	error) {
	taken := false
	payload, err := g.way.Call(ctx, &channel.Call{Origin: wire.Entity{PublicKey: "V1"}, Target: wire.ActorEntity(actor),
		Operation: op, Payload: r.Payload, Stay: true, Stream: beside.Caller(r.Stream, &taken)}, providertest.Patience)
	if err != nil || taken {
		return nil, err
	}
	return rpc.NewAnswer(payload), nil
}

// serving is how a guest serves a request: it has the head of its answer sent by respond.
type serving func(ctx context.Context, o *stream.Offer, respond func() error) error

// front is a listener with a guest behind it, and a client of its own.
type front struct {
	*testing.T
	guest     *guest
	client    *http.Client
	url       string
	multiplex bool // HTTP/2

	mu    sync.Mutex
	conns []net.Conn // of the client; guarded by mu
}

// fronts are the ways of a client to a listener.
var fronts = []struct {
	name         string
	secure, many bool
}{
	{"HTTP/1.1", false, false}, {"HTTP/1.1 over TLS", true, false}, {"HTTP/2 by prior knowledge", false, true},
	{"HTTP/2 over TLS", true, true},
}

// onFronts runs a test over all of them.
func onFronts(t *testing.T, serve serving, test func(f *front)) {
	for _, way := range fronts {
		t.Run(way.name, func(t *testing.T) {
			near, far := channel.Pair()
			f := &front{T: t, guest: &guest{way: near}, multiplex: way.many}
			near.Serve(channel.Config{Logger: slog.New(slog.DiscardHandler), Streams: &f.guest.meters[0]})
			far.Serve(channel.Config{Logger: slog.New(slog.DiscardHandler), Streams: &f.guest.meters[1],
				Handler: invocation.Handler(func(ctx context.Context, _ *wire.Invocation) ([]byte, error) {
					o := stream.From(ctx)
					head := contract.Response{StatusCode: 200, Header: contract.Header{"content-type": {"text/plain"}}}
					return nil, serve(ctx, o, func() error { return o.Respond(head.Encode()) })
				})})
			w := openWaysTo(t, f.guest, map[string]string{"max_body_bytes": "127M"})
			f.url = "http://" + w.plain
			tr := &http.Transport{DisableCompression: true, TLSClientConfig: w.trust.Clone(),
				Protocols: new(http.Protocols), DialContext: f.dial}
			switch {
			case way.secure && way.many:
				tr.Protocols.SetHTTP2(true)
			case way.many:
				tr.Protocols.SetUnencryptedHTTP2(true)
			default:
				tr.Protocols.SetHTTP1(true)
			}
			if way.secure {
				f.url = "https://" + w.tls
			}
			f.client = &http.Client{Transport: tr}
			t.Cleanup(tr.CloseIdleConnections)
			test(f)
			f.idle()
		})
	}
}

// dial connects the client.
func (f *front) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		f.mu.Lock()
		f.conns = append(f.conns, c)
		f.mu.Unlock()
	}
	return c, err
}

// reset breaks the connections of the client off.
func (f *front) reset() {
	f.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			f.Fatal(err)
		}
		_ = c.Close()
	}
	f.conns = nil
}

// begin makes a request, and returns when the head of its answer is here. leave ends the request: over HTTP/2 by
// RST_STREAM, over HTTP/1.1 with the connection.
func (f *front) begin(body io.Reader, trailers http.Header) (resp *http.Response, leave func(), err error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	ctx, leave := context.WithTimeout(f.Context(), providertest.Patience)
	f.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, method, f.url, body)
	if err != nil {
		return nil, leave, err
	}
	req.Trailer = trailers
	resp, err = f.client.Do(req)
	if err != nil {
		return nil, leave, err
	}
	f.Cleanup(func() { _ = resp.Body.Close() })
	if want := map[bool]int{true: 2, false: 1}[f.multiplex]; resp.ProtoMajor != want || resp.StatusCode != 200 {
		err = fmt.Errorf("%s by %s, want 200 by HTTP/%d", resp.Status, resp.Proto, want)
	}
	return resp, leave, err
}

// ask is begin without a body.
func (f *front) ask() (resp *http.Response, leave func()) {
	f.Helper()
	resp, leave, err := f.begin(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	return resp, leave
}

// idle waits until nothing is left of streams at either end.
func (f *front) idle() {
	f.Helper()
	latticetest.Eventually(f, func() error {
		for i := range f.guest.meters {
			m := &f.guest.meters[i]
			if held, _ := m.Held(); held != 0 || m.Open() != 0 {
				return fmt.Errorf("end %d: %d streams are open, %d bytes are held", i, m.Open(), held)
			}
		}
		return nil
	})
}

// reads reads just the bytes that are wanted.
func (f *front) reads(r io.Reader, want string) {
	f.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(r, b); err != nil || string(b) != want {
		f.Fatalf("%q, %v, want %q", b[:n], err, want)
	}
}

// await waits for what a guest says.
func await[T any](f *front, c <-chan T, what string) (v T) {
	f.Helper()
	select {
	case v = <-c:
	case <-time.After(providertest.Patience):
		f.Fatal(what)
	}
	return v
}

// The client has the head before the first byte, and the first byte before the guest writes the last one.
func TestStreamedAnswerComesAsItIsWritten(t *testing.T) {
	next := make(chan string)
	onFronts(t, func(ctx context.Context, o *stream.Offer, respond func() error) error {
		if err := respond(); err != nil {
			return err
		}
		for range 2 {
			select {
			case word := <-next:
				if err := o.Stream.Write(ctx, []byte(word)); err != nil {
					return err
				}
			case <-ctx.Done(): // the test has failed
				return ctx.Err()
			}
		}
		return o.Stream.End(ctx, nil)
	}, func(f *front) {
		resp, _ := f.ask()
		for _, word := range []string{"first", "last"} {
			next <- word
			f.reads(resp.Body, word)
		}
		if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
			f.Errorf("%q, %v after the last", rest, err)
		}
	})
}

// copies is a guest that gives back each piece of the body as it comes, and its trailers.
func copies(ctx context.Context, o *stream.Offer, respond func() error) error {
	if err := respond(); err != nil {
		return err
	}
	for {
		b, err := o.Stream.Next(ctx, stream.Piece)
		if err == io.EOF {
			return o.Stream.End(ctx, o.Stream.Trailers())
		}
		if err == nil {
			err = o.Stream.Write(ctx, b)
		}
		if err != nil {
			return err
		}
	}
}

// Both bodies go on at once: each word comes back before the next one goes. Trailers follow both.
func TestStreamedBodiesGoBothWaysAtOnce(t *testing.T) {
	onFronts(t, copies, func(f *front) {
		r, w := io.Pipe()
		answer := make(chan *http.Response, 1)
		trailers := http.Header{"Sum": nil} // announced; the value is known when the body ends
		go func() {
			resp, _, err := f.begin(r, trailers)
			if err != nil {
				_ = r.CloseWithError(err)
				f.Error(err)
			}
			answer <- resp
		}()
		var resp *http.Response
		for _, word := range []string{"one", "two", "three"} {
			if _, err := io.WriteString(w, word); err != nil {
				f.Fatal(err)
			}
			if resp == nil {
				if resp = await(f, answer, "no answer begins"); resp == nil {
					f.FailNow()
				}
			}
			f.reads(resp.Body, word)
		}
		trailers.Set("Sum", "42")
		_ = w.Close()
		rest, err := io.ReadAll(resp.Body)
		if err != nil || len(rest) > 0 || resp.Trailer.Get("Sum") != "42" {
			f.Errorf("%q, trailers %v, %v; want Sum: 42", rest, resp.Trailer, err)
		}
	})
}

// A client that leaves ends the call, be the guest waiting or writing.
func TestClientThatLeavesEndsTheCall(t *testing.T) {
	ended := make(chan error, 10)
	writes := func(ctx context.Context, o *stream.Offer, respond func() error) error {
		err := respond()
		for err == nil {
			err = o.Stream.Write(ctx, bytes.Repeat([]byte("x"), stream.Piece))
		}
		ended <- err
		return err
	}
	waits := func(ctx context.Context, o *stream.Offer, respond func() error) error {
		if err := errors.Join(respond(), o.Stream.Write(ctx, []byte("x"))); err != nil {
			return err
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	for name, c := range map[string]struct {
		serve serving
		leave func(f *front, leave func())
		only2 bool // HTTP/1.1 has no word for it: one that has ended its side may still wait for its answer
	}{
		"while the guest writes":                 {writes, func(_ *front, leave func()) { leave() }, false},
		"while the guest waits":                  {waits, func(_ *front, leave func()) { leave() }, true},
		"without a word, while the guest writes": {writes, func(f *front, _ func()) { f.reset() }, false},
		"without a word, while the guest waits":  {waits, func(f *front, _ func()) { f.reset() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			onFronts(t, c.serve, func(f *front) {
				if c.only2 && !f.multiplex {
					return
				}
				resp, leave := f.ask()
				f.reads(resp.Body, "x")
				c.leave(f, leave)
				if err := await(f, ended, "the call goes on"); err == nil {
					f.Error("the guest sees a clean end")
				}
			})
		})
	}
}

// A client that leaves one stream of HTTP/2 leaves the others on its connection alone.
func TestClientThatLeavesOneStreamKeepsTheOthers(t *testing.T) {
	next := make(chan string)
	onFronts(t, func(ctx context.Context, o *stream.Offer, respond func() error) error {
		if err := errors.Join(respond(), o.Stream.Write(ctx, []byte("x"))); err != nil {
			return err
		}
		select {
		case word := <-next:
			return errors.Join(o.Stream.Write(ctx, []byte(word)), o.Stream.End(ctx, nil))
		case <-ctx.Done():
			return ctx.Err()
		}
	}, func(f *front) {
		if !f.multiplex {
			return
		}
		stays, _ := f.ask()
		f.reads(stays.Body, "x")
		goes, leave := f.ask()
		f.reads(goes.Body, "x")
		leave()
		latticetest.Eventually(f, func() error {
			if open := f.guest.meters[1].Open(); open != 1 {
				return fmt.Errorf("%d streams are open, want the one that stays", open)
			}
			return nil
		})
		next <- "last"
		if b, err := io.ReadAll(stays.Body); err != nil || string(b) != "last" || len(f.conns) != 1 {
			f.Errorf("%q, %v over %d connections; want the rest, over the one connection", b, err, len(f.conns))
		}
	})
}

// What breaks after the head has no clean end: the client sees RST_STREAM, or chunks that are cut off.
func TestBreakAfterTheHeadIsNoCleanEnd(t *testing.T) {
	for name, end := range map[string]func() error{
		"the guest fails":                func() error { return errors.New("after the head") },
		"the guest leaves it unfinished": func() error { return nil },
		"the guest panics":               func() error { panic("after the head") },
	} {
		t.Run(name, func(t *testing.T) {
			next := make(chan struct{})
			onFronts(t, func(ctx context.Context, o *stream.Offer, respond func() error) error {
				if err := errors.Join(respond(), o.Stream.Write(ctx, []byte("some"))); err != nil {
					return err
				}
				select {
				case <-next:
					return end()
				case <-ctx.Done(): // the test has failed
					return ctx.Err()
				}
			}, func(f *front) {
				resp, _ := f.ask()
				f.reads(resp.Body, "some")
				next <- struct{}{}
				b, err := io.ReadAll(resp.Body)
				var reset http2.StreamError
				if broken := errors.As(err, &reset); len(b) > 0 || broken != f.multiplex ||
					!broken && !errors.Is(err, io.ErrUnexpectedEOF) {
					f.Errorf("%q, %v; want RST_STREAM or an unexpected end", b, err)
				}
				if f.multiplex && len(f.conns) != 1 {
					f.Errorf("%d connections", len(f.conns))
				}
			})
		})
	}
}

// A body that its client does not finish is none that the guest takes for all.
func TestUploadThatBreaksIsNoCleanEnd(t *testing.T) {
	got, ended := make(chan string), make(chan error, 10)
	serve := func(ctx context.Context, o *stream.Offer, respond func() error) error {
		for {
			b, err := o.Stream.Next(ctx, stream.Piece)
			if err != nil {
				ended <- err
				return err
			}
			got <- string(b)
		}
	}
	for name, leave := range map[string]func(f *front, body *io.PipeWriter){
		"the client fails":      func(_ *front, body *io.PipeWriter) { _ = body.CloseWithError(errors.New("torn")) },
		"its connection breaks": func(f *front, _ *io.PipeWriter) { f.reset() },
	} {
		t.Run(name, func(t *testing.T) {
			onFronts(t, serve, func(f *front) {
				r, w := io.Pipe()
				left := make(chan error, 1)
				go func() {
					_, _, err := f.begin(r, nil)
					left <- err
				}()
				if _, err := io.WriteString(w, "some"); err != nil {
					f.Fatal(err)
				}
				if b := await(f, got, "the guest gets nothing"); b != "some" {
					f.Fatalf("the guest gets %q", b)
				}
				leave(f, w)
				if err := await(f, ended, "the guest waits for the rest"); err == io.EOF {
					f.Error("the guest sees a clean end")
				}
				_ = w.Close() // net/http's client waits for that
				if err := await(f, left, "the client still waits"); err == nil {
					f.Error("the client sees a clean end")
				}
			})
		})
	}
}

// upload is a body of which each byte says where it is.
type upload struct {
	at, size int
	sent     *atomic.Int64
}

func (u *upload) Read(b []byte) (int, error) {
	n := min(len(b), u.size-u.at)
	if n == 0 {
		return 0, io.EOF
	}
	place(b[:n], u.at)
	u.at += n
	u.sent.Add(int64(n))
	return n, nil
}

// pattern is what place copies from; its length fits into no buffer's evenly.
var pattern = func() []byte {
	p := make([]byte, 1<<20-3)
	for i := range p {
		p[i] = byte(i * 7 >> 3)
	}
	return p
}()

func place(b []byte, at int) {
	for len(b) > 0 {
		n := copy(b, pattern[at%len(pattern):])
		b, at = b[n:], at+n
	}
}

// A guest that is slow holds its client back: of 100 MB that the client sends little is in memory at any time.
func TestSlowGuestHoldsTheClientBack(t *testing.T) {
	long.Test(t, "sends 100 MB over each listener")
	const (
		size    = 100_000_000
		sockets = 24 << 20 // what the buffers of both ends of a connection may take
	)
	var sent atomic.Int64
	var most int64 // of what is on its way
	want := sha256.New()
	if _, err := io.Copy(want, &upload{size: size, sent: new(atomic.Int64)}); err != nil {
		t.Fatal(err)
	}
	onFronts(t, func(ctx context.Context, o *stream.Offer, respond func() error) error {
		got, sum := int64(0), sha256.New()
		// It reads nothing until the client is stuck; to begin too early does no harm.
		for last := int64(-1); last != sent.Load(); time.Sleep(100 * time.Millisecond) {
			last = sent.Load()
		}
		for {
			most = max(most, sent.Load()-got)
			b, err := o.Stream.Next(ctx, stream.Piece)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			got += int64(len(b))
			sum.Write(b)
		}
		if err := respond(); err != nil {
			return err
		}
		return errors.Join(o.Stream.Write(ctx, fmt.Appendf(nil, "%x", sum.Sum(nil))), o.Stream.End(ctx, nil))
	}, func(f *front) {
		sent.Store(0)
		most = 0
		resp, _, err := f.begin(&upload{size: size, sent: &sent}, nil)
		if err != nil {
			f.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || string(b) != fmt.Sprintf("%x", want.Sum(nil)) {
			f.Errorf("%s, %v; want %x", b, err, want.Sum(nil))
		}
		_, held := f.guest.meters[1].Held()
		if held > stream.Window || most > sockets {
			f.Errorf("%d bytes were held and %d on their way; want %d and %d at most", held, most, stream.Window,
				sockets)
		}
	})
}
