package msgpack_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/msgpack"
)

func Example() {
	w := msgpack.NewWriter(32)
	w.Map(2)
	w.Str("key")
	w.Str("visits")
	w.Str("value")
	w.Int(-7)

	var key string
	var value int64
	r := msgpack.NewReader(w.Bytes())
	r.Struct([]string{"key", "value"}, func(i int) {
		switch i {
		case 0:
			key = r.Str()
		case 1:
			value = r.Int()
		}
	})
	fmt.Println(key, value, r.Finish())
	// Output: visits -7 <nil>
}

// Simple values travel bare.
func ExampleDecodeStr() {
	s, err := msgpack.DecodeStr(msgpack.EncodeStr("pong"))
	fmt.Println(s, err)
	_, err = msgpack.DecodeStr([]byte{0xa4, 'p'})
	fmt.Println(err != nil)
	// Output:
	// pong <nil>
	// true
}
