package keyvaluenats

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"

	"github.com/weftlattice/weft/lattice"
)

// A value is one NATS message, and a bare nats-server takes messages up to 1 MiB. Larger values are therefore
// compressed, so that a mebibyte of text fits: whatever is UTF-8 shrinks by a tenth at least.
const (
	headerEncoding  = "Weft-Encoding" // encodingDeflate, or absent
	encodingDeflate = "deflate"
	// compressAbove is the size up to which values stay as they are, readable by other tools.
	compressAbove = 256 << 10
	// maxInflated bounds what a stored message may grow to: another writer may be hostile.
	maxInflated = 64 << 20
)

// deflate returns the compressed form, or nil when it is not worth it.
func deflate(data []byte) []byte {
	if len(data) <= compressAbove {
		return nil
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil // unreachable: the level exists
	}
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	if err != nil || b.Len() >= len(data) {
		return nil
	}
	return b.Bytes()
}

// inflate undoes deflate. What comes out is bounded: a value may be written by other programs.
func inflate(encoding string, data []byte) ([]byte, error) {
	bad := func(detail string, err error) error {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "read from bucket", Detail: detail, Err: err}
	}
	switch encoding {
	case "":
		return data, nil
	case encodingDeflate:
		out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxInflated+1))
		if err != nil {
			return nil, bad("a compressed value is broken", err)
		}
		if len(out) > maxInflated {
			return nil, bad(fmt.Sprintf("a compressed value grows beyond %d bytes", maxInflated), nil)
		}
		return out, nil
	}
	return nil, bad("a value has the unknown encoding "+lattice.Printable(encoding), nil)
}
