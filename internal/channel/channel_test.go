package channel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("WEFT_CHANNEL_ECHO"); role != "" {
		echoProcess(role)
		return
	}
	latticetest.VerifyMain(m)
}

const patience = latticetest.Patience

// pair connects two ends over a real socket; both end with the test.
func pair(t testing.TB, here, there channel.Config) (a, b *channel.Conn) {
	t.Helper()
	l, err := channel.Listen(t.TempDir(), latticetest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	accepted := make(chan net.Conn, 1)
	cred := l.Offer(func(c net.Conn) { accepted <- c })
	conn, err := channel.Dial(cred)
	if err != nil {
		t.Fatal(err)
	}
	a = channel.New(conn, here)
	select {
	case conn := <-accepted:
		b = channel.New(conn, there)
	case <-time.After(patience):
		t.Fatal("the listener has accepted nothing")
	}
	t.Cleanup(func() { shut(t, a); shut(t, b) })
	return a, b
}

func shut(t testing.TB, c *channel.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

func echo(_ context.Context, inv *wire.Invocation) ([]byte, error) { return bytes.Clone(inv.Msg), nil }

func request(payload []byte) *channel.Call {
	return &channel.Call{Origin: wire.Entity{PublicKey: "V", LinkName: "default", ContractID: "a:b"},
		Target:    wire.Entity{PublicKey: "M"},
		Operation: "Echo.Echo", Payload: payload}
}

// both runs a test with handlers on the reader's goroutine and on their own.
func both(t *testing.T, f func(*testing.T, bool)) {
	for _, inline := range []bool{false, true} {
		t.Run(fmt.Sprintf("inline=%v", inline), func(t *testing.T) { f(t, inline) })
	}
}

func TestCallsOfAnySizeComeBackUnchanged(t *testing.T) {
	both(t, func(t *testing.T, inline bool) {
		a, b := pair(t, channel.Config{Handler: echo, Inline: inline}, channel.Config{Handler: echo, Inline: inline})
		var wg sync.WaitGroup
		for i, c := range []*channel.Conn{a, b} {
			for g := range 8 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), uint64(g)))
					for range 50 {
						payload := make([]byte, r.IntN(1<<(1+r.IntN(19))))
						for k := 0; k+8 <= len(payload); k += 8 {
							binary.LittleEndian.PutUint64(payload[k:], r.Uint64())
						}
						got, err := c.Call(t.Context(), request(payload), patience)
						if err != nil || !bytes.Equal(got, payload) {
							t.Errorf("%d bytes came back as %d, %v", len(payload), len(got), err)
							return
						}
					}
				})
			}
		}
		wg.Wait()
	})
}

