package wire

import (
	"crypto/sha256"
	"hash"
	"sync"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Invocation is a request from one entity to another.
type Invocation struct {
	Origin        Entity
	Target        Entity
	Operation     string         // "Service.Method"
	Msg           []byte         // the argument
	ID            string         // unique; the subject of the claims
	EncodedClaims string         // signed by the cluster key
	HostID        lattice.HostID // N key of the sending host
	ContentLength uint64         // of the whole argument; larger than len(Msg) when it travels in chunks
	TraceContext  map[string]string
	// Timeout is the remaining time of the caller, in whole milliseconds (weft); 0: it is not here. It goes only to
	// hosts that say that they read it, see Direct; others find it in a header.
	Timeout uint32
	// Sent is when Timeout was right, by the clock of the caller's machine (weft); zero: it is not here. It goes where
	// Timeout does, to hosts that say that they read it.
	Sent Stamp
	// Depth is in how many calls this one is nested (weft); 0: in none, or it is not here. It goes where Timeout does.
	Depth uint32
}

// Encode returns the invocation as msgpack. TraceContext, Timeout, Sent and Depth are left out when they are empty.
func (i *Invocation) Encode() []byte {
	return encode(512+len(i.Msg)+len(i.EncodedClaims)+len(i.Operation), i.EncodeTo)
}

// EncodeTo appends what Encode returns.
func (i *Invocation) EncodeTo(w *msgpack.Writer) {
	e := encoder{w}
	n := 8
	if len(i.TraceContext) > 0 {
		n++
	}
	if i.Timeout > 0 {
		n++
	}
	if !i.Sent.IsZero() {
		n += 2
	}
	if i.Depth > 0 {
		n++
	}
	e.Map(n)
	e.Str("origin")
	i.Origin.encode(e)
	e.Str("target")
	i.Target.encode(e)
	e.str("operation", i.Operation)
	e.bin("msg", i.Msg)
	e.str("id", i.ID)
	e.str("encoded_claims", i.EncodedClaims)
	e.str("host_id", string(i.HostID))
	e.uint("content_length", i.ContentLength)
	if len(i.TraceContext) > 0 {
		e.strMap("traceContext", i.TraceContext)
	}
	if i.Timeout > 0 {
		e.uint(timeoutField, uint64(i.Timeout))
	}
	if !i.Sent.IsZero() {
		e.uint(clockField, uint64(i.Sent.Clock))
		e.uint(sentField, i.Sent.Micros)
	}
	if i.Depth > 0 {
		e.uint(depthField, uint64(i.Depth))
	}
}

const (
	timeoutField = "weft_timeout_ms"
	clockField   = "weft_clock"
	sentField    = "weft_sent_us"
	depthField   = "weft_depth"
	streamField  = "weft_stream"
)

// DecodeInvocation reads an invocation. A missing content_length becomes the length of Msg. Msg is part of b, which
// must not change any more. Malformed bytes are lattice.ErrInvalid.
func DecodeInvocation(b []byte) (*Invocation, error) {
	i := &Invocation{}
	length := false
	err := decode("invocation", b, func(d *decoder, key []byte) bool {
		switch string(key) {
		case "origin":
			decodeEntity(d, &i.Origin)
		case "target":
			decodeEntity(d, &i.Target)
		case "operation":
			i.Operation = d.str()
		case "msg":
			i.Msg = d.bytes()
		case "id":
			i.ID = d.str()
		case "encoded_claims":
			i.EncodedClaims = d.str()
		case "host_id":
			i.HostID = lattice.HostID(d.str())
		case "content_length":
			i.ContentLength, length = d.uint()
		case "traceContext":
			i.TraceContext = d.strMap()
		case timeoutField:
			i.Timeout = d.Uint32()
		case clockField:
			i.Sent.Clock = d.Uint32()
		case sentField:
			i.Sent.Micros, _ = d.uint()
		case depthField:
			i.Depth = d.Uint32()
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if !length {
		i.ContentLength = uint64(len(i.Msg))
	}
	return i, nil
}

// OriginURL is the origin as signed.
func (i *Invocation) OriginURL() string { return i.Origin.URL() }

// TargetURL is the target and operation as signed.
func (i *Invocation) TargetURL() string { return i.Target.URL() + "/" + i.Operation }

// URLs are OriginURL and TargetURL, made together.
func (i *Invocation) URLs() (origin, target string) {
	var buf [2 * urlBytes]byte
	b := i.Origin.appendURL(buf[:0])
	n := len(b)
	b = append(append(i.Target.appendURL(b), '/'), i.Operation...)
	both := string(b)
	return both[:n], both[n:]
}

// Hash is the upper-case hex SHA-256 of origin, target, operation and the complete argument.
func (i *Invocation) Hash() string {
	origin, target := i.URLs()
	return Hash(origin, target, i.Operation, i.Msg)
}

// Hash is what Invocation.Hash computes, for callers that have the URLs at hand.
func Hash(originURL, targetURL, operation string, msg []byte) string {
	h := hashers.Get().(*Hasher)
	defer hashers.Put(h)
	h.Reset()
	h.names(originURL, targetURL, operation)
	h.Write(msg)
	return h.Text()
}

var hashers = sync.Pool{New: func() any { return &Hasher{sha256.New()} }}

// Hasher computes an invocation's hash while the argument is written to it.
type Hasher struct{ hash.Hash }

// NewHasher returns a hasher that wants the argument next.
func NewHasher(originURL, targetURL, operation string) Hasher {
	h := Hasher{sha256.New()}
	h.names(originURL, targetURL, operation)
	return h
}

func (h Hasher) names(originURL, targetURL, operation string) {
	var buf [512]byte
	h.Write(append(append(append(buf[:0], originURL...), targetURL...), operation...))
}

// Text is the hash of what has been written so far.
func (h Hasher) Text() string {
	const digits = "0123456789ABCDEF"
	var sum [sha256.Size]byte
	var text [2 * sha256.Size]byte
	for i, b := range h.Sum(sum[:0]) {
		text[2*i], text[2*i+1] = digits[b>>4], digits[b&15]
	}
	return string(text[:])
}

// Response answers an invocation.
type Response struct {
	Msg           []byte
	InvocationID  string
	Error         string // not empty: the call failed
	ContentLength uint64
	TraceContext  map[string]string
	// Stream says that Msg is the head of a stream (weft); only to callers that take one.
	Stream bool
}

// Encode returns the response as msgpack; "error" and "traceContext" are left out when empty.
func (r *Response) Encode() []byte {
	return encode(160+len(r.Msg)+len(r.Error), r.EncodeTo)
}

// EncodeTo appends what Encode returns.
func (r *Response) EncodeTo(w *msgpack.Writer) {
	e := encoder{w}
	n := 3
	if r.Error != "" {
		n++
	}
	if r.Stream {
		n++
	}
	if len(r.TraceContext) > 0 {
		n++
	}
	e.Map(n)
	e.bin("msg", r.Msg)
	e.str("invocation_id", r.InvocationID)
	if r.Error != "" {
		e.str("error", r.Error)
	}
	e.uint("content_length", r.ContentLength)
	if len(r.TraceContext) > 0 {
		e.strMap("traceContext", r.TraceContext)
	}
	if r.Stream {
		e.uint(streamField, 1)
	}
}

// DecodeResponse reads a response, of whatever version: everything but the payload may be missing. Msg is part of b,
// which must not change any more.
func DecodeResponse(b []byte) (*Response, error) {
	r := &Response{}
	length := false
	err := decode("response", b, func(d *decoder, key []byte) bool {
		switch string(key) {
		case "msg":
			r.Msg = d.bytes()
		case "invocation_id":
			r.InvocationID = d.str()
		case "error":
			r.Error = d.str()
		case "content_length":
			r.ContentLength, length = d.uint()
		case "traceContext":
			r.TraceContext = d.strMap()
		case streamField:
			n, _ := d.uint()
			r.Stream = n == 1
		default:
			return false
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if !length {
		r.ContentLength = uint64(len(r.Msg))
	}
	return r, nil
}
