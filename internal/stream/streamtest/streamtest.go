// Package streamtest is the contract of streams beside calls: what holds whichever way carries them.
package streamtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// Handler serves a call: its context has the stream's offer.
type Handler func(ctx context.Context, payload []byte) ([]byte, error)

// Caller makes a call with a stream, with a time-out for its head.
type Caller func(ctx context.Context, payload []byte, timeout time.Duration, s *stream.Caller) ([]byte, error)

// Way makes a way for calls that the handler serves. The meters are those of the two ends, which may be one.
type Way func(t *testing.T, h Handler) (call Caller, meters []*stream.Meter)

// limit is how long a test waits for what comes at once.
const limit = time.Minute

// collect takes a whole answer.
func collect(ctx context.Context, into *[]byte, trailers *[]stream.Field) *stream.Caller {
	return &stream.Caller{Take: func(head []byte, s *stream.Stream) error {
		*into = append(*into, head...)
		for {
			b, err := s.Next(ctx, stream.Piece)
			if err == io.EOF {
				if trailers != nil {
					*trailers = s.Trailers()
				}
				return nil
			}
			if err != nil {
				return err
			}
			*into = append(*into, b...)
		}
	}}
}

// feed is a body that a test writes while it is read.
type feed struct {
	*io.PipeReader
	w *io.PipeWriter
}

func newFeed() *feed {
	r, w := io.Pipe()
	return &feed{r, w}
}

func (f *feed) release() { _ = f.CloseWithError(errors.New("the body is not wanted any more")) }

// Run holds a way to the contract.
func Run(t *testing.T, way Way) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Way)
	}{
		{"a plain answer", plain}, {"the first byte before the end", first}, {"both directions at once", echo},
		{"a slow reader holds the writer back", slow}, {"a caller that leaves", leaves},
		{"a caller that leaves before the head", leavesEarly}, {"a failure after the head", failure},
		{"a head that is too large", largeHead},
		{"an answer that is not finished", unfinished}, {"a panic after the head", panics},
		{"trailers", trailers}, {"a body that breaks", brokenBody}, {"a body that nobody reads", unreadBody},
		{"a body that writes itself", filled}, {"a caller that has enough", hasEnough},
		{"longer than the time-out", long}, {"no head in time", late}, {"more than a caller wants", enough},
		{"a lot of bytes", large}, {"many at a time", many}, {"a call within a stream has none", nested},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, way) })
	}
}

// open makes a way, and sees that nothing is left when the test is over.
func open(t *testing.T, way Way, h Handler) Caller {
	t.Helper()
	call, meters := way(t, h)
	t.Cleanup(func() {
		if !t.Failed() {
			latticetest.Eventually(t, func() error {
				for i, m := range meters {
					if held, _ := m.Held(); m.Open() != 0 || held != 0 {
						return fmt.Errorf("end %d: %d streams are open, %d bytes held", i, m.Open(), held)
					}
				}
				return nil
			})
		}
	})
	return call
}

func plain(t *testing.T, way Way) {
	call := open(t, way, func(ctx context.Context, payload []byte) ([]byte, error) {
		if string(payload) == "fail" {
			return nil, &lattice.Error{Code: lattice.ErrGuest, Detail: "no"}
		}
		return bytes.ToUpper(payload), nil
	})
	none := &stream.Caller{Take: func([]byte, *stream.Stream) error { t.Error("taken"); return nil }}
	if got, err := call(t.Context(), []byte("ab"), limit, none); err != nil || string(got) != "AB" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := call(t.Context(), []byte("fail"), limit, none); lattice.CodeOf(err) != lattice.ErrGuest {
		t.Errorf("%v", err)
	}
}

// largeHead: who cannot begin a stream gives a plain answer, which its caller gets at once.
func largeHead(t *testing.T, way Way) {
	call := open(t, way, func(ctx context.Context, payload []byte) ([]byte, error) {
		err := stream.From(ctx).Respond(make([]byte, stream.MaxHead+1))
		if string(payload) == "otherwise" {
			return payload, nil
		}
		return nil, err
	})
	none := &stream.Caller{Take: func([]byte, *stream.Stream) error { t.Error("taken"); return nil }}
	if _, err := call(t.Context(), nil, limit, none); lattice.CodeOf(err) != lattice.ErrTooLarge {
		t.Errorf("%v", err)
	}
	if got, err := call(t.Context(), []byte("otherwise"), limit, none); err != nil || string(got) != "otherwise" {
		t.Errorf("%q, %v", got, err)
	}
}

