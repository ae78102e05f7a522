package numbergen

import (
	actor "github.com/weftlattice/weft/actor-sdk"
	contract "github.com/weftlattice/weft/lattice/contract/numbergen"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// GUID returns a version 4 UUID in lower case with hyphens.
func GUID() (string, error) {
	b, err := actor.CallProvider(contract.ID, "", contract.GenerateGUID, nil)
	if err != nil {
		return "", err
	}
	return msgpack.DecodeStr(b)
}

// InRange returns a number from low to high, both included.
func InRange(low, high uint32) (uint32, error) {
	b, err := actor.CallProvider(contract.ID, "", contract.RandomInRange, contract.Range{Min: low, Max: high}.Encode())
	if err != nil {
		return 0, err
	}
	return msgpack.DecodeUint32(b)
}

// Uint32 returns any number.
func Uint32() (uint32, error) {
	b, err := actor.CallProvider(contract.ID, "", contract.Random32, nil)
	if err != nil {
		return 0, err
	}
	return msgpack.DecodeUint32(b)
}
