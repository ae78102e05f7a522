package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
)

// echo answers each request with what it carries, those that begin with "late" when hold is closed.
func echo(t *testing.T, env *latticetest.Env, hold <-chan struct{}) {
	t.Helper()
	nc := env.Conn(t)
	var late sync.WaitGroup
	t.Cleanup(late.Wait)
	if _, err := nc.Subscribe("echo", func(m *nats.Msg) {
		if strings.HasPrefix(string(m.Data), "late") {
			late.Go(func() { <-hold; _ = m.Respond(m.Data) })
			return
		}
		_ = m.Respond(m.Data)
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func ask(ctx context.Context, r *replies, subj, text string, within time.Duration) error {
	m, err := r.request(ctx, &nats.Msg{Subject: subj, Data: []byte(text)}, time.Now().Add(within), nil)
	if err == nil && string(m.Data) != text {
		err = fmt.Errorf("the answer to %q is %q", text, m.Data)
	}
	return err
}

// Each way in which a wait can end has its error, none of them spoils the next request, and a late answer reaches
// nobody.
func TestRepliesEnd(t *testing.T) {
	env := latticetest.NATS(t)
	hold := make(chan struct{})
	echo(t, env, hold)
	nc := env.Conn(t)
	r := &replies{nc: nc}
	background := context.Background()
	fine := func() {
		t.Helper()
		if err := ask(background, r, "echo", "hello", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	fine()
	if err := ask(background, r, "nobody", "x", time.Minute); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("nobody there: %v", err)
	}
	fine()
	if err := ask(background, r, "echo", "late 1", 20*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	fine()
	if err := ask(background, r, "echo", "late 2", -time.Second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline in the past: %v", err)
	}
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := ask(ctx, r, "echo", "late 3", time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := ask(ctx, r, "echo", "x", time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before: %v", err)
	}
	if err := ask(background, r, "not valid", "x", time.Minute); err == nil {
		t.Error("a subject that cannot be published to has no error")
	}
	fine()
	close(hold) // the late ones come now
	for range 20 {
		fine()
	}
	ended := make(chan error, 1)
	gone := make(chan *nats.Msg, 1)
	if _, err := nc.ChanSubscribe("gone", gone); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- ask(background, r, "gone", "x", time.Hour) }()
	<-gone
	nc.Close()
	if err := <-ended; !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("closed while waiting: %v", err)
	}
	if err := ask(background, r, "echo", "x", time.Minute); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("closed before: %v", err)
	}
}

// Many requests at once, of which some are given up and some are answered late: everybody gets the own answer or the
// right error, and places are used again.
func TestRepliesHammer(t *testing.T) {
	env := latticetest.NATS(t)
	hold := make(chan struct{})
	echo(t, env, hold)
	r := &replies{nc: env.Conn(t)}
	const askers, each = 16, 300
	var wg sync.WaitGroup
	for a := range askers {
		wg.Go(func() {
			for i := range each {
				text := fmt.Sprint("quick ", a, " ", i)
				switch i % 10 {
				case 3:
					if err := ask(context.Background(), r, "echo", fmt.Sprint("late ", a, i),
						time.Duration(i%5)*time.Millisecond); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("deadline: %v", err)
					}
				case 6:
					ctx, cancel := context.WithCancel(context.Background())
					go cancel()
					if err := ask(ctx, r, "echo", text, time.Minute); err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("canceled: %v", err)
					}
				case 9:
					if err := ask(context.Background(), r, "nobody", text, time.Minute); !errors.Is(err,
						nats.ErrNoResponders) {
						t.Errorf("nobody there: %v", err)
					}
				default:
					if err := ask(context.Background(), r, "echo", text, time.Minute); err != nil {
						t.Error(err)
					}
				}
				if a == 0 && i == each/2 {
					close(hold)
				}
			}
		})
	}
	wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) > askers || len(r.idle) != len(r.all) {
		t.Errorf("%d places for %d askers, %d of them idle", len(r.all), askers, len(r.idle))
	}
}