func first(t *testing.T, way Way) {
	seen := make(chan struct{})
	call := open(t, way, func(ctx context.Context, payload []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := o.Respond([]byte("head;")); err != nil {
			return nil, err
		}
		if err := o.Stream.Write(ctx, []byte("first;")); err != nil {
			return nil, err
		}
		select {
		case <-seen:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := o.Stream.Write(ctx, []byte("last")); err != nil {
			return nil, err
		}
		return nil, o.Stream.End(ctx, nil)
	})
	var all []byte
	got, err := call(t.Context(), nil, limit, &stream.Caller{Take: func(head []byte, s *stream.Stream) error {
		b, err := s.Next(t.Context(), stream.Piece)
		if err != nil {
			return err
		}
		all = append(append(all, head...), b...)
		close(seen)
		rest, err := s.All(t.Context(), nil, 100, nil)
		all = append(all, rest...)
		return err
	}})
	if err != nil || got != nil || string(all) != "head;first;last" {
		t.Errorf("%q, %q, %v", all, got, err)
	}
}

func echo(t *testing.T, way Way) {
	call := open(t, way, func(ctx context.Context, payload []byte) ([]byte, error) {
		o := stream.From(ctx)
		if !o.Body {
			return nil, errors.New("no body is told")
		}
		if err := o.Respond(nil); err != nil {
			return nil, err
		}
		for {
			b, err := o.Stream.Next(ctx, 5)
			if err == io.EOF {
				return nil, o.Stream.End(ctx, nil)
			}
			if err == nil {
				err = o.Stream.Write(ctx, bytes.ToUpper(b))
			}
			if err != nil {
				return nil, err
			}
		}
	})
	body := newFeed()
	_, err := call(t.Context(), nil, limit, &stream.Caller{Body: body, Release: body.release,
		Take: func(_ []byte, s *stream.Stream) error {
			for _, word := range []string{"one", "two", "three"} { // each comes back before the next one goes
				if _, err := body.w.Write([]byte(word)); err != nil {
					return err
				}
				var back []byte
				for len(back) < len(word) {
					b, err := s.Next(t.Context(), stream.Piece)
					if err != nil {
						return err
					}
					back = append(back, b...)
				}
				if !bytes.EqualFold(back, []byte(word)) || bytes.Equal(back, []byte(word)) {
					t.Errorf("%q came back as %q", word, back)
				}
			}
			_ = body.w.Close()
			rest, err := s.All(t.Context(), nil, 100, nil)
			if len(rest) > 0 {
				t.Errorf("%q is left", rest)
			}
			return err
		}})
	if err != nil {
		t.Error(err)
	}
}

func slow(t *testing.T, way Way) {
	var written atomic.Int64
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := o.Respond(nil); err != nil {
			return nil, err
		}
		piece := make([]byte, 10_000)
		for range 1000 {
			if err := o.Stream.Write(ctx, piece); err != nil {
				return nil, err
			}
			written.Add(int64(len(piece)))
		}
		return nil, o.Stream.End(ctx, nil)
	})
	_, err := call(t.Context(), nil, limit, &stream.Caller{Take: func(_ []byte, s *stream.Stream) error {
		var at int64 = -1
		for now := written.Load(); now != at; now = written.Load() { // until the writer stands
			at = now
			time.Sleep(200 * time.Millisecond)
		}
		if at > stream.Window || at < stream.Window/2 {
			t.Errorf("%d bytes were written while nothing was read", at)
		}
		all, err := s.All(t.Context(), nil, 20_000_000, nil)
		if len(all) != 10_000_000 {
			t.Errorf("%d bytes came", len(all))
		}
		return err
	}})
	if err != nil {
		t.Error(err)
	}
}

