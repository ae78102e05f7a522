package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
)

func TestEchoUnderBothImportNames(t *testing.T) {
	e := newEngine(t)
	for _, name := range []string{"echo", "echo_wapc"} {
		i := instantiate(t, compile(t, e, load(t, name)), wasm.Limits{}, &host{})
		for _, size := range []int{0, 1, 1000, 5 << 20} {
			payload := bytes.Repeat([]byte{7}, size)
			got, err := i.Call(t.Context(), "Echo.Echo", payload)
			if err != nil || !bytes.Equal(got, payload) {
				t.Errorf("%s of %d bytes: %d bytes, %v", name, size, len(got), err)
			}
		}
		if got := i.MemoryBytes(); got < 5<<20 || got > 6<<20 {
			t.Errorf("%s: memory of %d bytes after a call of 5 MiB", name, got)
		}
	}
}

func TestResponseBelongsToTheCaller(t *testing.T) {
	i := instantiate(t, compile(t, newEngine(t), load(t, "echo")), wasm.Limits{}, &host{})
	first, _ := i.Call(t.Context(), "x", []byte("first"))
	if _, err := i.Call(t.Context(), "x", []byte("other")); err != nil || string(first) != "first" {
		t.Errorf("the next call changed it to %q, %v", first, err)
	}
}

func TestMisbehaviour(t *testing.T) {
	limits := wasm.Limits{MemoryBytes: 16 << 20, Execution: 100 * time.Millisecond, ResponseBytes: 1 << 20,
		HostCalls: 50}
	type row struct {
		name, op string
		code     lattice.Code
		detail   string
	}
	rows := []row{
		{"endless loop", "L", lattice.ErrInterrupted, "100ms"},
		{"endless work without loops", "F", lattice.ErrInterrupted, ""},
		{"sleep", "S", lattice.ErrInterrupted, ""},
		{"deep recursion", "R", lattice.ErrStack, ""},
		{"memory bomb", "M", lattice.ErrMemory, "16777216"},
		{"unreachable", "U", lattice.ErrTrap, "unreachable"},
		{"division by zero", "D", lattice.ErrTrap, "divide by zero"},
		{"own bad pointer", "O", lattice.ErrTrap, "out of bounds memory access"},
		{"exit", "X3", lattice.ErrTrap, "code 3: one; two; rest"},
		{"exit with 0", "X0", lattice.ErrTrap, "code 0"},
		{"huge response", "H", lattice.ErrTooLarge, "1048576"},
		{"endless host calls", "K", lattice.ErrTooLarge, "50 host calls"},
	}
	for n, what := range []string{"__guest_request operation", "__guest_request payload", "__guest_response",
		"__guest_error",
		"__console_log", "__host_call binding", "__host_call namespace", "__host_call operation", "__host_call payload",
		"__host_response", "__host_error"} {
		rows = append(rows, row{"bad pointer: " + what, fmt.Sprintf("B%c", '0'+n), lattice.ErrBadPointer, what})
	}
	e := newEngine(t)
	m := compile(t, e, load(t, "hostile"))
	bystander := instantiate(t, m, limits, &host{})
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			h := &host{call: func(context.Context, lattice.LinkName, lattice.ContractID, string,
				[]byte) ([]byte, error) {
				if r.op == "B:" {
					return nil, errors.New("an error")
				}
				return []byte("a response"), nil
			}}
			limits := limits
			if r.code != lattice.ErrInterrupted {
				limits.Execution = 0
			}
			i := instantiate(t, m, limits, h)
			_, err := i.Call(t.Context(), r.op, []byte("payload"))
			wantCode(t, err, r.code)
			if !strings.Contains(err.Error(), r.detail) || !strings.HasPrefix(err.Error(), "call "+r.op+": ") {
				t.Errorf("the text %q says nothing of %q", err, r.detail)
			}
			if i.Healthy() {
				t.Error("still healthy")
			}
			_, err = i.Call(t.Context(), "N", nil)
			wantCode(t, err, lattice.ErrUnavailable)
			if got, err := bystander.Call(t.Context(), "-", nil); err != nil || string(got) != "boom" {
				t.Errorf("another instance: %q, %v", got, err)
			}
		})
	}
}