func TestWhatTravelsWithACall(t *testing.T) {
	both(t, func(t *testing.T, inline bool) {
		tc := trace.New()
		tc.State = "vendor=1"
		call := request([]byte("x"))
		call.Stay = true
		seen := make(chan error, 1)
		a, _ := pair(t, channel.Config{}, channel.Config{Inline: inline, Handler: func(ctx context.Context,
			inv *wire.Invocation) ([]byte, error) {
			got, ok := trace.From(ctx)
			deadline, _ := ctx.Deadline()
			left := time.Until(deadline)
			switch {
			case !channel.Stays(ctx):
				seen <- errors.New("that the call is for here only got lost")
			case inv.Origin != call.Origin || inv.Target != call.Target || inv.Operation != call.Operation ||
				string(inv.Msg) != "x":
				seen <- fmt.Errorf("invocation %+v", inv)
			case !ok || got.TraceID != tc.TraceID || got.SpanID == tc.SpanID || got.State != tc.State ||
				got.Flags != tc.Flags:
				seen <- fmt.Errorf("trace %+v, want a child of %+v", got, tc)
			case left > 3*time.Second || left < 2*time.Second:
				seen <- fmt.Errorf("%v left, want nearly 3s", left)
			default:
				seen <- nil
			}
			return nil, nil
		}})
		ctx, cancel := context.WithTimeout(trace.With(t.Context(), tc), 3*time.Second)
		defer cancel()
		if _, err := a.Call(ctx, call, time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := <-seen; err != nil {
			t.Fatal(err)
		}
	})
}

func TestErrorsComeBackAsTheyAre(t *testing.T) {
	both(t, func(t *testing.T, inline bool) {
		var answer error
		a, _ := pair(t, channel.Config{}, channel.Config{Inline: inline, Handler: func(context.Context,
			*wire.Invocation) ([]byte, error) {
			return nil, answer
		}})
		for _, row := range []struct {
			err     error
			unbegun bool
		}{
			{&lattice.Error{Code: lattice.ErrBusy, Detail: "full"}, true},
			{&lattice.Error{Code: lattice.ErrBusy, Detail: "full", Remote: true}, false}, // somebody that it called
			{&lattice.Error{Code: lattice.ErrGuest, Detail: "no such key"}, false},
			{lattice.ErrNoResponders, true},
			{errors.New("plain"), false},
			{errors.New(strings.Repeat("long", 50000)), false},
		} {
			answer = row.err
			_, err := a.Call(t.Context(), request(nil), patience)
			var e *lattice.Error
			if !errors.As(err, &e) || !e.Remote || lattice.CodeOf(err) != lattice.CodeOf(row.err) ||
				channel.Unbegun(err) != row.unbegun {
				t.Errorf("%.40v came back as %.80v (unbegun %v)", row.err, err, channel.Unbegun(err))
			}
			if want := lattice.FromWire(lattice.CodeOf(row.err).Name(), row.err.Error()).Error(); len(want) < 1000 &&
				err.Error() != want {
				t.Errorf("text %q, want %q", err, want)
			}
		}
	})
}

func TestAPanicOfAHandlerIsAnError(t *testing.T) {
	both(t, func(t *testing.T, inline bool) {
		a, _ := pair(t, channel.Config{}, channel.Config{Inline: inline, Handler: func(context.Context,
			*wire.Invocation) ([]byte, error) {
			panic("boom")
		}})
		for range 3 {
			if _, err := a.Call(t.Context(), request(nil), patience); !errors.Is(err, lattice.ErrInternal) {
				t.Fatal(err)
			}
		}
	})
}

// gate is a handler that says when it has begun, and waits for its release or the end of its context.
type gate struct {
	begun   chan string
	release chan struct{}
	ended   chan error
}

func newGate() *gate {
	return &gate{begun: make(chan string, 4096), release: make(chan struct{}), ended: make(chan error, 4096)}
}

func (g *gate) handle(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	payload := string(inv.Msg)
	g.begun <- payload
	select {
	case <-g.release:
		if string(inv.Msg) != payload {
			return nil, errors.New("the payload has changed")
		}
		g.ended <- nil
		return []byte(payload), nil
	case <-ctx.Done():
		g.ended <- ctx.Err()
		return nil, ctx.Err()
	}
}

func TestASlowCallDoesNotHoldUpOthers(t *testing.T) {
	both(t, func(t *testing.T, inline bool) {
		g := newGate()
		a, _ := pair(t, channel.Config{}, channel.Config{Inline: inline, Handler: func(ctx context.Context,
			inv *wire.Invocation) ([]byte, error) {
			if len(inv.Msg) > 0 {
				return g.handle(ctx, inv)
			}
			return nil, nil
		}})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				want := fmt.Sprint("slow ", i)
				if got, err := a.Call(t.Context(), request([]byte(want)), patience); err != nil || string(got) != want {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		for range 20 {
			<-g.begun
		}
		for range 100 {
			if _, err := a.Call(t.Context(), request(nil), patience); err != nil {
				t.Fatal(err)
			}
		}
		close(g.release)
		wg.Wait()
	})
}

func TestYieldLetsOthersBeServedAtOnce(t *testing.T) {
	release := make(chan struct{})
	begun := make(chan struct{})
	a, _ := pair(t, channel.Config{}, channel.Config{Inline: true, Handler: func(ctx context.Context,
		inv *wire.Invocation) ([]byte, error) {
		if string(inv.Msg) == "wait" {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			channel.Yield(ctx)
			channel.Yield(ctx)
			close(begun)
			<-release
		}
		return bytes.Clone(inv.Msg), nil
	}})
	done := make(chan error, 1)
	go func() {
		got, err := a.Call(t.Context(), request([]byte("wait")), patience)
		if string(got) != "wait" {
			err = fmt.Errorf("got %q, %w", got, err)
		}
		done <- err
	}()
	<-begun
	for range 1000 {
		if got, err := a.Call(t.Context(), request([]byte("quick")), patience); err != nil || string(got) != "quick" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	channel.Yield(context.Background()) // nothing
}

func TestDeadlineAndCancelReachTheOtherEnd(t *testing.T) {
	both(t, func(t *testing.T, inline bool) {
		g := newGate()
		a, _ := pair(t, channel.Config{}, channel.Config{Inline: inline, Handler: g.handle})
		if _, err := a.Call(t.Context(), request([]byte("a")), 30*time.Millisecond); !errors.Is(err,
			lattice.ErrTimeout) || !strings.Contains(err.Error(), "call Echo.Echo of M") {
			t.Fatalf("got %v, want a timeout that names the call", err)
		}
		if err := <-g.ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the other end saw %v", err)
		}
		<-g.begun
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-g.begun; cancel() }()
		if _, err := a.Call(ctx, request([]byte("b")), patience); !errors.Is(err, lattice.ErrCanceled) {
			t.Fatalf("got %v, want canceled", err)
		}
		if err := <-g.ended; !errors.Is(err, context.Canceled) {
			t.Fatalf("the other end saw %v", err)
		}
		if _, err := a.Call(ctx, request(nil), patience); !errors.Is(err, lattice.ErrCanceled) ||
			!channel.Unbegun(err) {
			t.Fatalf("call with an ended context: %v", err)
		}
	})
}

func TestTheWindowIsBusyAtOnce(t *testing.T) {
	g := newGate()
	a, _ := pair(t, channel.Config{Window: 4}, channel.Config{Window: 4, Inline: true, Handler: g.handle})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := a.Call(t.Context(), request([]byte("x")), patience); err != nil {
				t.Error(err)
			}
		})
	}
	for range 4 {
		<-g.begun
	}
	if _, err := a.Call(t.Context(), request(nil), patience); !errors.Is(err, lattice.ErrBusy) ||
		!channel.Unbegun(err) {
		t.Fatalf("got %v, want busy", err)
	}
	close(g.release)
	wg.Wait()
	if _, err := a.Call(t.Context(), request([]byte("x")), patience); err != nil {
		t.Fatalf("after the window has room again: %v", err)
	}
}