func leaves(t *testing.T, way Way) {
	ended := make(chan error, 2)
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := o.Respond(nil); err != nil {
			return nil, err
		}
		err := o.Stream.Write(ctx, []byte("x"))
		<-ctx.Done() // a handler that only waits hears of it, too
		wait, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		for err == nil { // the stream breaks with it, or just after
			err = o.Stream.Write(wait, []byte("y"))
		}
		if wait.Err() != nil {
			err = nil
		}
		ended <- err
		return nil, ctx.Err()
	})
	gone := errors.New("gone")
	_, err := call(t.Context(), nil, limit, &stream.Caller{Take: func(_ []byte, s *stream.Stream) error {
		if _, err := s.Next(t.Context(), 1); err != nil {
			return err
		}
		return gone
	}})
	if !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the other end could still write")
	}
	// by its context
	ctx, cancel := context.WithCancel(t.Context())
	_, _ = call(ctx, nil, limit, &stream.Caller{Take: func(_ []byte, s *stream.Stream) error {
		cancel()
		<-s.Over() // it is broken for a Take that does not look at the context
		return s.Err()
	}})
	if err := <-ended; err == nil {
		t.Error("the other end could still write")
	}
}

func leavesEarly(t *testing.T, way Way) {
	begun, ended := make(chan struct{}), make(chan struct{})
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	_, err := call(ctx, nil, limit, &stream.Caller{Take: func([]byte, *stream.Stream) error { return nil }})
	if lattice.CodeOf(err) != lattice.ErrCanceled {
		t.Errorf("%v", err)
	}
	<-ended
}

// broken has a handler fail after the head, and expects no clean end.
func broken(t *testing.T, way Way, fail func() error, want lattice.Code) {
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := errors.Join(o.Respond(nil), o.Stream.Write(ctx, []byte("some"))); err != nil {
			return nil, err
		}
		return nil, fail()
	})
	var got []byte
	var end error
	_, _ = call(t.Context(), nil, limit, &stream.Caller{Take: func(_ []byte, s *stream.Stream) error {
		for end == nil {
			var b []byte
			b, end = s.Next(t.Context(), 1)
			got = append(got, b...)
		}
		return end
	}})
	if string(got) != "some" || lattice.CodeOf(end) != want {
		t.Errorf("%q, then %v; want code %s", got, end, want.Name())
	}
}

func failure(t *testing.T, way Way) {
	broken(t, way, func() error { return &lattice.Error{Code: lattice.ErrTrap, Detail: "unreachable"} },
		lattice.ErrTrap)
}

func unfinished(t *testing.T, way Way) { broken(t, way, func() error { return nil }, lattice.ErrGuest) }

func panics(t *testing.T, way Way) { broken(t, way, func() error { panic("x") }, lattice.ErrInternal) }

func trailers(t *testing.T, way Way) {
	want := []stream.Field{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if _, err := o.Stream.All(ctx, nil, 100, nil); err != nil {
			return nil, err
		}
		return nil, errors.Join(o.Respond(nil), o.Stream.End(ctx, o.Stream.Trailers()))
	})
	var got []byte
	var back []stream.Field
	c := collect(t.Context(), &got, &back)
	c.Body, c.Release, c.Trailers = bytes.NewReader([]byte("body")), func() {}, func() []stream.Field { return want }
	if _, err := call(t.Context(), nil, limit, c); err != nil || !slices.Equal(back, want) {
		t.Errorf("%v, %v", back, err)
	}
}

