package numbergen

import (
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

const (
	// ID names the contract in claims. It needs no link.
	ID lattice.ContractID = "wasmcloud:builtin:numbergen"
	// GenerateGUID takes nothing and answers a version 4 UUID, a bare string in lower case with hyphens.
	GenerateGUID = "NumberGen.GenerateGuid"
	// RandomInRange takes a Range and answers a bare uint32 within it.
	RandomInRange = "NumberGen.RandomInRange"
	// Random32 takes nothing and answers a bare uint32.
	Random32 = "NumberGen.Random32"
)

// Range bounds a random number; both ends are included.
type Range struct {
	Min, Max uint32
}

// Encode returns the payload.
func (g Range) Encode() []byte {
	w := msgpack.NewWriter(20)
	w.Map(2)
	w.Str("min")
	w.Uint(uint64(g.Min))
	w.Str("max")
	w.Uint(uint64(g.Max))
	return w.Bytes()
}

var rangeFields = []string{"min", "max"}

// DecodeRange reads a range. Errors wrap lattice.ErrInvalid; whether Min exceeds Max is for the caller to judge.
func DecodeRange(b []byte) (Range, error) {
	var g Range
	r := msgpack.NewReader(b)
	r.Struct(rangeFields, func(i int) {
		switch i {
		case 0:
			g.Min = r.Uint32()
		case 1:
			g.Max = r.Uint32()
		}
	})
	return g, r.Finish()
}
