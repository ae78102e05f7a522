package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// sampled is a process whose profile has these stacks, the outermost function first, and values.
func sampled(name string, perRequest float64, stacks map[string]int64) *profiled {
	p := &profiled{name: name, perRequest: perRequest,
		profile: &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "cpu"}}}}
	for stack, value := range stacks {
		s := &profile.Sample{Value: []int64{1, value}}
		for f := range strings.SplitSeq(stack, ";") {
			s.Location = append([]*profile.Location{{Line: []profile.Line{{Function: &profile.Function{Name: f}}}}},
				s.Location...)
		}
		p.profile.Sample = append(p.profile.Sample, s)
	}
	return p
}

const (
	serve   = "net/http.(*conn).serve"
	call    = weftModule + "internal/channel.(*Conn).Call"
	handler = weftModule + "internal/providers/httpserver.(*handler).serve"
	sysCall = "internal/runtime/syscall/linux.Syscall6"
)

func example() []*profiled {
	return []*profiled{
		sampled("host", 30e-6, map[string]int64{"runtime._System;runtime._ExternalCode": 600,
			weftModule + "host/internal/wasm.(*Instance).Call;context.WithCancel;runtime.mallocgc": 100,
			weftModule + "host/internal/wasm.(*Instance).Call;context.WithCancel":                  300}),
		sampled("httpserver", 40e-6, map[string]int64{serve + ";" + handler + ";" + call + ";" + sysCall: 1000,
			serve + ";" + sysCall:             2000,
			serve + ";" + handler + ";a.b<c>": 996, "runtime.mcall;runtime.park_m;" + sysCall: 4}),
	}
}

func TestPartOf(t *testing.T) {
	r := &report{}
	partRows(example(), r)
	for _, want := range []string{
		"| system calls on the HTTP connection | 28.6 % | 20.00 µs | 0.00 µs | 20.00 µs |",
		"| guest code | 25.7 % | 18.00 µs | 18.00 µs | 0.00 µs |",
		"| system calls on the local channel | 14.3 % | 10.00 µs |",
		"| weft: internal/providers/httpserver | 14.2 % | 9.96 µs |",
		"| weft: host/internal/wasm | 12.9 % | 9.00 µs | 9.00 µs |",
		"| allocation and garbage collection | 4.3 % | 3.00 µs | 3.00 µs |",
		"| all that is below 0.5 % | 0.1 % | 0.04 µs |",
		"| **all** | 100.0 % | 70.00 µs | 30.00 µs | 40.00 µs |",
	} {
		if !strings.Contains(r.details.String(), want) {
			t.Errorf("lacks %s\n%s", want, r.details.String())
		}
	}
}

func TestFlame(t *testing.T) {
	root := flameOf(example())
	if math.Abs(root.value-70e-6) > 1e-12 || root.children[0].name != "httpserver" ||
		root.children[1].children[0].name != guestFrame {
		t.Fatalf("%+v", root)
	}
	svg := flameSVG("title & more", root)
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
	}
	for _, want := range []string{"title &amp; more", "a.b&lt;c&gt;: 9.96 µs, 14.2 %", ">httpserver.(*handler).serve<",
		"guest code 18.0 µs", call + ": 10.00 µs"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("lacks %q", want)
		}
	}
	if strings.Contains(string(svg), "park_m") || strings.Contains(string(svg), "<script") {
		t.Error("frames below 0.3 % or scripts are in it")
	}
}

func TestOwners(t *testing.T) {
	for function, want := range map[string]owner{
		weftModule + "host.(*Host).run.func1":                             ownWeft,
		"github.com/tetratelabs/wazero/internal/engine/wazevo.entrypoint": ownEngine,
		"net/http.HandlerFunc.ServeHTTP":                                  ownHTTP,
		"internal/poll.(*FD).Read":                                        ownHTTP,
		sysCall:                                                           ownSyscall,
		"runtime.futex":                                                   ownSyscall,
		"runtime.mcall":                                                   ownRuntime,
		"internal/runtime/maps.(*Iter).Next":                              ownRuntime,
		"aeshashbody":                                                     ownRuntime,
		"sync.(*Pool).Get":                                                ownOther,
		"slices.SortFunc[go.shape.[]github.com/weftlattice/weft/x.T,go.shape.int]": ownOther,
		guestFrame: ownGuest,
	} {
		if got := ownerOf(function); got != want {
			t.Errorf("%s is of %s, want %s", function, ownerNames[got], ownerNames[want])
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		want string
	}{
		{call, 30, "channel.(*Conn).Call"}, {call, 14, "(*Conn).Call"}, {call, 6, "Call"}, {call, 3, ""},
		{"a/b.reallyLongName", 8, "reallyL…"}, {"a/b.f.func1", 7, "f.func1"}, {"a/b.f.func1", 5, "f.fu…"},
		{guestFrame, 12, "guest code …"},
	} {
		if got := fit(c.name, c.n); got != c.want {
			t.Errorf("%s in %d: %q, want %q", c.name, c.n, got, c.want)
		}
	}
}
