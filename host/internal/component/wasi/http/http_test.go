package http

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
)

func httpFunction(name string) face.Func { return Family.Functions["wasi:http/types@0.2"][name] }

// A guest makes headers, and writes bodies that it does not send, until no more is held for it. What it drops is room
// again, and what was handed on as well.
func TestWhatIsHeldForAGuest(t *testing.T) {
	state := &face.State{}
	call := func(name string, args ...any) any {
		t.Helper()
		v, err := httpFunction(name).Call(&face.Call{Context: t.Context(), State: state,
			Pay: func(int) {}}, args)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	ok := func(v any) bool { return v.(abi.Variant).Case == 0 }
	value := []byte(strings.Repeat("v", 100<<10))
	var made []any
	for {
		f := call("[constructor]fields")
		if !ok(call("[method]fields.append", f, "x", value)) {
			break
		}
		if made = append(made, f); len(made) > 100 {
			t.Fatal("headers without end")
		}
	}
	if len(made) < face.MaxHeld/(110<<10) {
		t.Errorf("only %d headers of 100 KiB", len(made))
	}
	clone := httpFunction("[method]fields.clone")
	if _, err := clone.Call(&face.Call{Context: t.Context(), State: state, Pay: func(int) {}},
		[]any{made[0]}); err == nil {
		t.Error("a clone is made of more than is held")
	}
	for _, f := range made {
		f.(abi.Rep).Object.(face.Dropped).Drop()
	}
	if state.Held() != 0 {
		t.Fatalf("%d bytes are held for nothing", state.Held())
	}

	header := call("[constructor]fields")
	call("[method]fields.append", header, "x-a", []byte("1"))
	if !ok(call("[method]fields.set", header, "x-a", []any{[]byte("2"), []byte("3")})) ||
		ok(call("[method]fields.set", header, "x-a", []any{[]byte("\n")})) {
		t.Error("set")
	}
	if got := call("[method]fields.get", header, "X-A").([]any); len(got) != 2 || string(got[1].([]byte)) != "3" {
		t.Errorf("fields %q", got)
	}
	response := call("[constructor]outgoing-response", header)
	// The headers that a guest asks for are a view: dropping it takes nothing away.
	call("[method]outgoing-response.headers", response).(abi.Rep).Object.(face.Dropped).Drop()
	body := call("[method]outgoing-response.body", response).(abi.Variant).Value
	out := call("[method]outgoing-body.write", body).(abi.Variant).Value.(abi.Rep).Object.(*wasiio.Output)
	var failed error
	for n := 0; failed == nil; n++ {
		if failed = out.Sink(context.Background(), value); n > 100 {
			t.Fatal("a body without end")
		}
	}
	sent, x := 0, &Exchange{Finish: func(context.Context, Header) error { return nil }}
	x.Respond = func(status int, h Header, _ string) error {
		if status != 200 || len(h) != 2 {
			return errors.New("head")
		}
		return nil
	}
	x.Write = func(_ context.Context, b []byte) error {
		sent += len(b)
		return nil
	}
	call("[static]response-outparam.set", x.Params()[1], abi.Variant{Value: response})
	if sent < face.MaxHeld/2 || state.Held() != 0 {
		t.Errorf("%d bytes sent, %d held", sent, state.Held())
	}
	if err := out.Sink(context.Background(), value); err != nil ||
		!ok(call("[static]outgoing-body.finish", body, face.None)) {
		t.Errorf("written on: %v", err)
	}
	if head, whole := x.Responded(); !head || !whole {
		t.Error("not finished")
	}
}