func brokenBody(t *testing.T, way Way) {
	seen := make(chan error, 1)
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		_, err := stream.From(ctx).Stream.All(ctx, nil, 100, nil)
		seen <- err
		return nil, err
	})
	torn := errors.New("torn")
	_, err := call(t.Context(), nil, limit, &stream.Caller{Take: func([]byte, *stream.Stream) error { return nil },
		Body: io.MultiReader(bytes.NewReader([]byte("some")), failing{torn}), Release: func() {}})
	if !errors.Is(err, torn) {
		t.Errorf("%v", err)
	}
	if err := <-seen; err == nil {
		t.Error("the other end takes it for whole")
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func unreadBody(t *testing.T, way Way) {
	call := open(t, way, func(ctx context.Context, payload []byte) ([]byte, error) {
		if len(payload) == 0 {
			return []byte("no, thanks"), nil
		}
		o := stream.From(ctx)
		return nil, errors.Join(o.Respond([]byte("no, ")), o.Stream.Write(ctx, []byte("thanks")),
			o.Stream.End(ctx, nil))
	})
	for _, payload := range []string{"", "stream"} {
		body := newFeed()
		go func() {
			for {
				if _, err := body.w.Write(make([]byte, 100_000)); err != nil {
					return
				}
			}
		}()
		var got []byte
		c := collect(t.Context(), &got, nil)
		c.Body, c.Release = body, body.release
		answer, err := call(t.Context(), []byte(payload), limit, c)
		if got = append(got, answer...); err != nil && lattice.CodeOf(err) != lattice.ErrGuest ||
			string(got) != "no, thanks" {
			t.Errorf("%q: %q, %v", payload, got, err)
		}
	}
}

func long(t *testing.T, way Way) {
	const timeout = 500 * time.Millisecond
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := o.Respond(nil); err != nil {
			return nil, err
		}
		for range 8 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(timeout / 3):
			}
			if err := o.Stream.Write(ctx, []byte(".")); err != nil {
				return nil, err
			}
		}
		if at, ok := ctx.Deadline(); ok {
			return nil, fmt.Errorf("the call has a deadline, %v", at)
		}
		return nil, o.Stream.End(ctx, nil)
	})
	var got []byte
	if _, err := call(t.Context(), nil, timeout, collect(t.Context(), &got, nil)); err != nil || len(got) != 8 {
		t.Errorf("%q, %v", got, err)
	}
}

func late(t *testing.T, way Way) {
	ended := make(chan error, 1)
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		<-ctx.Done()
		ended <- stream.From(ctx).Respond([]byte("late"))
		return nil, ctx.Err()
	})
	_, err := call(t.Context(), nil, 200*time.Millisecond,
		&stream.Caller{Take: func([]byte, *stream.Stream) error { return nil }})
	if code := lattice.CodeOf(err); err != nil && code != lattice.ErrTimeout && code != lattice.ErrCanceled {
		t.Errorf("%v", err)
	}
	<-ended
}

func enough(t *testing.T, way Way) {
	ended := make(chan error, 1)
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := o.Respond(nil); err != nil {
			return nil, err
		}
		var err error
		for err == nil {
			err = o.Stream.Write(ctx, make([]byte, 1000))
		}
		ended <- err
		return nil, nil
	})
	_, err := call(t.Context(), nil, limit, &stream.Caller{Take: func(_ []byte, s *stream.Stream) error {
		_, err := s.Next(t.Context(), 1)
		return err
	}})
	if err != nil {
		t.Error(err)
	}
	if err := <-ended; lattice.CodeOf(err) != lattice.ErrCanceled {
		t.Errorf("the writer hears %v", err)
	}
}

// filled: a body may be written to the stream itself. It ends cleanly with its trailers, breaks, or is given up when
// nobody wants it.
func filled(t *testing.T, way Way) {
	seen := make(chan error, 1)
	call := open(t, way, func(ctx context.Context, payload []byte) ([]byte, error) {
		o := stream.From(ctx)
		if len(payload) > 0 {
			return []byte("no, thanks"), nil
		}
		all, err := o.Stream.All(ctx, nil, 100, nil)
		if err == nil {
			all = append(all, o.Stream.Trailers()[0].Value...)
		}
		seen <- err
		return all, err
	})
	none := func([]byte, *stream.Stream) error { t.Error("taken"); return nil }
	body := func(wrong error) *stream.Caller {
		return &stream.Caller{Take: none,
			Trailers: func() []stream.Field { return []stream.Field{{Name: "a", Value: "!"}} },
			Fill: func(ctx context.Context, s *stream.Stream) (bool, error) {
				return wrong == nil, errors.Join(s.Write(ctx, []byte("all")), wrong)
			}}
	}
	if got, err := call(t.Context(), nil, limit, body(nil)); err != nil || string(got) != "all!" || <-seen != nil {
		t.Errorf("%q, %v", got, err)
	}
	torn := errors.New("torn")
	if _, err := call(t.Context(), nil, limit, body(torn)); !errors.Is(err, torn) || <-seen == nil {
		t.Errorf("of a body that breaks: %v", err)
	}
	waits := &stream.Caller{Take: none, Fill: func(ctx context.Context, s *stream.Stream) (bool, error) {
		<-ctx.Done()
		return false, nil
	}}
	if got, err := call(t.Context(), []byte("x"), limit, waits); err != nil || string(got) != "no, thanks" {
		t.Errorf("of a body that nobody wants: %q, %v", got, err)
	}
}

