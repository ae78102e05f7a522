package keyvalue

import (
	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
)

// cas is the resource of that name: what a key held when it was made. A swap compares with that.
type cas struct {
	state  *face.State
	bucket bucket
	key    string
	seen   contract.GetResponse
}

// Drop gives back what is held.
func (o *cas) Drop() {
	o.state.Release(len(o.key) + len(o.seen.Value))
	o.key, o.seen = "", contract.GetResponse{}
}

// hold makes the resource, where there is room for what the key held.
func hold(c *face.Call, b bucket, key string, seen contract.GetResponse) (*cas, error) {
	if !c.State.Hold(len(key) + len(seen.Value)) {
		return nil, abi.Trap("values of cas handles, headers and bodies that are not sent hold %d MiB",
			face.MaxHeld>>20)
	}
	return &cas{c.State, b, key, seen}, nil
}

var newCAS = face.Method(face.Much, func(c *face.Call, b *bucket, args []any) (any, error) {
	key := args[0].(string)
	seen, err := get(c, b, atomicsFace, key)
	if err != nil {
		return answer(c, nil, err)
	}
	o, err := hold(c, *b, key, seen)
	if err != nil {
		return nil, err
	}
	return face.Good(face.Rep(o)), nil
})

var current = face.Method(face.Little, func(c *face.Call, o *cas, _ []any) (any, error) {
	c.Pay(len(o.seen.Value))
	return face.Good(value(o.seen)), nil
})

// Cases of cas-error.
const (
	casStoreError = iota
	casFailed
)

// swap takes its handle, whatever comes of it.
var swap = face.Method(face.Much, func(c *face.Call, o *cas, args []any) (any, error) {
	b, key, seen := o.bucket, o.key, o.seen
	o.Drop()
	q := contract.SwapRequest{Key: key, Old: seen.Value, Exists: seen.Exists, New: string(args[0].([]byte))}
	p, err := own(c, &b, atomicsFace, contract.Swap, q.Encode(), contract.DecodeSwapResponse)
	switch {
	case err != nil:
		return face.Bad(abi.Variant{Case: casStoreError, Value: storeError(c, err)}), nil
	case p.Swapped:
		return face.Good(nil), nil
	}
	next, err := hold(c, b, key, contract.GetResponse{Value: p.Value, Exists: p.Exists})
	if err != nil {
		return nil, err
	}
	return face.Bad(abi.Variant{Case: casFailed, Value: face.Rep(next)}), nil
})
