package core

import "github.com/weftlattice/weft/lattice/msgpack"

// HealthRequest is the operation that asks an actor whether it can work.
const HealthRequest = "Actor.HealthRequest"

// EncodeHealthRequest returns the argument of HealthRequest: the empty struct, which is not the empty payload.
func EncodeHealthRequest() []byte { return []byte{0x80} }

// Health is the answer to HealthRequest.
type Health struct {
	Healthy bool
	Message string // why, or what is wrong; may be empty
}

// Encode returns the payload; an empty message is left out.
func (h Health) Encode() []byte {
	w := msgpack.NewWriter(20 + len(h.Message))
	if h.Message == "" {
		w.Map(1)
	} else {
		w.Map(2)
	}
	w.Str("healthy")
	w.Bool(h.Healthy)
	if h.Message != "" {
		w.Str("message")
		w.Str(h.Message)
	}
	return w.Bytes()
}

var healthFields = []string{"healthy", "message"}

// DecodeHealth reads an answer. Errors wrap lattice.ErrInvalid.
func DecodeHealth(b []byte) (Health, error) {
	var h Health
	r := msgpack.NewReader(b)
	r.Struct(healthFields, func(i int) {
		switch i {
		case 0:
			h.Healthy = r.Bool()
		case 1:
			h.Message = r.Str()
		}
	})
	return h, r.Finish()
}
