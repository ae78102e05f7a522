package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

const weftModule = "github.com/weftlattice/weft/"

// guestFrame stands for the code of guests. It is machine code that Go's profiler cannot unwind, so that it is booked
// on runtime._ExternalCode, without a caller; nothing else in these processes is.
const guestFrame = "guest code (WebAssembly, compiled)"

// frame is a function in a flame graph, below its caller. Values are seconds of processor per request.
type frame struct {
	name     string // as the profile has it
	value    float64
	self     float64 // of value, what is not in children
	children []*frame
}

func (f *frame) child(name string) *frame {
	for _, c := range f.children {
		if c.name == name {
			return c
		}
	}
	c := &frame{name: name}
	f.children = append(f.children, c)
	return c
}

// sort orders the children by what they take.
func (f *frame) sort() {
	slices.SortFunc(f.children, func(a, b *frame) int {
		return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.name, b.name))
	})
	for _, c := range f.children {
		c.sort()
	}
}

// flameOf merges the profiles: below the root is a frame for each process, which is as wide as /proc says.
func flameOf(all []*profiled) *frame {
	root := &frame{name: "request"}
	for _, p := range all {
		each(p, func(stack []string, value float64) {
			f := root
			f.value += value
			for _, name := range append([]string{p.name}, stack...) {
				f = f.child(name)
				f.value += value
			}
			f.self += value
		})
	}
	root.sort()
	return root
}

// each calls back with every stack of a profile, the outermost function first, and what of a request's processor time
// it takes.
func each(p *profiled, do func(stack []string, value float64)) {
	index := slices.IndexFunc(p.profile.SampleType, func(t *profile.ValueType) bool { return t.Type == "cpu" })
	total := 0.0
	for _, s := range p.profile.Sample {
		total += float64(s.Value[index])
	}
	for _, s := range p.profile.Sample {
		do(stackOf(s), float64(s.Value[index])/total*p.perRequest)
	}
}

func stackOf(s *profile.Sample) (stack []string) {
	for i := len(s.Location) - 1; i >= 0; i-- {
		lines := s.Location[i].Line
		if len(lines) == 0 {
			stack = append(stack, "unknown")
		}
		for k := len(lines) - 1; k >= 0; k-- { // inlined functions
			stack = append(stack, lines[k].Function.Name)
		}
	}
	switch n := len(stack); {
	case n == 0:
		return []string{"unknown"}
	case stack[n-1] == "runtime._ExternalCode":
		return []string{guestFrame}
	}
	return stack
}

// owner says whose a function is.
type owner int

const (
	ownWeft owner = iota
	ownHTTP
	ownEngine
	ownGuest
	ownSyscall
	ownRuntime
	ownOther
)

var ownerNames = [...]string{"weft", "net/http", "wazero", "guest code", "system calls", "Go's runtime", "other"}

func ownerOf(function string) owner {
	pkg := packageOf(function)
	switch {
	case function == guestFrame:
		return ownGuest
	case strings.HasPrefix(pkg, weftModule), pkg == "main":
		return ownWeft
	case strings.HasPrefix(pkg, "github.com/tetratelabs/wazero"):
		return ownEngine
	case pkg == "net", strings.HasPrefix(pkg, "net/"), pkg == "bufio", pkg == "internal/poll":
		return ownHTTP
	case pkg == "syscall", strings.HasPrefix(pkg, "internal/runtime/syscall"), function == "runtime.futex",
		function == "runtime.usleep":
		return ownSyscall
	case pkg == "runtime", strings.HasPrefix(pkg, "runtime/"), strings.HasPrefix(pkg, "internal/runtime/"),
		pkg == "internal/abi", !strings.Contains(function, "."):
		return ownRuntime // functions in assembly have no package
	}
	return ownOther
}

// packageOf is the import path of a function: "a/b.c" of "a/b.c.(*T).f", where the last element may hold points.
func packageOf(function string) string {
	slash := strings.LastIndexByte(function, '/')
	if bracket := strings.IndexAny(function, "([{"); bracket >= 0 && bracket < slash { // a type parameter's path
		slash = strings.LastIndexByte(function[:bracket], '/')
	}
	if dot := strings.IndexByte(function[slash+1:], '.'); dot >= 0 {
		return function[:slash+1+dot]
	}
	return function
}