func TestGuestResults(t *testing.T) {
	i := instantiate(t, compile(t, newEngine(t), load(t, "hostile")), wasm.Limits{}, &host{})
	for _, r := range []struct{ op, want, err string }{
		{"E", "", "boom"},
		{"Z", "", "call Z: the guest reported an error without a text"},
		{"2", "", "call 2: the guest reported an error without a text"},
		{"N", "", ""},
		{"-", "boom", ""},
		{"m", "", "boom"},  // it bore the refusal of memory and said so itself
		{"B;", "boom", ""}, // so many subscriptions that their size wraps around
		{"B<", "boom", ""},
	} {
		got, err := i.Call(t.Context(), r.op, nil)
		if string(got) != r.want || (err == nil) != (r.err == "") ||
			(err != nil && !strings.HasSuffix(err.Error(), r.err)) {
			t.Errorf("%s: %q, %v", r.op, got, err)
		}
		if err != nil {
			wantCode(t, err, lattice.ErrGuest)
		}
		if !i.Healthy() {
			t.Fatalf("%s: broken", r.op)
		}
	}
}

func TestHostCall(t *testing.T) {
	type key struct{}
	var saw string
	h := &host{}
	i := instantiate(t, compile(t, newEngine(t), load(t, "hostile")), wasm.Limits{HostCallBytes: 1000}, h)
	for _, r := range []struct {
		op  string
		out []byte
		err error
		saw string
		// result, then the response twice, then the error twice
		want string
	}{
		{"C", []byte("pong"), nil, "link ns:contract Svc.Op payload8 value", "1pongpong"},
		{"C", nil, nil, "link ns:contract Svc.Op payload8 value", "1"},
		{"C", nil, errors.New("no link"), "link ns:contract Svc.Op payload8 value", "0no linkno link"},
		{"C", make([]byte, 1001), nil, "link ns:contract Svc.Op payload8 value",
			strings.Repeat("too large: response of a host call has 1001 bytes, 1000 allowed", 2)},
		{"G", nil, nil, "", strings.Repeat("too large: payload of a host call has 262144 bytes, 1000 allowed", 2)},
	} {
		saw = ""
		h.call = func(ctx context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
			payload []byte) ([]byte, error) {
			saw = fmt.Sprintf("%s %s %s %s %v", link, contract, operation, payload, ctx.Value(key{}))
			return r.out, r.err
		}
		got, err := i.Call(context.WithValue(t.Context(), key{}, "value"), r.op, []byte("payload8"))
		if want := strings.TrimPrefix(r.want, "0"); err != nil || saw != r.saw || strings.TrimPrefix(string(got),
			"0") != want {
			t.Errorf("%s: %q, %v; the host saw %q", r.op, got, err, saw)
		}
	}
}

func TestHostCallEndsWithTheCall(t *testing.T) {
	h := &host{call: func(ctx context.Context, _ lattice.LinkName, _ lattice.ContractID, _ string,
		_ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	m := compile(t, newEngine(t), load(t, "hostile"))
	_, err := instantiate(t, m, wasm.Limits{Execution: 20 * time.Millisecond}, h).Call(t.Context(), "C", nil)
	wantCode(t, err, lattice.ErrInterrupted)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = instantiate(t, m, wasm.Limits{}, h).Call(ctx, "C", nil)
	wantCode(t, err, lattice.ErrTimeout)
}

func TestHostPanicIsNotTheGuestsFault(t *testing.T) {
	h := &host{call: func(context.Context, lattice.LinkName, lattice.ContractID, string, []byte) ([]byte, error) {
		panic("bug")
	}}
	i := instantiate(t, compile(t, newEngine(t), load(t, "hostile")), wasm.Limits{}, h)
	_, err := i.Call(t.Context(), "C", nil)
	wantCode(t, err, lattice.ErrInternal)
}

// An actor calls another one, whose callers' limit passes first: that is a timeout there, and an interruption here.
func TestNestedDeadlinesTellWhose(t *testing.T) {
	m := compile(t, newEngine(t), load(t, "hostile"))
	inner := instantiate(t, m, wasm.Limits{}, &host{})
	var innerErr error
	outer := instantiate(t, m, wasm.Limits{Execution: 50 * time.Millisecond}, &host{
		call: func(ctx context.Context, _ lattice.LinkName, _ lattice.ContractID, _ string, _ []byte) ([]byte, error) {
			var out []byte
			out, innerErr = inner.Call(ctx, "L", nil)
			return out, innerErr
		}})
	_, err := outer.Call(t.Context(), "C", nil)
	wantCode(t, err, lattice.ErrInterrupted)
	wantCode(t, innerErr, lattice.ErrTimeout)
}

func TestCallersContext(t *testing.T) {
	m := compile(t, newEngine(t), load(t, "hostile"))
	for _, op := range []string{"L", "S"} {
		i := instantiate(t, m, wasm.Limits{}, &host{})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := i.Call(ctx, op, nil)
		cancel()
		wantCode(t, err, lattice.ErrTimeout)

		i = instantiate(t, m, wasm.Limits{}, &host{})
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err = i.Call(ctx, op, nil)
		wantCode(t, err, lattice.ErrCanceled)

		// One that has ended already does not harm the instance.
		i = instantiate(t, m, wasm.Limits{}, &host{})
		_, err = i.Call(ctx, op, nil)
		wantCode(t, err, lattice.ErrCanceled)
		if _, err = i.Call(t.Context(), "N", nil); err != nil {
			t.Error(err)
		}
	}
}

// A deadline that passes as a call ends must not hit the next call.
func TestAlarmDoesNotLeak(t *testing.T) {
	m := compile(t, newEngine(t), load(t, "echo"))
	i := instantiate(t, m, wasm.Limits{}, &host{})
	for n := range 3000 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%40)*time.Microsecond)
		_, err := i.Call(ctx, "x", nil)
		cancel()
		if !i.Healthy() {
			wantCode(t, err, lattice.ErrTimeout)
			i = instantiate(t, m, wasm.Limits{}, &host{})
		}
		if _, err := i.Call(t.Context(), "x", nil); err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
	}
}

