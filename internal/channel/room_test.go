package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

const largeBytes = 2 << 20

// empty waits until a budget has everything back.
func empty(t *testing.T, budgets ...*load.Budget) {
	t.Helper()
	latticetest.Eventually(t, func() error {
		for i, b := range budgets {
			if used, waiting := b.Used(); used != 0 || waiting != 0 {
				return fmt.Errorf("budget %d: %d bytes are held, %d calls wait", i, used, waiting)
			}
		}
		return nil
	})
}

// TestLargePayloadsWaitForRoom has many more large payloads on their way than fit, in both directions.
func TestLargePayloadsWaitForRoom(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	both(t, func(t *testing.T, inline bool) {
		here, there := load.NewBudget(3*largeBytes), load.NewBudget(3*largeBytes)
		served := func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
			if used, _ := there.Used(); used > there.Limit() {
				t.Errorf("%d bytes are held, at most %d allowed", used, there.Limit())
			}
			return bytes.Clone(inv.Msg), nil
		}
		a, _ := pair(t, channel.Config{Budget: here}, channel.Config{Handler: served, Inline: inline, Budget: there})
		payload := bytes.Repeat([]byte("weft"), largeBytes/4)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				call := request(payload)
				if i%2 == 0 {
					call = request(payload[:100])
					call.Body, call.BodyLength = bytes.NewReader(payload[100:]), int64(len(payload)-100)
				}
				got, err := a.Call(t.Context(), call, time.Minute)
				if err != nil || !bytes.Equal(got, payload) {
					t.Errorf("%d bytes came back, %v", len(got), err)
				}
			})
		}
		wg.Wait()
		empty(t, here, there)
	})
}

// TestNoRoomInTime: a request that finds none has not begun, an answer that finds none has.
func TestNoRoomInTime(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	here, there := load.NewBudget(largeBytes), load.NewBudget(largeBytes)
	answer := make([]byte, largeBytes)
	a, _ := pair(t, channel.Config{Budget: here}, channel.Config{Budget: there, Inline: true,
		Handler: func(context.Context, *wire.Invocation) ([]byte, error) { return answer, nil }})
	hold := func(b *load.Budget) func() {
		n, err := b.Hold(t.Context(), "test", b.Limit())
		if err != nil {
			t.Fatal(err)
		}
		return func() { b.Release(n) }
	}
	release := hold(there)
	if _, err := a.Call(t.Context(), request(answer), 3*time.Second); lattice.CodeOf(err) != lattice.ErrBusy ||
		!channel.Unbegun(err) {
		t.Errorf("request: %v, unbegun %v", err, channel.Unbegun(err))
	}
	release()
	release = hold(here)
	if _, err := a.Call(t.Context(), request(nil), 3*time.Second); lattice.CodeOf(err) != lattice.ErrBusy ||
		channel.Unbegun(err) {
		t.Errorf("answer: %v, unbegun %v", err, channel.Unbegun(err))
	}
	release()
	call := request(nil)
	call.Keep = true
	if got, err := a.Call(t.Context(), call, patience); err != nil || len(got) != largeBytes {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if used, _ := here.Used(); used != largeBytes || call.Held != largeBytes {
		t.Errorf("%d bytes held, the call says %d, want %d", used, call.Held, largeBytes)
	}
	here.Release(call.Held)
	empty(t, here, there)
}

// TestLargePayloadsThatEndEarly: whatever ends them, nothing stays held.
func TestLargePayloadsThatEndEarly(t *testing.T) {
	here, there := load.NewBudget(largeBytes), load.NewBudget(largeBytes)
	a, b := pair(t, channel.Config{Budget: here}, channel.Config{Budget: there, Handler: echo})
	half := func() *channel.Call {
		call := request(nil)
		r, w := io.Pipe()
		t.Cleanup(func() { _ = w.Close() })
		go func() { _, _ = w.Write(make([]byte, largeBytes/2)); _ = w.CloseWithError(errors.New("cut")) }()
		call.Body, call.BodyLength = r, largeBytes
		return call
	}
	if _, err := a.Call(t.Context(), half(), patience); err == nil || err.Error() != "cut" {
		t.Errorf("a body that breaks: %v", err)
	}
	empty(t, here, there)

	n, err := there.Hold(t.Context(), "test", largeBytes) // so that a call waits
	if err != nil {
		t.Fatal(err)
	}
	wait := func() {
		latticetest.Eventually(t, func() error {
			if _, waiting := there.Used(); waiting != 1 {
				return fmt.Errorf("%d calls wait", waiting)
			}
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := a.Call(ctx, request(make([]byte, largeBytes)), patience); done <- err }()
	wait()
	cancel()
	if err := <-done; lattice.CodeOf(err) != lattice.ErrCanceled {
		t.Errorf("canceled while it waits: %v", err)
	}
	latticetest.Eventually(t, func() error {
		if _, waiting := there.Used(); waiting != 0 {
			return errors.New("it still waits")
		}
		return nil
	})
	go func() { _, err := a.Call(t.Context(), request(make([]byte, largeBytes)), time.Minute); done <- err }()
	wait()
	shut(t, a)
	if err := <-done; !channel.Lost(err) {
		t.Errorf("lost while it waits: %v", err)
	}
	shut(t, b)
	there.Release(n)
	empty(t, here, there)
}
