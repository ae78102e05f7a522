package signing_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// When a file is neither a module nor an archive, the error says what it is, and how it becomes one.
func TestWrongFileIsNamed(t *testing.T) {
	zip := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(s))
		_ = z.Close()
		return b.String()
	}
	tar := strings.Repeat("\x00", 257) + "ustar" + strings.Repeat("\x00", 250)
	for _, c := range []struct{ data, want string }{
		{"", "it is empty"},
		{"\x00as", "it is neither"},
		{"\x00asm\x01\x00", "cut short"},
		{"\x00asm\x02\x00\x00\x00", "its version is 02000000"},
		{"\x00asm\x01\x00\x00\x00", "it is a WebAssembly module"},
		{"\x00asm\x0d\x00\x01\x00", "it is a WebAssembly component"},
		{zip("\x00asm\x01\x00\x00\x00"), "gunzip"},
		{zip(tar), "it is a provider archive"},
		{tar, "it is a provider archive"},
		{zip("hello"), "no provider archive"},
		{"\x1f\x8b\x08", "broken"},
		{"\n (module (func))", "wat2wasm"},
		{";; (module)", "wat2wasm"},
		{"\x7fELF\x02", "executable"},
		{"#!/bin/sh\n", "script"},
		{"PK\x03\x04", "unpack"},
		{"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"},
		{"name: hallo ü", "it is text"},
		{strings.Repeat("x", 4095) + "ü", "it is text"},
		{"\xff\xfe\x00\x01", "it is neither"},
	} {
		if got := signing.Form([]byte(c.data)); !strings.Contains(got, c.want) {
			t.Errorf("Form(%.20q) = %q, want %q", c.data, got, c.want)
		}
	}
	_, err := signing.ReadModule([]byte("(module)"), time.Now())
	if lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(), "wat2wasm") {
		t.Errorf("a host says %v of text", err)
	}
	_, err = signing.OpenArchive([]byte("\x00asm\x01\x00\x00\x00"), time.Now())
	if lattice.CodeOf(err) != lattice.ErrInvalid || !strings.Contains(err.Error(), "it is a WebAssembly module") {
		t.Errorf("a host says %v of a module for a provider", err)
	}
}
