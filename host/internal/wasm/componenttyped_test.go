package wasm_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
)

func compileFixture(t testing.TB, name string) *wasm.Module {
	t.Helper()
	e, err := wasm.New(t.Context(), wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	m, err := e.Compile(t.Context(), fixture(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func openModule(t testing.TB, m *wasm.Module, h wasm.Host, env map[string]string) *wasm.Instance {
	t.Helper()
	i, err := m.Instantiate(t.Context(), wasm.Limits{}, h, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	return i
}

// callJSON calls a function with arguments as JSON, and returns its result as JSON.
func callJSON(t testing.TB, m *wasm.Module, i *wasm.Instance, name string, args ...string) (string, error) {
	t.Helper()
	f, err := typed.Find(m.Info().Surface.Exports, name)
	if err != nil {
		return "", err
	}
	typ, err := typed.ParseFunc(f.Type)
	if err != nil {
		t.Fatal(err)
	}
	values, err := typed.FromJSON(typ, args)
	if err != nil {
		return "", err
	}
	payload, err := typed.EncodeParams(typ, values, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := i.Call(t.Context(), f.Operation(), payload)
	if err != nil {
		return "", err
	}
	result, err := typed.DecodeResult(typ, answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if typ.Result == nil {
		return "", nil
	}
	return string(typed.ToJSON(typ.Result, result, false)), nil
}

// What a component is given comes back as it was, for each kind of type.
func TestTypedCallsOfAComponent(t *testing.T) {
	m := compileFixture(t, "filter.wasm")
	i := openModule(t, m, &host{}, nil)
	for _, c := range []struct {
		function string
		args     []string
		want     string
	}{
		{"acme:edge/filter@0.1.0#apply", []string{`"Grüße"`}, `{"ok":"GRÜSSE"}`},
		{"acme:edge/filter.apply", []string{`"a"`}, `{"ok":"A"}`},
		{"greet", []string{`"you"`}, `"hello you"`},
		{"of-bool", []string{`true`}, `true`},
		{"of-whole", []string{"255", "-128", "65535", "-32768", "4294967295", "-2147483648", "18446744073709551615",
			"-9223372036854775808"},
			`[255,-128,65535,-32768,4294967295,-2147483648,18446744073709551615,-9223372036854775808]`},
		{"of-float", []string{`0.1`, `"-Infinity"`}, `[0.1,"-Infinity"]`},
		{"of-float", []string{`"NaN"`, `1e300`}, `["NaN",1e+300]`},
		{"of-char", []string{`"€"`}, `"€"`},
		{"of-string", []string{`"\u0000\"\ud83d\ude00"`}, `"\u0000\"😀"`},
		{"of-bytes", []string{`"text"`}, `"text"`},
		{"of-bytes", []string{`[255,0]`}, `{"$bytes":"/wA="}`},
		{"of-bytes", []string{`{"$bytes":"/wA="}`}, `{"$bytes":"/wA="}`},
		{"of-list", []string{`[[1,2],[],[65535]]`}, `[[1,2],[],[65535]]`},
		{"of-record", []string{`{"y":-2,"x":1}`}, `{"x":1,"y":-2,"label":null}`},
		{"of-record", []string{`{"x":1,"y":2,"label":""}`}, `{"x":1,"y":2,"label":""}`},
		{"of-variant", []string{`"nothing"`}, `"nothing"`},
		{"of-variant", []string{`{"nothing":null}`}, `"nothing"`},
		{"of-variant", []string{`{"circle":2}`}, `{"circle":2}`},
		{"of-variant", []string{`{"polygon":[{"x":0,"y":0}]}`}, `{"polygon":[{"x":0,"y":0,"label":null}]}`},
		{"of-enum", []string{`"blue"`}, `"blue"`},
		{"of-flags", []string{`["execute","read"]`}, `["read","execute"]`},
		{"of-flags", []string{`[]`}, `[]`},
		{"of-option", []string{`null`}, `null`},
		{"of-option", []string{`{"some":null}`}, `{"some":null}`},
		{"of-option", []string{`{"some":7}`}, `{"some":7}`},
		{"of-result", []string{`{"ok":7}`}, `{"ok":7}`},
		{"of-result", []string{`{"err":"no"}`}, `{"err":"no"}`},
		{"of-nothing", nil, ``},
	} {
		got, err := callJSON(t, m, i, c.function, c.args...)
		if err != nil || got != c.want {
			t.Errorf("%s %v: %s, %v; want %s", c.function, c.args, got, err, c.want)
		}
	}
	if !i.Healthy() {
		t.Error("the instance is broken")
	}
}

// A payload of another type is the caller's fault: nothing has run, and the instance serves the next call.
func TestTypedCallWithAnotherPayload(t *testing.T) {
	m := compileFixture(t, "filter.wasm")
	i := openModule(t, m, &host{}, nil)
	for payload, want := range map[string]string{
		"":                         "read the arguments: invalid: want a list",
		"\x91\x01":                 "text: want text",
		"\x92\xa1a\xa1b":           "1 argument wanted, found 2: func(text: string)",
		"\x91\xdb\xff\xff\xff\xff": "bytes too long",
		"\x91\xa1a\x00":            "unread bytes follow",
	} {
		_, err := i.Call(t.Context(), "acme:edge/filter@0.1.0.apply", []byte(payload))
		if lattice.CodeOf(err) != lattice.ErrInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", payload, err, want)
		}
	}
	_, err := i.Call(t.Context(), "acme:edge/filter@0.1.0.aply", nil)
	if lattice.CodeOf(err) != lattice.ErrNotFound ||
		!strings.Contains(err.Error(), "did you mean acme:edge/filter@0.1.0#apply") {
		t.Error(err)
	}
	if got, err := callJSON(t, m, i, "greet", `"you"`); err != nil || got != `"hello you"` {
		t.Errorf("after that: %s, %v", got, err)
	}
}

// A guest that serves one call alone gets a new instance for each call, though instances are shared, from the first
// time on that it refuses a second one. One that traps for its own reasons is left as it is.
func TestAGuestThatServesOneCallIsFoundOut(t *testing.T) {
	m := compileFixture(t, "once.wasm")
	tmpl := m.Template(wasm.Limits{}, &host{}, nil)
	defer tmpl.Close()
	i, err := tmpl.Instantiate(t.Context())
	if err != nil || tmpl.Anew() != "" {
		t.Fatal(err, tmpl.Anew())
	}
	defer func() { i.Close(context.Background()) }()
	for n, want := range []string{"1", "2", "3"} {
		if got, err := callJSON(t, m, i, "many", "0"); err != nil || got != want {
			t.Errorf("call %d: %s, %v", n, got, err)
		}
	}
	if _, err := callJSON(t, m, i, "many", "13"); lattice.CodeOf(err) != lattice.ErrTrap {
		t.Error(err)
	}
	if i.Healthy() || tmpl.Single() != "" {
		t.Errorf("after a trap of its own: healthy %t, serves one call: %q", i.Healthy(), tmpl.Single())
	}
	i.Close(context.Background())
	if i, err = tmpl.Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		if got, err := callJSON(t, m, i, "once", "7"); err != nil || got != "7" {
			t.Errorf("call %d: %s, %v", n, got, err)
		}
		if found := strings.Contains(tmpl.Single(), "serves a second call"); found != (n > 0) {
			t.Errorf("after call %d: %q", n, tmpl.Single())
		}
	}
	if got, err := callJSON(t, m, i, "many", "0"); err != nil || got != "1" {
		t.Errorf("%s, %v: the instance is not as it began", got, err)
	}
}

// A component that exports wasi:cli/run is a program: arguments, input, output and exit code. It begins anew each time.
func TestComponentRunsAsACommand(t *testing.T) {
	m := compileFixture(t, "command.wasm")
	operation := m.Info().Surface.Exports[0].Operation()
	for _, c := range []struct {
		command typed.Command
		want    typed.Outcome
	}{
		{typed.Command{}, typed.Outcome{Stdout: []byte("arguments [], input \"\"\n")}},
		{typed.Command{Args: []string{"one", "two words"}, Stdin: []byte("some\ninput")},
			typed.Outcome{Stdout: []byte("arguments [\"one\", \"two words\"], input \"some\\ninput\"\n")}},
		{typed.Command{Args: []string{"3"}}, typed.Outcome{Stdout: []byte("arguments [\"3\"], input \"\"\n"), Code: 1}},
	} {
		h := &host{}
		i := openModule(t, m, h, nil)
		answer, err := i.Call(t.Context(), operation, c.command.Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, err := typed.DecodeOutcome(answer)
		if err != nil || string(got.Stdout) != string(c.want.Stdout) || got.Code != c.want.Code ||
			string(got.Stderr) != "a word on standard error\n" {
			t.Errorf("%v: %q %q %d, %v", c.command.Args, got.Stdout, got.Stderr, got.Code, err)
		}
		if i.Healthy() {
			t.Error("the instance would run twice")
		}
	}
	i := openModule(t, m, &host{}, nil)
	if _, err := i.Call(t.Context(), operation, []byte{1}); lattice.CodeOf(err) != lattice.ErrInvalid || !i.Healthy() {
		t.Errorf("another payload: %v", err)
	}
}

// A command that writes more than is allowed has no outcome, whatever it makes of that itself.
func TestOutputOfACommandIsWholeOrNone(t *testing.T) {
	m := compileFixture(t, "command.wasm")
	i, err := m.Instantiate(t.Context(), wasm.Limits{ResponseBytes: 40}, &host{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	operation := m.Info().Surface.Exports[0].Operation()
	// its line on standard output fits, and what follows on standard error does not
	answer, err := i.Call(t.Context(), operation, typed.Command{}.Encode())
	if lattice.CodeOf(err) != lattice.ErrTooLarge || !strings.Contains(err.Error(), "more than 40 bytes of output") {
		t.Errorf("%q, %v", answer, err)
	}
}

// What a command wrote before it came to a bad end is in the actor's log, and the end of its stderr in the error.
func TestWhatACommandWroteBeforeItFailedIsNotLost(t *testing.T) {
	m := compileFixture(t, "command.wasm")
	operation := m.Info().Surface.Exports[0].Operation()
	for _, c := range []struct {
		how    string
		limits wasm.Limits
		code   lattice.Code
		says   string   // in the error
		logs   []string // among others
	}{
		{"panic", wasm.Limits{}, lattice.ErrTrap, "page 5; thread 'main'",
			[]string{"stdout:half a line", "stderr:page 1", "stderr:page 5", "stderr:out of paper"}},
		{"spin", wasm.Limits{Execution: 5 * time.Second}, lattice.ErrInterrupted, "stopped after 5s", nil},
		{"grow", wasm.Limits{MemoryBytes: 32 << 20}, lattice.ErrMemory, "limit 33554432",
			[]string{"stderr:memory allocation of 1073741824 bytes failed"}},
	} {
		h := &host{}
		i, err := m.Instantiate(t.Context(), c.limits, h, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = i.Call(t.Context(), operation, typed.Command{Args: []string{c.how}}.Encode())
		i.Close(context.Background())
		if lattice.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.how, err)
		}
		if c.how == "panic" && (!strings.HasSuffix(err.Error(), "; out of paper") ||
			strings.Contains(err.Error(), "page 1;")) {
			t.Errorf("not the end of what it said: %v", err)
		}
		log := h.logged()
		for _, want := range append(c.logs, fmt.Sprintf("stdout:arguments [%q], input \"\"", c.how),
			"stderr:a word on standard error") {
			if !slices.Contains(log, want) {
				t.Errorf("%s: the log has no %q: %q", c.how, want, log)
			}
		}
	}
}