func TestAPeerThatReadsNothingMakesSendersWait(t *testing.T) {
	here, there := net.Pipe() // nobody reads there
	defer there.Close()
	a := channel.New(here, channel.Config{})
	defer shut(t, a)
	payload := make([]byte, 700<<10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := a.Call(ctx, request(payload), patience); !errors.Is(err, lattice.ErrTimeout) {
				t.Errorf("got %v, want a timeout", err)
			}
		})
	}
	wg.Wait()
}

func TestLimitsOfPayloads(t *testing.T) {
	var served atomic.Int64
	a, _ := pair(t, channel.Config{}, channel.Config{MaxBytes: 100 << 10, Handler: func(_ context.Context,
		inv *wire.Invocation) ([]byte, error) {
		served.Add(1)
		return make([]byte, 200<<10), nil
	}})
	if _, err := a.Call(t.Context(), request(make([]byte, 150<<10)), patience); !errors.Is(err, lattice.ErrTooLarge) ||
		served.Load() != 0 {
		t.Fatalf("large request: %v, served %d", err, served.Load())
	}
	if _, err := a.Call(t.Context(), request(nil), patience); !errors.Is(err, lattice.ErrTooLarge) {
		t.Fatalf("large response: %v", err)
	}
	b, _ := pair(t, channel.Config{MaxBytes: 100 << 10},
		channel.Config{Handler: func(context.Context, *wire.Invocation) ([]byte, error) {
			return make([]byte, 200<<10),
				nil
		}})
	if _, err := b.Call(t.Context(), request(make([]byte, 150<<10)), patience); !errors.Is(err, lattice.ErrTooLarge) {
		t.Fatalf("large request: %v", err)
	}
	if _, err := b.Call(t.Context(), request(nil), patience); !errors.Is(err, lattice.ErrTooLarge) {
		t.Fatalf("large response: %v", err)
	}
	if _, err := b.Call(t.Context(), request(nil), patience); !errors.Is(err, lattice.ErrTooLarge) {
		t.Fatalf("and the connection goes on: %v", err)
	}
}

