package attack

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/control"
)

// A component that attacks its host while it answers a request (testdata/hostile.wat) loses that instance, with the
// name of what it did. It goes on answering others.
func TestHostileComponentCalls(t *testing.T) {
	r := newRig(t)
	code, err := os.ReadFile("testdata/hostile.wasm")
	if err != nil {
		t.Fatal(err)
	}
	ref, id := r.module("hostile component", code, contract.ID)
	if code, text := r.start(ref, control.ActorLimits{ExecutionMs: 2000, MemoryBytes: 16 << 20}); code != 0 {
		t.Fatal(text)
	}
	ask := func(how string) (*contract.Response, error) {
		req := &contract.Request{Method: "GET", Path: "/" + how, Header: contract.Header{}}
		out, err := r.call(id, contract.HandleRequest, req.Encode())
		if err != nil {
			return nil, err
		}
		return contract.DecodeResponse(out)
	}
	for _, h := range []struct {
		name, how string
		code      lattice.Code
		words     string
	}{
		{"an endless loop in a request", "l", lattice.ErrInterrupted, "2s"},
		{"memory without end in a request", "g", lattice.ErrMemory, ""},
		{"a trap after the head", "t", lattice.ErrTrap, "unreachable"},
		{"an endless loop after the head", "e", lattice.ErrInterrupted, "2s"},
		{"a body without end", "b", lattice.ErrTooLarge, "134217728"}, // or its time is over before
		{"handles without end", "h", lattice.ErrTrap, "16384 handles"},
		{"a header of 1 GB", "a", lattice.ErrTrap, "unreachable"},
		{"a string of 2 GB that is not there", "s", lattice.ErrTrap, ""},
		{"a list of 2 G entries that are not there", "i", lattice.ErrTrap, ""},
		{"values copied to the guest without end", "p", lattice.ErrInterrupted, "2s"},
		{"a forged handle", "f", lattice.ErrTrap, "12345"},
		{"a handle dropped twice", "d", lattice.ErrTrap, ""},
		{"a handle used after it was given away", "u", lattice.ErrTrap, ""},
		{"a handle of another kind", "o", lattice.ErrTrap, ""},
		{"two responses", "2", lattice.ErrTrap, ""},
		{"no response", "n", lattice.ErrGuest, ""},
		{"memory for the host that is not there", "1", lattice.ErrTrap, ""},
		{"memory for the host that never comes", "4", lattice.ErrInterrupted, ""},
		{"a call of the host while it asks for memory", "3", lattice.ErrTrap, ""},
	} {
		r.attack(h.name, func(t *testing.T) {
			_, err := ask(h.how)
			slow := h.code == lattice.ErrTooLarge && lattice.CodeOf(err) == lattice.ErrInterrupted
			if !slow && (lattice.CodeOf(err) != h.code || !strings.Contains(err.Error(), h.words)) {
				t.Errorf("%v; want %s and %q", err, h.code.Name(), h.words)
			}
			if p, err := ask("."); err != nil || p.StatusCode != 200 || string(p.Body) != "x-header" {
				t.Errorf("the next request: %+v, %v", p, err)
			}
		})
	}
}

// Memories that grow in turn have one limit together (testdata/growth.wat).
func TestHostileComponentWithTwoMemories(t *testing.T) {
	r := newRig(t)
	code, err := os.ReadFile("testdata/growth.wasm")
	if err != nil {
		t.Fatal(err)
	}
	ref, id := r.module("growing component", code)
	if code, text := r.start(ref, control.ActorLimits{MemoryBytes: 16 << 20}); code != 0 {
		t.Fatal(text)
	}
	r.attack("two memories without end", func(t *testing.T) {
		_, err := r.call(id, "grow", []byte("\x90"))
		if lattice.CodeOf(err) != lattice.ErrMemory || !strings.Contains(err.Error(), "16777216 bytes in use") {
			t.Errorf("%v; want memory, with 16777216 bytes in use", err)
		}
	})
}

// component is a component of sections that are given.
func component(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x0d\x00\x01\x00"), join(sections...)...)
}

// section is one of a component.
func section(id byte, entries [][]byte) []byte {
	return join([]byte{id}, sized(join(uleb(uint64(len(entries))), bytes.Join(entries, nil))))
}

// Sections of components.
const (
	sectionModule    = 1
	sectionInstance  = 2
	sectionComponent = 4
	sectionInstances = 5
	sectionAlias     = 6
	sectionTypes     = 7
	sectionCanon     = 8
	sectionExport    = 11
)

