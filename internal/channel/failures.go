package channel

import (
	"bytes"

	"github.com/weftlattice/weft/lattice/wire"
)

// A provider tells its host of the calls that failed before or behind the host, so that they can be found there as
// well.

// failurePrefix begins such a notice.
const failurePrefix = "failed:"

// EncodeFailure returns the notice that tells of a failure.
func EncodeFailure(f wire.Failure) []byte {
	return append([]byte(failurePrefix), f.Bounded().Encode()...)
}

// DecodeFailure reads such a notice; false when b is not one.
func DecodeFailure(b []byte) (wire.Failure, bool) {
	raw, ok := bytes.CutPrefix(b, []byte(failurePrefix))
	if !ok {
		return wire.Failure{}, false
	}
	f, err := wire.DecodeFailure(raw)
	return f, err == nil
}