func TestAdmitIsAskedForEveryRoute(t *testing.T) {
	refusal := &lattice.Error{Code: lattice.ErrDenied, Detail: "not you"}
	a, b := pair(t, channel.Config{}, channel.Config{Handler: echo, Admit: func(origin, _ wire.Entity) error {
		if origin.PublicKey != "V" {
			return refusal
		}
		return nil
	}})
	other := request(nil)
	other.Origin.PublicKey = "W"
	for range 2 {
		if _, err := a.Call(t.Context(), other, patience); !errors.Is(err, lattice.ErrDenied) {
			t.Fatalf("got %v, want denied", err)
		}
		if _, err := a.Call(t.Context(), request(nil), patience); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Call(t.Context(), request(nil), patience); !errors.Is(err, lattice.ErrNotFound) {
		t.Fatalf("call to an end that serves nothing: %v", err)
	}
}

func TestMoreRoutesThanTheTableHolds(t *testing.T) {
	a, _ := pair(t, channel.Config{}, channel.Config{Inline: true, Handler: func(_ context.Context,
		inv *wire.Invocation) ([]byte, error) {
		return []byte(inv.Operation), nil
	}})
	for i := range 4200 {
		call := request(nil)
		call.Operation = fmt.Sprint("Op.", i)
		if got, err := a.Call(t.Context(), call, patience); err != nil || string(got) != call.Operation {
			t.Fatalf("%s: %q, %v", call.Operation, got, err)
		}
	}
	call := request(nil)
	call.Operation = strings.Repeat("x", 9<<10)
	if _, err := a.Call(t.Context(), call, patience); !errors.Is(err, lattice.ErrTooLarge) {
		t.Fatalf("an operation of 9 KiB: %v", err)
	}
}

func TestNoticesKeepTheirOrder(t *testing.T) {
	got := make(chan string, 1000)
	a, _ := pair(t, channel.Config{}, channel.Config{Notice: func(b []byte) { got <- string(b) }})
	for i := range 1000 {
		if err := a.Notify(t.Context(), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		if s := <-got; s != fmt.Sprint(i) {
			t.Fatalf("notice %q, want %d", s, i)
		}
	}
	if err := a.Notify(t.Context(), make([]byte, channel.MaxNotice+1)); !errors.Is(err, lattice.ErrTooLarge) {
		t.Fatal(err)
	}
}

func TestALostConnection(t *testing.T) {
	g := newGate()
	a, b := pair(t, channel.Config{}, channel.Config{Inline: true, Handler: g.handle})
	result := make(chan error, 1)
	go func() {
		_, err := a.Call(t.Context(), request([]byte("x")), patience)
		result <- err
	}()
	<-g.begun
	closed := make(chan struct{})
	go func() { defer close(closed); shut(t, b) }()
	if err := <-result; !errors.Is(err, lattice.ErrUnavailable) || !channel.Lost(err) || channel.Unbegun(err) {
		t.Fatalf("call in progress: %v, want lost", err)
	}
	<-a.Done()
	if a.Err() == nil {
		t.Fatal("no reason given")
	}
	if _, err := a.Call(t.Context(), request(nil), patience); !errors.Is(err, lattice.ErrNoResponders) ||
		!channel.Unbegun(err) {
		t.Fatalf("call over a connection that is down: %v", err)
	}
	close(g.release) // what has begun may end
	<-closed
	if err := <-g.ended; err != nil {
		t.Fatalf("the call being served saw %v", err)
	}
}

func TestCloseCancelsWhatDoesNotEnd(t *testing.T) {
	g := newGate()
	a, b := pair(t, channel.Config{}, channel.Config{Handler: g.handle})
	go func() { _, _ = a.Call(t.Context(), request([]byte("x")), patience) }()
	<-g.begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-g.ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("the call being served saw %v", err)
	}
}

func TestGroupSpreadsCallsAndSurvivesALoss(t *testing.T) {
	var g channel.Group
	if _, err := g.Call(t.Context(), request(nil), patience); !channel.Unbegun(err) {
		t.Fatalf("call without a connection: %v", err)
	}
	gates := []*gate{newGate(), newGate()}
	var conns []*channel.Conn
	for _, gate := range gates {
		a, _ := pair(t, channel.Config{}, channel.Config{Handler: gate.handle})
		g.Add(a)
		conns = append(conns, a)
	}
	var wg sync.WaitGroup
	for n := range 10 { // one after another: those that look at the same moment may choose the same
		wg.Go(func() {
			if _, err := g.Call(t.Context(), request([]byte("x")), patience); err != nil {
				t.Error(err)
			}
		})
		latticetest.Eventually(t, func() error {
			if x, y := len(gates[0].begun), len(gates[1].begun); x+y != n+1 || x > y+1 || y > x+1 {
				return fmt.Errorf("%d and %d of %d calls", x, y, n+1)
			}
			return nil
		})
	}
	for _, gate := range gates {
		close(gate.release)
	}
	wg.Wait()
	g.Remove(conns[0])
	shut(t, conns[0])
	if _, err := g.Call(t.Context(), request([]byte("x")), patience); err != nil || !g.Up() {
		t.Fatal(err)
	}
}

func TestABodyIsPassedOnAsItComes(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	both(t, func(t *testing.T, inline bool) {
		a, _ := pair(t, channel.Config{}, channel.Config{Handler: echo, Inline: inline})
		body := bytes.Repeat([]byte("0123456789"), 100_000)
		call := request([]byte("head"))
		call.Body, call.BodyLength = bytes.NewReader(body), int64(len(body))
		got, err := a.Call(t.Context(), call, patience)
		if err != nil || !bytes.Equal(got, append([]byte("head"), body...)) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		broken := errors.New("broken")
		call.Body = io.MultiReader(bytes.NewReader(body[:1000]), iotest.ErrReader(broken))
		if _, err := a.Call(t.Context(), call, patience); !errors.Is(err, broken) {
			t.Fatalf("got %v, want the body's error", err)
		}
		call.Body = bytes.NewReader(body[:1000])
		if _, err := a.Call(t.Context(), call, patience); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("got %v for a body that is too short", err)
		}
		r, w := io.Pipe() // takes longer than the timeout, which counts from the end of the body
		go func() {
			defer w.Close()
			start := time.Now()
			for i := range 4 {
				<-time.After(time.Until(start.Add(time.Duration(i) * 1100 * time.Millisecond)))
				_, _ = w.Write(body[:250_000])
			}
		}()
		call.Body = r
		if got, err := a.Call(t.Context(), call, 3*time.Second); err != nil || len(got) != len(body)+4 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}
