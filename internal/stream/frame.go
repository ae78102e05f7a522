package stream

import (
	"encoding/binary"
	"fmt"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// Kind is what a frame is.
type Kind byte

// Kinds of frames. The first three belong to the body that the sender of the frame writes, the others to the one that
// it reads.
const (
	Data   Kind = 1 + iota // bytes of the body
	End                    // it has ended well; trailers
	Broken                 // it has not, and neither end goes on: a code and a text
	Credit                 // the reader has room for so many bytes more
	Stop                   // the reader wants no more
	Alive                  // nothing: the other end is still there
)

// Limits of the format.
const (
	// Window is how many bytes of a direction are on their way, or wait for their reader, at most.
	Window = 512 << 10
	// Piece is how many bytes one frame carries at most.
	Piece = 48 << 10
	// maxTrailers is how many bytes the trailers of a body take at most, encoded.
	maxTrailers = 16 << 10
	// MaxFrame is how many bytes the payload of any frame has at most.
	MaxFrame = Piece
	// MaxHead is how many bytes the head of an answer has at most: it goes in one message, whichever way it goes.
	MaxHead = wire.MaxInlineBytes

	maxText = 1 << 10 // bytes of the text of an error
)

// Field is one of the trailers of a body. Names may come several times.
type Field struct{ Name, Value string }

// errFormat is why a stream breaks whose other end does not keep to the format.
func errFormat(format string, args ...any) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read a stream", Detail: fmt.Sprintf(format, args...)}
}

// encodeTrailers writes fields as texts after their lengths, two bytes each, little endian.
func encodeTrailers(fields []Field) ([]byte, error) {
	size := 0
	for _, f := range fields {
		size += 4 + len(f.Name) + len(f.Value)
	}
	if size > maxTrailers {
		return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: "end a stream",
			Detail: fmt.Sprintf("its trailers take %d bytes, at most %d allowed", size, maxTrailers)}
	}
	b := make([]byte, 0, size)
	for _, f := range fields {
		for _, s := range [...]string{f.Name, f.Value} {
			b = append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
		}
	}
	return b, nil
}

// decodeTrailers reads what encodeTrailers wrote. b comes from the other end, and is bounded as here.
func decodeTrailers(b []byte) ([]Field, error) {
	if len(b) > maxTrailers {
		return nil, errFormat("trailers of %d bytes, at most %d allowed", len(b), maxTrailers)
	}
	var fields []Field
	for len(b) > 0 {
		var pair [2]string
		for i := range pair {
			if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
				return nil, errFormat("trailers end early")
			}
			n := 2 + int(binary.LittleEndian.Uint16(b))
			pair[i], b = string(b[2:n]), b[n:]
		}
		fields = append(fields, Field{pair[0], pair[1]})
	}
	return fields, nil
}

func encodeError(err error) []byte {
	code := lattice.CodeOf(err)
	return append(binary.LittleEndian.AppendUint16(nil, uint16(code)), clip.Text(err.Error(), maxText)...)
}

// decodeError reads the code and the text with which the other end broke the stream.
func decodeError(b []byte) error {
	if len(b) < 2 || len(b) > 2+maxText {
		return errFormat("an error of %d bytes", len(b))
	}
	return lattice.FromWire(lattice.Code(binary.LittleEndian.Uint16(b)).Name(), string(b[2:]))
}
