package channel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// A frame is a header and a body, integers little endian:
//
//	0  length of the body   uint32
//	4  stream               uint32
//	8  kind                 uint8
//	9  flags                uint8
//	10 code                 uint16   route of a request, lattice.Code of a failed response, of others how long it was
//	                         served
const (
	headerBytes = 12
	// maxBody bounds the body of a frame, so that a buffer of fixed size holds any.
	maxBody = 60 << 10
	// segment is how much payload goes into one frame.
	segment = 48 << 10
	// maxTexts bounds the texts of a route, and with it of the largest head of a request.
	maxTexts = 8 << 10
)

// Kinds of frames.
const (
	kindRoute    = 1 // texts: origin, target and operation of the requests that name it
	kindRequest  = 2 // head, payload
	kindResponse = 3 // payload, or the text of an error
	kindData     = 4 // more of the payload of a request or response
	kindCancel   = 5 // the caller no longer waits
	kindNotice   = 6 // a message outside of calls
	kindGrant    = 7 // there is room for the payload of a large request or response, whose length alone was sent so far
	kindStream   = 8 // a frame of the stream beside a call: its kind, its payload; nothing: the call is over
)

// Flags of requests, responses and data.
const (
	flagTrace    = 1 << 0 // request: a trace is in its head
	flagMore     = 1 << 1 // request, response: its payload begins with its whole length, and data follows
	flagExplicit = 1 << 2 // request: its texts are in its head, not in a route
	flagError    = 1 << 3 // response: the call failed
	flagUnbegun  = 1 << 4 // response: and has certainly not begun
	flagResponse = 1 << 5 // data, stream: of a response
	flagStream   = 1 << 5 // request: its caller takes a stream. response: it is the head of one
	flagBody     = 1 << 4 // request: a body comes beside it
	flagStay     = 1 << 6 // request: its caller will not try elsewhere
	flagUntil    = 1 << 7 // request: until when its caller waits is in its head; only where both ends share a clock
)

// servedUnit is that of how long a call was served, as a response tells it; 0 and what does not fit are not told.
const servedUnit = 64 * time.Microsecond

// encodeServed rounds up to units of servedUnit, so that a quick call is not 0. 0 says that it is not known, or longer
// than can be said.
func encodeServed(d time.Duration) uint16 {
	if n := (d + servedUnit - 1) / servedUnit; n > 0 && n <= 0xffff {
		return uint16(n)
	}
	return 0
}

// header is a frame's.
type header struct {
	length      int
	stream      uint32
	kind, flags byte
	code        uint16
}

// errMalformed is why a connection ends whose peer does not keep to the format.
var errMalformed = errors.New("malformed frame")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// parseHeader reads the header at the front of b, which has headerBytes at least.
func parseHeader(b []byte) (h header, err error) {
	length := binary.LittleEndian.Uint32(b)
	h = header{length: int(length), stream: binary.LittleEndian.Uint32(b[4:]), kind: b[8], flags: b[9],
		code: binary.LittleEndian.Uint16(b[10:])}
	if length > maxBody {
		return h, malformed("%d bytes, at most %d allowed", length, maxBody)
	}
	if h.kind < kindRoute || h.kind > kindStream {
		return h, malformed("kind %d", h.kind)
	}
	return h, nil
}

// begin appends a header whose length is filled in by end.
func begin(b []byte, kind, flags byte, stream uint32, code uint16) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, stream)
	b = append(b, kind, flags)
	return binary.LittleEndian.AppendUint16(b, code)
}

// end fills in the length of the frame that begins at start.
func end(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-headerBytes))
	return b
}

// route is what requests have in common.
type route struct {
	origin, target wire.Entity
	operation      string
}

func (r *route) texts() [7]string {
	return [7]string{r.origin.PublicKey, string(r.origin.LinkName), string(r.origin.ContractID),
		r.target.PublicKey, string(r.target.LinkName), string(r.target.ContractID), r.operation}
}

