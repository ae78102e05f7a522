// Package random is wasi:random.
package random

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
)

// Family is all of wasi:random.
var Family = face.Family{Functions: map[string]map[string]face.Func{
	"wasi:random/random@0.2":        random,
	"wasi:random/insecure@0.2":      insecure,
	"wasi:random/insecure-seed@0.2": insecureSeed,
}}

// maxRandom is how many random bytes one call gives.
const maxRandom = 1 << 20

func randomBytes(c *face.Call, args []any) (any, error) {
	n := args[0].(uint64)
	if n > maxRandom {
		return nil, abi.Trap("%d random bytes at once, %d allowed", n, maxRandom)
	}
	c.Pay(32 * int(n)) // they are dear
	b := make([]byte, n)
	_, _ = cryptorand.Read(b) // it does not fail
	return b, nil
}

func randomNumber(c *face.Call, _ []any) (any, error) {
	var b [8]byte
	_, _ = cryptorand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]), nil
}

var random = map[string]face.Func{
	"get-random-bytes": {Varies: true, Call: randomBytes},
	"get-random-u64":   {Varies: true, Call: randomNumber},
}

var insecure = map[string]face.Func{
	"get-insecure-random-bytes": {Varies: true, Call: randomBytes},
	"get-insecure-random-u64":   {Varies: true, Call: randomNumber},
}

var insecureSeed = map[string]face.Func{
	"insecure-seed": {Varies: true, Call: func(c *face.Call, _ []any) (any, error) {
		return []any{rand.Uint64(), rand.Uint64()}, nil
	}},
}