func TestCloseEndsACall(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, load(t, "hostile"))
	for _, close := range []func(*wasm.Instance) error{
		func(i *wasm.Instance) error { return i.Close(t.Context()) },
		func(*wasm.Instance) error { return e.Close(t.Context()) },
	} {
		began := make(chan struct{})
		i := instantiate(t, m, wasm.Limits{},
			&host{call: func(context.Context, lattice.LinkName, lattice.ContractID, string, []byte) ([]byte, error) {
				select {
				case <-began:
				default:
					close1(began)
				}
				return nil, nil
			}})
		ended := make(chan error)
		go func() {
			_, err := i.Call(context.Background(), "K", nil)
			ended <- err
		}()
		<-began
		if err := close(i); err != nil {
			t.Error(err)
		}
		if err := <-ended; lattice.CodeOf(err) != lattice.ErrCanceled && lattice.CodeOf(err) != lattice.ErrTooLarge {
			t.Errorf("the call ended with %v", err)
		}
		if err := i.Close(t.Context()); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	}
	_, err := m.Instantiate(t.Context(), wasm.Limits{}, &host{}, nil)
	wantCode(t, err, lattice.ErrUnavailable)
}

func close1(c chan struct{}) { close(c) }

func TestOutput(t *testing.T) {
	h := &host{}
	i := instantiate(t, compile(t, newEngine(t), load(t, "hostile")), wasm.Limits{}, h)
	if _, err := i.Call(t.Context(), "W", nil); err != nil {
		t.Fatal(err)
	}
	want := []string{"stdout:one", "stdout:two", "stderr:one", "stderr:two", "console:one\ntwo\r\nrest", "stdout:rest",
		"stderr:rest"}
	if got := h.logged(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestInstancesRunConcurrently(t *testing.T) {
	e := newEngine(t)
	echo, hostile := compile(t, e, load(t, "echo")), compile(t, e, load(t, "hostile"))
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for k := range 20 {
				op := []string{"L", "M", "U", "R"}[(n+k)%4]
				bad, err := hostile.Instantiate(t.Context(), wasm.Limits{MemoryBytes: 1 << 20,
					Execution: 5 * time.Millisecond}, &host{}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if op == "R" && k > 3 {
					op = "D" // recursion takes long
				}
				if _, err := bad.Call(t.Context(), op, nil); err == nil {
					t.Errorf("%s went well", op)
				}
				good, err := echo.Instantiate(t.Context(), wasm.Limits{}, &host{}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := good.Call(t.Context(), "x", []byte{byte(n)}); err != nil || len(got) != 1 ||
					got[0] != byte(n) {
					t.Errorf("echo: %v, %v", got, err)
				}
				_ = bad.Close(t.Context())
				_ = good.Close(t.Context())
			}
		})
	}
	wg.Wait()
}
