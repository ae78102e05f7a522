package keyvaluenats

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// A mebibyte of the worst text there is fits into a message of a bare nats-server, with its headers.
func TestMebibyteOfTextFits(t *testing.T) {
	r := rand.New(rand.NewChaCha8([32]byte{}))
	for name, next := range map[string]func() rune{
		"any ASCII":      func() rune { return rune(r.IntN(128)) },
		"any two bytes":  func() rune { return 0x80 + rune(r.IntN(0x800-0x80)) },
		"any four bytes": func() rune { return 0x10000 + rune(r.IntN(0x100000)) },
		"mixed": func() rune {
			return []rune{rune(r.IntN(128)), 0xe4,
				0x4e00 + rune(r.IntN(0x5000))}[r.IntN(3)]
		},
	} {
		var b bytes.Buffer
		for b.Len() < 1<<20 {
			b.WriteRune(next())
		}
		small := deflate(b.Bytes())
		if small == nil || len(small) > 1<<20-64<<10 {
			t.Errorf("%s: %d bytes become %d", name, b.Len(), len(small))
		}
		if back, err := inflate(encodingDeflate, small); err != nil || !bytes.Equal(back, b.Bytes()) {
			t.Errorf("%s: does not come back: %v", name, err)
		}
	}
}

func TestInflateRefuses(t *testing.T) {
	bomb := deflate(make([]byte, maxInflated+1))
	for name, c := range map[string]struct {
		encoding string
		data     []byte
	}{"a bomb": {encodingDeflate, bomb}, "garbage": {encodingDeflate, []byte("\xff\xff\xff")},
		"unknown": {"zstd", nil}} {
		if _, err := inflate(c.encoding, c.data); lattice.CodeOf(err) != lattice.ErrConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	if deflate(make([]byte, compressAbove)) != nil {
		t.Error("a small value was compressed")
	}
}

func FuzzInflate(f *testing.F) {
	f.Add(deflate(make([]byte, compressAbove+1)))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = inflate(encodingDeflate, b) })
}
