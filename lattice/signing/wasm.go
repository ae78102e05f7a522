package signing

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Names of the custom sections that hold a token. The older one is read, never written.
const (
	tokenSection       = "wasmcloud_jwt"
	legacyTokenSection = "jwt"
)

const (
	wasmHeaderBytes = 8
	maxWasmNesting  = 64
	maxWasmSections = 100_000 // of a file, with all that is nested in it
)

// wasmBinary is a core module or a component, cut into its sections.
type wasmBinary struct {
	header   []byte
	sections []wasmSection
}

// wasmSection is one section as in the file. Its slices point into the file.
type wasmSection struct {
	id      byte
	raw     []byte      // id, length and content
	content []byte      // what follows the length
	name    string      // of a custom section
	data    []byte      // of a custom section: what follows the name
	inner   *wasmBinary // of a component: the nested module or component
}

// IsModule reports whether data begins as a WebAssembly module or component does.
func IsModule(data []byte) bool {
	return len(data) >= wasmHeaderBytes && string(data[:4]) == "\x00asm" &&
		(string(data[4:8]) == "\x01\x00\x00\x00" || isComponent(data))
}

func isComponent(header []byte) bool { return header[6] == 1 && header[7] == 0 }

// moduleHash returns the hash that a module's claims carry: the upper-case hex SHA-256 over the module or component
// without its token sections, with every section length in its shortest form. What is no module is ErrBadModule.
func moduleHash(wasm []byte) (string, error) {
	m, err := parseWasm(wasm)
	if err != nil {
		return "", err
	}
	return m.hash(), nil
}

// parseWasm cuts a file of up to maxWasmSections sections. What is none is ErrBadModule.
func parseWasm(file []byte) (*wasmBinary, error) {
	left := maxWasmSections
	return parseNested(file, 0, &left)
}

// parseNested cuts what lies so deep in a file; left is how many sections may still come.
func parseNested(data []byte, depth int, left *int) (*wasmBinary, error) {
	if !IsModule(data) {
		return nil, badModule("it does not begin as a WebAssembly module: " + Form(data))
	}
	if depth > maxWasmNesting {
		return nil, badModule("components are nested too deep")
	}
	m := &wasmBinary{header: data[:wasmHeaderBytes]}
	for rest := data[wasmHeaderBytes:]; len(rest) > 0; {
		if *left--; *left < 0 {
			return nil, badModule(fmt.Sprintf("more than %d sections", maxWasmSections))
		}
		size, n := readULEB(rest[1:])
		if n == 0 || uint64(size) > uint64(len(rest)-1-n) {
			return nil, badModule(fmt.Sprintf("section %d runs past the end", len(m.sections)))
		}
		end := 1 + n + int(size)
		s := wasmSection{id: rest[0], raw: rest[:end], content: rest[1+n : end]}
		switch {
		case s.id == 0:
			length, n := readULEB(s.content)
			if n == 0 || uint64(length) > uint64(len(s.content)-n) {
				return nil, badModule(fmt.Sprintf("the name of section %d runs past its end", len(m.sections)))
			}
			s.name = string(s.content[n : n+int(length)])
			s.data = s.content[n+int(length):]
		case isComponent(data) && (s.id == 1 || s.id == 4):
			inner, err := parseNested(s.content, depth+1, left)
			if err != nil {
				return nil, err
			}
			s.inner = inner
		}
		m.sections = append(m.sections, s)
		rest = rest[end:]
	}
	return m, nil
}

func (s *wasmSection) isToken() bool {
	return s.id == 0 && (s.name == tokenSection || s.name == legacyTokenSection)
}

// token returns the text of the token, or "" without one. Only the top level counts: the token of a module inside a
// component says nothing about the component.
func (m *wasmBinary) token() (string, error) {
	found := map[string]string{}
	for i := range m.sections {
		s := &m.sections[i]
		if !s.isToken() {
			continue
		}
		if _, twice := found[s.name]; twice {
			return "", malformed("two sections named " + s.name)
		}
		if len(s.data) > maxTokenBytes {
			return "", malformed("token is too long")
		}
		found[s.name] = string(s.data)
	}
	if t, ok := found[tokenSection]; ok {
		return t, nil
	}
	return found[legacyTokenSection], nil
}

func (m *wasmBinary) hash() string {
	h := sha256.New()
	m.rebuild(h)
	return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
}

// rebuild writes the binary without token sections and with the shortest section lengths.
func (m *wasmBinary) rebuild(w io.Writer) {
	_, _ = w.Write(m.header)
	for i := range m.sections {
		s := &m.sections[i]
		if s.isToken() {
			continue
		}
		var b [6]byte
		_, _ = w.Write(appendULEB(append(b[:0], s.id), uint32(s.contentSize())))
		if s.inner != nil {
			s.inner.rebuild(w)
		} else {
			_, _ = w.Write(s.content)
		}
	}
}

func (s *wasmSection) contentSize() int {
	if s.inner != nil {
		return s.inner.size()
	}
	return len(s.content)
}

// size is the number of bytes that rebuild writes.
func (m *wasmBinary) size() int {
	n := len(m.header)
	for i := range m.sections {
		if s := &m.sections[i]; !s.isToken() {
			c := s.contentSize()
			n += 1 + len(appendULEB(nil, uint32(c))) + c
		}
	}
	return n
}

// withoutToken returns the file without its token sections. All else stays as it is.
func (m *wasmBinary) withoutToken() []byte {
	var out bytes.Buffer
	out.Write(m.header)
	for i := range m.sections {
		if s := &m.sections[i]; !s.isToken() {
			out.Write(s.raw)
		}
	}
	return out.Bytes()
}

// withToken returns the file with its token sections replaced by one, at the end. All else stays as it is.
func (m *wasmBinary) withToken(token string) []byte {
	out := bytes.NewBuffer(m.withoutToken())
	out.WriteByte(0)
	name := appendULEB(nil, uint32(len(tokenSection)))
	out.Write(appendULEB(nil, uint32(len(name)+len(tokenSection)+len(token))))
	out.Write(name)
	out.WriteString(tokenSection)
	out.WriteString(token)
	return out.Bytes()
}

// readULEB reads an unsigned 32-bit LEB128 number and returns how many bytes it took, 0 if it is malformed.
func readULEB(b []byte) (value uint32, n int) {
	var v uint64
	for i := 0; i < len(b) && i < 5; i++ {
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			if v > math.MaxUint32 {
				return 0, 0
			}
			return uint32(v), i + 1
		}
	}
	return 0, 0
}

func appendULEB(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func badModule(detail string) error {
	return &lattice.Error{Code: lattice.ErrBadModule, Detail: detail}
}
