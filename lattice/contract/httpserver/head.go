package httpserver

import (
	"maps"
	"slices"

	"github.com/weftlattice/weft/lattice/msgpack"
)

// ResponseHead is a Response without its body as a provider wants it: its texts are part of the payload, and no map is
// made of its header. The payload must not change as long as the head is in use.
type ResponseHead struct {
	StatusCode uint16

	raw     []byte // the header as it came, known to be well-formed; nil when it has been decoded
	decoded Header
}

// Head is the head of a decoded response.
func (p *Response) Head() ResponseHead {
	return ResponseHead{StatusCode: p.StatusCode, decoded: p.Header}
}

// DecodeResponseHead reads the beginning b of a response that has so many bytes in all. It returns the response without
// its body, and where in b that begins. It reports false when the body is not all that follows there, as in a response
// whose body comes first, or whose fields have no names; such a one can only be read as a whole.
func DecodeResponseHead(b []byte, total int64) (h ResponseHead, body int, ok bool) {
	r := msgpack.NewReader(b)
	for n := r.Map(); n > 0 && r.Err() == nil; n-- {
		switch string(r.Bin()) {
		case "statusCode":
			h.StatusCode = r.Uint16()
		case "header":
			from := r.Read()
			h.raw, h.decoded = nil, nil
			if from < len(b) && plainHeader(b, from) >= 0 {
				r.Skip()
				h.raw = b[from:r.Read()]
			} else {
				h.decoded = r.StrsMap()
			}
		case "body":
			size := int64(r.BinLen())
			body = r.Read()
			return h, body, n == 1 && r.Err() == nil && int64(body)+size == total
		default:
			r.Skip()
		}
	}
	return h, 0, false
}

// Fields yields each value of each header. The names have the case that the actor gave them, and the order in which
// they came, or their byte order where that is not known.
func (h *ResponseHead) Fields(yield func(name, value string) bool) {
	for _, name := range slices.Sorted(maps.Keys(h.decoded)) {
		for _, v := range h.decoded[name] {
			if !yield(name, v) {
				return
			}
		}
	}
	if h.raw == nil {
		return
	}
	r := msgpack.NewReader(h.raw)
	for n := r.Map(); n > 0; n-- {
		name := shared(r.Bin())
		for range r.Array() {
			if !yield(name, shared(r.Bin())) {
				return
			}
		}
	}
}
