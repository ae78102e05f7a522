package keyvalue

import "github.com/weftlattice/weft/lattice/msgpack"

// Operations beyond the contract, which components need. Providers of weft know them. Others answer that there is no
// such operation, so whoever calls one must be able to do without.
const (
	Increment64 = "KeyValue.Increment64" // Increment64Request: int64, the new value
	Swap        = "KeyValue.Swap"        // SwapRequest: SwapResponse
	Keys        = "KeyValue.Keys"        // KeysRequest: KeysResponse
)

// Increment64Request is IncrementRequest for 64 bits.
type Increment64Request struct {
	Key   string
	Value int64
}

// Encode returns the payload.
func (q Increment64Request) Encode() []byte {
	w := msgpack.NewWriter(24 + len(q.Key))
	w.Map(2)
	w.Str("key")
	w.Str(q.Key)
	w.Str("value")
	w.Int(q.Value)
	return w.Bytes()
}

// DecodeIncrement64Request reads the argument of Increment64. Errors wrap lattice.ErrInvalid.
func DecodeIncrement64Request(b []byte) (Increment64Request, error) {
	var q Increment64Request
	r := msgpack.NewReader(b)
	r.Struct(incrementFields, func(i int) {
		switch i {
		case 0:
			q.Key = r.Str()
		case 1:
			q.Value = r.Int()
		}
	})
	return q, r.Finish()
}

// SwapRequest stores New under Key, if what is there is still Old, or nothing where Exists is not set. An expiry stays.
type SwapRequest struct {
	Key    string
	Old    string
	Exists bool
	New    string
}

// Encode returns the payload.
func (q SwapRequest) Encode() []byte {
	w := msgpack.NewWriter(40 + len(q.Key) + len(q.Old) + len(q.New))
	w.Map(4)
	w.Str("key")
	w.Str(q.Key)
	w.Str("old")
	w.Str(q.Old)
	w.Str("exists")
	w.Bool(q.Exists)
	w.Str("new")
	w.Str(q.New)
	return w.Bytes()
}

var swapFields = []string{"key", "old", "exists", "new"}

// DecodeSwapRequest reads the argument of Swap. Errors wrap lattice.ErrInvalid.
func DecodeSwapRequest(b []byte) (SwapRequest, error) {
	var q SwapRequest
	r := msgpack.NewReader(b)
	r.Struct(swapFields, func(i int) {
		switch i {
		case 0:
			q.Key = r.Str()
		case 1:
			q.Old = r.Str()
		case 2:
			q.Exists = r.Bool()
		case 3:
			q.New = r.Str()
		}
	})
	return q, r.Finish()
}

// SwapResponse is the result of Swap. Where it was not Swapped, Value and Exists are what is there, as in GetResponse.
type SwapResponse struct {
	Swapped bool
	Value   string
	Exists  bool
}

// Encode returns the payload.
func (p SwapResponse) Encode() []byte {
	w := msgpack.NewWriter(40 + len(p.Value))
	w.Map(3)
	w.Str("swapped")
	w.Bool(p.Swapped)
	w.Str("value")
	w.Str(p.Value)
	w.Str("exists")
	w.Bool(p.Exists)
	return w.Bytes()
}

var swappedFields = []string{"swapped", "value", "exists"}

// DecodeSwapResponse reads the result of Swap. Errors wrap lattice.ErrInvalid.
func DecodeSwapResponse(b []byte) (SwapResponse, error) {
	var p SwapResponse
	r := msgpack.NewReader(b)
	r.Struct(swappedFields, func(i int) {
		switch i {
		case 0:
			p.Swapped = r.Bool()
		case 1:
			p.Value = r.Str()
		case 2:
			p.Exists = r.Bool()
		}
	})
	return p, r.Finish()
}

// MaxKeys is about how many keys one answer has at most: Redis takes it for a hint, and may return some more.
const MaxKeys = 1000

// KeysRequest asks for the keys of strings and counters, in no order. Cursor is 0 at first, and then that of the last
// answer. A key that is there all the while comes at least once; one that comes or goes meanwhile may come or not.
type KeysRequest struct {
	Cursor uint64
	Limit  uint32 // about how many keys; 0, and more, is MaxKeys
}

// Encode returns the payload.
func (q KeysRequest) Encode() []byte {
	w := msgpack.NewWriter(32)
	w.Map(2)
	w.Str("cursor")
	w.Uint(q.Cursor)
	w.Str("limit")
	w.Uint(uint64(q.Limit))
	return w.Bytes()
}

var keysFields = []string{"cursor", "limit"}

// DecodeKeysRequest reads the argument of Keys. Errors wrap lattice.ErrInvalid.
func DecodeKeysRequest(b []byte) (KeysRequest, error) {
	var q KeysRequest
	r := msgpack.NewReader(b)
	r.Struct(keysFields, func(i int) {
		switch i {
		case 0:
			q.Cursor = r.Uint()
		case 1:
			q.Limit = r.Uint32()
		}
	})
	return q, r.Finish()
}

// KeysResponse is some keys, perhaps none, and the cursor for the next ones; it is 0 when there are no more.
type KeysResponse struct {
	Keys   []string
	Cursor uint64
}

// Encode returns the payload.
func (p KeysResponse) Encode() []byte {
	w := msgpack.NewWriter(32 + msgpack.StrsSize(p.Keys))
	w.Map(2)
	w.Str("keys")
	w.Strs(p.Keys)
	w.Str("cursor")
	w.Uint(p.Cursor)
	return w.Bytes()
}

var keyListFields = []string{"keys", "cursor"}

// DecodeKeysResponse reads the result of Keys. Errors wrap lattice.ErrInvalid.
func DecodeKeysResponse(b []byte) (KeysResponse, error) {
	var p KeysResponse
	r := msgpack.NewReader(b)
	r.Struct(keyListFields, func(i int) {
		switch i {
		case 0:
			p.Keys = r.Strs()
		case 1:
			p.Cursor = r.Uint()
		}
	})
	return p, r.Finish()
}
