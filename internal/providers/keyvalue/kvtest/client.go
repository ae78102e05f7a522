package kvtest

import (
	"context"
	"testing"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/provider/providertest"
)

// Client is a linked actor that uses a provider through invocations. Its methods return what the provider answers, and
// are safe for concurrent use.
type Client struct {
	Process *providertest.Process
	Actor   lattice.ActorID
}

// Link links a new actor.
func Link(t testing.TB, p *providertest.Process, values map[string]string) *Client {
	t.Helper()
	c := &Client{p, p.Lattice.ActorID(t)}
	if s := p.PutLink(c.Actor, values); !providertest.Active(&s) {
		t.Fatalf("link %+v, want active", s)
	}
	return c
}

func call[R any](c *Client, operation string, payload []byte, decode func([]byte) (R, error)) (R, error) {
	ctx, cancel := context.WithTimeout(context.Background(), providertest.Patience)
	defer cancel()
	b, err := c.Process.Call(ctx, c.Actor, operation, payload)
	if err != nil {
		var none R
		return none, err
	}
	return decode(b)
}

// Get is KeyValue.Get.
func (c *Client) Get(key string) (contract.GetResponse, error) {
	return call(c, contract.Get, msgpack.EncodeStr(key), contract.DecodeGetResponse)
}

// Set is KeyValue.Set.
func (c *Client) Set(key, value string, expires uint32) error {
	_, err := call(c, contract.Set, contract.SetRequest{Key: key, Value: value, Expires: expires}.Encode(),
		func([]byte) (struct{}, error) { return struct{}{}, nil })
	return err
}

// Contains is KeyValue.Contains.
func (c *Client) Contains(key string) (bool, error) { return c.truth(contract.Contains, key) }

// Del is KeyValue.Del.
func (c *Client) Del(key string) (bool, error) { return c.truth(contract.Del, key) }

// ListClear is KeyValue.ListClear.
func (c *Client) ListClear(list string) (bool, error) { return c.truth(contract.ListClear, list) }

// SetClear is KeyValue.SetClear.
func (c *Client) SetClear(set string) (bool, error) { return c.truth(contract.SetClear, set) }

func (c *Client) truth(operation, key string) (bool, error) {
	return call(c, operation, msgpack.EncodeStr(key), msgpack.DecodeBool)
}

// Increment is KeyValue.Increment.
func (c *Client) Increment(key string, by int32) (int32, error) {
	return call(c, contract.Increment, contract.IncrementRequest{Key: key, Value: by}.Encode(), msgpack.DecodeInt32)
}

// ListAdd is KeyValue.ListAdd.
func (c *Client) ListAdd(list, value string) (uint32, error) {
	return call(c, contract.ListAdd, contract.ListItem{List: list, Value: value}.Encode(), msgpack.DecodeUint32)
}

// ListDel is KeyValue.ListDel.
func (c *Client) ListDel(list, value string) (bool, error) {
	return call(c, contract.ListDel, contract.ListItem{List: list, Value: value}.Encode(), msgpack.DecodeBool)
}

// ListRange is KeyValue.ListRange.
func (c *Client) ListRange(list string, start, stop int32) ([]string, error) {
	return call(c, contract.ListRange, contract.RangeRequest{List: list, Start: start, Stop: stop}.Encode(),
		msgpack.DecodeStrs)
}

// SetAdd is KeyValue.SetAdd.
func (c *Client) SetAdd(set, value string) (uint32, error) {
	return call(c, contract.SetAdd, contract.SetItem{Set: set, Value: value}.Encode(), msgpack.DecodeUint32)
}

// SetDel is KeyValue.SetDel.
func (c *Client) SetDel(set, value string) (uint32, error) {
	return call(c, contract.SetDel, contract.SetItem{Set: set, Value: value}.Encode(), msgpack.DecodeUint32)
}

// SetQuery is KeyValue.SetQuery.
func (c *Client) SetQuery(set string) ([]string, error) {
	return call(c, contract.SetQuery, msgpack.EncodeStr(set), msgpack.DecodeStrs)
}

// SetUnion is KeyValue.SetUnion.
func (c *Client) SetUnion(sets ...string) ([]string, error) {
	return call(c, contract.SetUnion, msgpack.EncodeStrs(sets), msgpack.DecodeStrs)
}

// SetIntersection is KeyValue.SetIntersection.
func (c *Client) SetIntersection(sets ...string) ([]string, error) {
	return call(c, contract.SetIntersection, msgpack.EncodeStrs(sets), msgpack.DecodeStrs)
}
