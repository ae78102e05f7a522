package wire

// Stamp is a moment by the clock of some machine: the time since it was started. That clock cannot be set, and all
// processes of the machine share it. The zero value is no moment.
type Stamp struct {
	Clock  uint32 `json:"clock"` // which machine's clock, and which start of it
	Micros uint64 `json:"us"`    // microseconds since its beginning
}

// IsZero reports whether it is no moment.
func (s Stamp) IsZero() bool { return s.Clock == 0 }