// size is that of the encoded texts.
func (r *route) size() int {
	n := 0
	for _, s := range r.texts() {
		n += 2 + len(s)
	}
	return n
}

// append writes the texts of a route, each after its length.
func (r *route) append(b []byte) []byte {
	for _, s := range r.texts() {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return b
}

// parseRoute reads what append wrote, and returns what follows.
func parseRoute(b []byte) (r *route, rest []byte, err error) {
	var texts [7]string
	for i := range texts {
		if len(b) < 2 {
			return nil, nil, malformed("route ends early")
		}
		n := int(binary.LittleEndian.Uint16(b))
		if b = b[2:]; n > len(b) {
			return nil, nil, malformed("route ends early")
		}
		texts[i], b = string(b[:n]), b[n:]
	}
	entity := func(texts []string) wire.Entity {
		return wire.Entity{PublicKey: texts[0], LinkName: lattice.LinkName(texts[1]),
			ContractID: lattice.ContractID(texts[2])}
	}
	return &route{origin: entity(texts[:3]), target: entity(texts[3:6]), operation: texts[6]}, b, nil
}

// requestHead comes before the payload of a request.
type requestHead struct {
	left   time.Duration
	until  uint64 // microseconds of the machine's clock; 0: it is not said
	trace  trace.Context
	traced bool
	total  int    // of the payload; -1 when it is all in this frame
	route  *route // explicit, else nil
}

const maxLeft = time.Hour

// appendHead appends all of the head but an explicit route and the total.
func appendHead(b []byte, left time.Duration, until uint64, tc *trace.Context) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(max(1, min(left, maxLeft).Microseconds())))
	if until != 0 {
		b = binary.LittleEndian.AppendUint64(b, until)
	}
	if tc == nil {
		return b
	}
	b = append(b, tc.TraceID[:]...)
	b = append(b, tc.SpanID[:]...)
	b = append(b, tc.Flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(tc.State)))
	return append(b, tc.State...)
}

// parseHead reads what appendHead wrote, then an explicit route, then the total, and returns the payload.
func parseHead(flags byte, b []byte) (h requestHead, payload []byte, err error) {
	h.total = -1
	if len(b) < 4 {
		return h, nil, malformed("request ends early")
	}
	h.left = min(time.Duration(binary.LittleEndian.Uint32(b))*time.Microsecond, maxLeft)
	b = b[4:]
	if flags&flagUntil != 0 {
		if len(b) < 8 {
			return h, nil, malformed("request ends early")
		}
		h.until, b = binary.LittleEndian.Uint64(b), b[8:]
	}
	if flags&flagTrace != 0 {
		const fixed = 16 + 8 + 1 + 2
		if len(b) < fixed {
			return h, nil, malformed("trace ends early")
		}
		copy(h.trace.TraceID[:], b)
		copy(h.trace.SpanID[:], b[16:])
		h.trace.Flags = b[24] & (trace.Sampled | trace.Random)
		n := int(binary.LittleEndian.Uint16(b[25:]))
		if b = b[fixed:]; n > len(b) || n > trace.MaxState {
			return h, nil, malformed("tracestate of %d bytes", n)
		}
		if n > 0 {
			h.trace.State = string(b[:n])
		}
		h.traced = h.trace.IsValid()
		b = b[n:]
	}
	if flags&flagExplicit != 0 {
		if h.route, b, err = parseRoute(b); err != nil {
			return h, nil, err
		}
	}
	if flags&flagMore != 0 {
		if h.total, b, err = parseTotal(b); err != nil {
			return h, nil, err
		}
	}
	return h, b, nil
}

// parseTotal reads the length of a payload that comes in several frames.
func parseTotal(b []byte) (total int, rest []byte, err error) {
	if len(b) < 4 {
		return 0, nil, malformed("ends early")
	}
	n := binary.LittleEndian.Uint32(b)
	if b = b[4:]; n > 1<<30 || int(n) <= len(b) {
		return 0, nil, malformed("a payload of %d bytes, %d of them here, is not one in several frames", n, len(b))
	}
	return int(n), b, nil
}