// hasEnough: a caller that wants no more ends the call, even one that only waits. That is no error of it.
func hasEnough(t *testing.T, way Way) {
	ended := make(chan error, 1)
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := errors.Join(o.Respond(nil), o.Stream.Write(ctx, []byte("x"))); err != nil {
			return nil, err
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	if _, err := call(t.Context(), nil, limit, &stream.Caller{Take: func(_ []byte, s *stream.Stream) error {
		if _, err := s.Next(t.Context(), 1); err != nil {
			return err
		}
		return stream.ErrEnough
	}}); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the one who serves it goes on")
	}
}

func large(t *testing.T, way Way) {
	const size = 24 << 20
	call := open(t, way, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := o.Respond(nil); err != nil {
			return nil, err
		}
		sum := sha256.New()
		for {
			b, err := o.Stream.Next(ctx, stream.Piece)
			if err == io.EOF {
				return nil, o.Stream.End(ctx, []stream.Field{{Name: "sum", Value: fmt.Sprintf("%x", sum.Sum(nil))}})
			}
			if err == nil {
				sum.Write(b)
				err = o.Stream.Write(ctx, b)
			}
			if err != nil {
				return nil, err
			}
		}
	})
	whole := make([]byte, size)
	for i := range whole {
		whole[i] = byte(i * 7 >> 3)
	}
	var got []byte
	var fields []stream.Field
	c := collect(t.Context(), &got, &fields)
	c.Body, c.Release = bytes.NewReader(whole), func() {}
	_, err := call(t.Context(), nil, limit, c)
	sum := fmt.Sprintf("%x", sha256.Sum256(whole))
	if err != nil || !bytes.Equal(got, whole) || len(fields) != 1 || fields[0].Value != sum {
		t.Errorf("%d bytes back, the same: %v; %v, want %s; %v", len(got), bytes.Equal(got, whole), fields, sum, err)
	}
}

func many(t *testing.T, way Way) {
	call := open(t, way, func(ctx context.Context, payload []byte) ([]byte, error) {
		payload = bytes.Clone(payload)
		o := stream.From(ctx)
		if err := o.Respond(payload); err != nil {
			return nil, err
		}
		for range 50 {
			if err := o.Stream.Write(ctx, payload); err != nil {
				return nil, err
			}
		}
		return nil, o.Stream.End(ctx, nil)
	})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for round := range 10 {
				word := fmt.Sprintf("%d-%d;", i, round)
				var got []byte
				_, err := call(t.Context(), []byte(word), limit, collect(t.Context(), &got, nil))
				if err != nil || string(got) != string(bytes.Repeat([]byte(word), 51)) {
					t.Errorf("%s: %q, %v", word, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func nested(t *testing.T, way Way) {
	var call Caller
	call = open(t, way, func(ctx context.Context, payload []byte) ([]byte, error) {
		if string(payload) == "inner" {
			if o := stream.From(ctx); o != nil {
				return nil, errors.New("it has the stream of another call")
			}
			return []byte("none"), nil
		}
		return call(ctx, []byte("inner"), limit, nil)
	})
	if got, err := call(t.Context(), nil, limit,
		&stream.Caller{Take: func([]byte, *stream.Stream) error { return nil }}); err != nil || string(got) != "none" {
		t.Errorf("%q, %v", got, err)
	}
}