// nest makes a chain of n types, in which each is made from the one before it. The first is list<u8>.
func nest(n int, made func(before []byte) []byte) []byte {
	types := [][]byte{{0x70, 0x7d}}
	for i := range n {
		types = append(types, made(sleb(i)))
	}
	return section(sectionTypes, types)
}

// Components that are legal, or nearly, but large in one respect: each is refused with the name of what is too large,
// before anything is set aside for it.
func TestHostileComponents(t *testing.T) {
	r := newRig(t)
	of := func(pages uint64) []byte { // a module with a function for components and so many pages of memory
		m := newModule()
		m.memory = join([]byte{0}, uleb(pages))
		m.function([]byte{0})
		m.exports = append(m.exports, join(name("void"), []byte{0, 1}))
		return m.bytes()
	}
	page := of(1)
	lists := func(before []byte) []byte { return join([]byte{0x70}, before) }
	for _, h := range []struct {
		name  string
		code  []byte
		words string
	}{
		{"a nest of 100000 lists", component(nest(99_000, lists)), "cannot be run: "},
		{"a tuple of 2 to the power of 60 values", component(nest(60, func(before []byte) []byte {
			return join([]byte{0x6f, 2}, before, before)
		})), "a type whose values take 256 MiB or more"},
		{"a million types", component(section(sectionTypes, times(1_000_000, 0x70, 0x7d))),
			"1000000 types, 100000 allowed"},
		{"a section that promises 4 G types", component(join([]byte{sectionTypes}, sized(uleb(1<<32-1)))),
			"4294967295 types, 100000 allowed"},
		{"a nest of 100000 components", nestedComponents(100_000), "components are nested too deep"},
		{"a million modules", component(bytes.Repeat(join([]byte{sectionModule},
			sized([]byte("\x00asm\x01\x00\x00\x00"))), 1_000_000)), "more than 100000 sections"},
		{"20 million empty sections", component(bytes.Repeat(join([]byte{0}, sized(name(""))), 20_000_000)),
			"more than 100000 sections"},
		{"2 to the power of 40 instances", doubled(40), "more than 1000 instances of components"},
		{"a million instances", component(join([]byte{sectionModule}, sized(page)), section(sectionInstance,
			times(1_000_000, 0, 0, 0))), "1000000 core instances, 100000 allowed"},
		{"50000 instances", serving(page, 50_000), "more than 1000 instances of core modules"},
		{"900 instances of 1 GiB of memory", serving(of(1<<14), 900), "begins with"},
		{"900 instances of 1 MiB of memory", serving(of(16), 900), "begins with"},
	} {
		r.attack(h.name, func(t *testing.T) {
			ref := ""
			// what signs refuses it, too
			if strings.Contains(h.words, "too deep") || strings.Contains(h.words, "sections") {
				ref = r.file(h.name+".wasm", h.code)
			} else {
				ref, _ = r.module(h.name, h.code)
			}
			code, text := r.start(ref)
			if code == 0 || !strings.Contains(text, h.words) {
				t.Errorf("%s: %s; want %q", code.Name(), text, h.words)
			}
		})
	}
}

// serving is a component that makes instances of a module and exports a function of the first one.
func serving(module []byte, instances int) []byte {
	return component(join([]byte{sectionModule}, sized(module)),
		section(sectionInstance, times(instances, 0, 0, 0)),
		section(sectionAlias, [][]byte{join([]byte{0, 0, 1, 0}, name("void"))}), // a core function
		section(sectionTypes, [][]byte{{0x40, 0, 1, 0}}),                        // func()
		section(sectionCanon, [][]byte{{0, 0, 0, 0, 0}}),                        // lifts it
		section(sectionExport, [][]byte{join([]byte{0}, name("void"), []byte{1, 0, 0})}))
}

// nestedComponents is a component in a component, and so on.
func nestedComponents(n int) []byte {
	// From the inside out, each puts its header before what is there: written back to front, since each holds the
	// length of all within.
	var parts [][]byte
	size := 8
	for range n {
		head := join([]byte("\x00asm\x0d\x00\x01\x00"), []byte{sectionComponent}, uleb(uint64(size)))
		parts = append(parts, head)
		size += len(head)
	}
	b := make([]byte, 0, size)
	for i := len(parts) - 1; i >= 0; i-- {
		b = append(b, parts[i]...)
	}
	return append(b, "\x00asm\x0d\x00\x01\x00"...)
}

// doubled is a component that makes two instances of one that makes two instances, n times over.
func doubled(n int) []byte {
	c := component()
	for range n {
		c = component(join([]byte{sectionComponent}, sized(c)), section(sectionInstances, times(2, 0, 0, 0)))
	}
	return c
}
