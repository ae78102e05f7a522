package signing

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"unicode/utf8"
)

// Form says in words what data is, for errors of code that expected something else: "it is a provider archive". Where
// there is a way to what was probably meant, it names it. It looks at the beginning only, and never fails.
func Form(data []byte) string {
	switch {
	case len(data) == 0:
		return "it is empty"
	case IsModule(data) && isComponent(data):
		return "it is a WebAssembly component"
	case IsModule(data):
		return "it is a WebAssembly module"
	case bytes.HasPrefix(data, wasmMagic) && len(data) < wasmHeaderBytes:
		return "it is cut short within the first 8 bytes"
	case bytes.HasPrefix(data, wasmMagic):
		return fmt.Sprintf("its version is %x, and 01000000 is wanted", data[4:wasmHeaderBytes])
	case isGzip(data):
		return compressedForm(data)
	case IsArchive(data):
		return FormArchive
	case isScript(data):
		return "it is a script"
	case bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")), bytes.HasPrefix(data, []byte("PK\x03\x04")),
		bytes.HasPrefix(data, []byte("\xfd7zXZ")), bytes.HasPrefix(data, []byte("BZh")):
		return "it is compressed; unpack it first"
	}
	for _, magic := range []string{"\x7fELF", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe", "MZ"} {
		if bytes.HasPrefix(data, []byte(magic)) {
			return "it is an executable of an operating system"
		}
	}
	text := bytes.TrimSpace(data[:min(len(data), 4096)])
	switch {
	case bytes.HasPrefix(text, []byte("(module")), bytes.HasPrefix(text, []byte("(component")),
		bytes.HasPrefix(text, []byte(";;")), bytes.HasPrefix(text, []byte("(;")):
		return "it is WebAssembly as text; make a module of it with: wat2wasm"
	case bytes.HasPrefix(text, []byte("version https://git-lfs.")):
		return "it is what Git LFS puts in the place of a file; fetch the file with: git lfs pull"
	case bytes.HasPrefix(text, []byte("<!DOCTYPE")), bytes.HasPrefix(text, []byte("<html")):
		return "it is a web page"
	case utf8.Valid(trimRune(text)) && !bytes.ContainsRune(text, 0):
		return "it is text"
	}
	return "it is neither a WebAssembly module nor a provider archive"
}

// FormArchive is what Form says of a provider archive.
const FormArchive = "it is a provider archive"

const formBroken = "it begins as gzip does, and is broken"

var wasmMagic = []byte("\x00asm")

func isScript(data []byte) bool { return bytes.HasPrefix(data, []byte("#!")) }

// compressedForm looks at the beginning of what gzip holds.
func compressedForm(data []byte) string {
	const head = 512 // as much as tells a tar file
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return formBroken
	}
	inner, err := io.ReadAll(io.LimitReader(z, head))
	switch {
	case IsArchive(inner):
		return FormArchive
	case bytes.HasPrefix(inner, wasmMagic):
		return "it is a WebAssembly module compressed with gzip; unpack it with: gunzip"
	case err != nil:
		return formBroken
	}
	return "it is compressed with gzip, and is no provider archive"
}

// trimRune takes away a character that was cut at the end.
func trimRune(text []byte) []byte {
	for i := 1; i <= utf8.UTFMax && i <= len(text); i++ {
		if utf8.RuneStart(text[len(text)-i]) {
			if !utf8.FullRune(text[len(text)-i:]) {
				return text[:len(text)-i]
			}
			break
		}
	}
	return text
}
