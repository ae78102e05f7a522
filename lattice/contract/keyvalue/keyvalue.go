package keyvalue

import (
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// ID names the contract in claims and links.
const ID lattice.ContractID = "wasmcloud:keyvalue"

// The operations, with argument and result. Lists count from 0; a range includes both ends, and a negative end counts
// from the list's end.
const (
	Increment       = "KeyValue.Increment"       // IncrementRequest: int32, the new value
	Contains        = "KeyValue.Contains"        // key: bool
	Del             = "KeyValue.Del"             // key: bool, whether it was there
	Get             = "KeyValue.Get"             // key: GetResponse
	Set             = "KeyValue.Set"             // SetRequest: nothing
	ListAdd         = "KeyValue.ListAdd"         // ListItem: uint32, the new length
	ListClear       = "KeyValue.ListClear"       // list name: bool, whether it was there
	ListDel         = "KeyValue.ListDel"         // ListItem: bool, whether it was there
	ListRange       = "KeyValue.ListRange"       // RangeRequest: []string
	SetAdd          = "KeyValue.SetAdd"          // SetItem: uint32, how many were added
	SetDel          = "KeyValue.SetDel"          // SetItem: uint32, how many were removed
	SetIntersection = "KeyValue.SetIntersection" // []string, set names: []string
	SetUnion        = "KeyValue.SetUnion"        // []string, set names: []string
	SetQuery        = "KeyValue.SetQuery"        // set name: []string
	SetClear        = "KeyValue.SetClear"        // set name: bool, whether it was there
)

// IncrementRequest adds Value, which may be negative, to the counter under Key. A missing counter begins at 0.
type IncrementRequest struct {
	Key   string
	Value int32
}

// Encode returns the payload.
func (q IncrementRequest) Encode() []byte { return Increment64Request{q.Key, int64(q.Value)}.Encode() }

var incrementFields = []string{"key", "value"}

// DecodeIncrementRequest reads the argument of Increment. Errors wrap lattice.ErrInvalid.
func DecodeIncrementRequest(b []byte) (IncrementRequest, error) {
	var q IncrementRequest
	r := msgpack.NewReader(b)
	r.Struct(incrementFields, func(i int) {
		switch i {
		case 0:
			q.Key = r.Str()
		case 1:
			q.Value = r.Int32()
		}
	})
	return q, r.Finish()
}

// GetResponse is the result of Get. Value is empty when the key does not exist.
type GetResponse struct {
	Value  string
	Exists bool
}

// Encode returns the payload.
func (p GetResponse) Encode() []byte {
	w := msgpack.NewWriter(24 + len(p.Value))
	w.Map(2)
	w.Str("value")
	w.Str(p.Value)
	w.Str("exists")
	w.Bool(p.Exists)
	return w.Bytes()
}

var getFields = []string{"value", "exists"}

// DecodeGetResponse reads the result of Get. Errors wrap lattice.ErrInvalid.
func DecodeGetResponse(b []byte) (GetResponse, error) {
	var p GetResponse
	r := msgpack.NewReader(b)
	r.Struct(getFields, func(i int) {
		switch i {
		case 0:
			p.Value = r.Str()
		case 1:
			p.Exists = r.Bool()
		}
	})
	return p, r.Finish()
}

// SetRequest stores Value under Key. Expires is in seconds; 0 means never.
type SetRequest struct {
	Key     string
	Value   string
	Expires uint32
}

// Encode returns the payload.
func (q SetRequest) Encode() []byte {
	w := msgpack.NewWriter(40 + len(q.Key) + len(q.Value))
	w.Map(3)
	w.Str("key")
	w.Str(q.Key)
	w.Str("value")
	w.Str(q.Value)
	w.Str("expires")
	w.Uint(uint64(q.Expires))
	return w.Bytes()
}

var setFields = []string{"key", "value", "expires"}

// DecodeSetRequest reads the argument of Set. Errors wrap lattice.ErrInvalid.
func DecodeSetRequest(b []byte) (SetRequest, error) {
	var q SetRequest
	r := msgpack.NewReader(b)
	r.Struct(setFields, func(i int) {
		switch i {
		case 0:
			q.Key = r.Str()
		case 1:
			q.Value = r.Str()
		case 2:
			q.Expires = r.Uint32()
		}
	})
	return q, r.Finish()
}
