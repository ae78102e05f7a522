package binary

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// World is the type that wit-bindgen leaves in a core module: what the module imports and exports by the canonical ABI.
type World struct {
	Name     string     // without its package; "": the only one there is
	Encoding Encoding   // of the strings that go through its functions
	Types    *Component // exports types, of which one exports the world
}

const (
	worldSection = "component-type" // and more, which differs between the worlds of a module
	maxWorlds    = 1000
)

// HasWorlds reports whether a file is a core module that carries the types of worlds.
func HasWorlds(file []byte) bool {
	all, err := worldSections(file, 1)
	return err == nil && len(all) > 0
}

// Worlds decodes the worlds in the custom sections of a core module. The error is a lattice.ErrBadModule.
func Worlds(module []byte) ([]World, error) {
	sections, err := worldSections(module, maxWorlds+1)
	if err != nil {
		return nil, err
	}
	if len(sections) > maxWorlds {
		return nil, wasmbin.Bad("more than %d sections named %s", maxWorlds, worldSection)
	}
	d := &decoder{left: maxDefinitions} // all worlds share the bound of a file
	worlds := make([]World, len(sections))
	for i, s := range sections {
		if worlds[i], err = d.world(s); err != nil {
			return nil, err
		}
	}
	return worlds, nil
}

// worldSections returns at most so many sections. It looks at nothing else in the module.
func worldSections(module []byte, most int) (all []Custom, err error) {
	if !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, nil
	}
	for r := (&wasmbin.Reader{B: module, Off: 8, What: "core module"}); r.More() && len(all) < most; {
		id := r.Byte()
		b := r.Take(r.U32())
		if r.Err != nil {
			return nil, r.Err
		}
		if id != 0 {
			continue
		}
		c := &wasmbin.Reader{B: b, Base: r.Off - len(b), What: "custom section"}
		if name := c.Name(); c.Err == nil && (name == worldSection || strings.HasPrefix(name, worldSection+":")) {
			all = append(all, Custom{name, b[c.Off:]})
		}
	}
	return all, nil
}

// The versions of how a world is encoded: before 2024 with a head of its own, since then with a custom section in it.
const (
	headVersion    = 3
	sectionVersion = 4
	headSection    = "wit-component-encoding"
)

// world reads what tools for core modules leave in a custom section, so that another tool can make a component of the
// module: a component that has types alone. Older tools write a head before it, newer ones put the head into a section
// within.
func (d *decoder) world(c Custom) (World, error) {
	where := lattice.Printable(c.Name)
	w, file := World{}, c.Data
	if !Is(file) {
		head := &wasmbin.Reader{B: file, What: where}
		encoding := worldEncoding(head, headVersion)
		w.Name = head.Name()
		if head.Err != nil {
			return w, head.Err
		}
		w.Encoding, file = encoding, file[head.Off:]
	}
	if !bytes.HasPrefix(file, preamble) {
		return w, wasmbin.Bad("the section %s holds no component of the binary format 0xd", where)
	}
	types, err := d.component(file[len(preamble):], len(preamble), 0)
	if err != nil {
		return w, fmt.Errorf("section %s: %w", where, err)
	}
	w.Types = types
	for _, inner := range types.Customs {
		if inner.Name == headSection {
			head := &wasmbin.Reader{B: inner.Data, What: where}
			if w.Encoding = worldEncoding(head, sectionVersion); head.Err != nil {
				return w, head.Err
			}
		}
	}
	return w, nil
}

// worldEncoding reads the version of a world, and how it encodes strings.
func worldEncoding(r *wasmbin.Reader, want byte) Encoding {
	if version := r.Byte(); r.Err == nil && version != want {
		r.Fail("a world of the version %d; weft reads those that wit-bindgen writes since 2023-10 (%d and %d): "+
			"build the module anew", version, headVersion, sectionVersion)
	}
	e := Encoding(r.Byte())
	if r.Err == nil && e > Latin1OrUTF16 {
		r.Fail("string encoding %#x is unknown", byte(e))
	}
	return e
}
