package wire

import (
	"encoding/json"
	"time"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
)

// Failure is a call that failed, as told by the process that saw it (weft). A host tells of the calls that it serves
// and makes. A provider, such as the HTTP server, tells of those that it makes for others. Hosts keep the last ones;
// see control.Client.Failures.
type Failure struct {
	Seq       uint64          `json:"seq,omitempty"` // grows on one host, as a rule over its restarts, too
	Time      time.Time       `json:"time"`          // by the clock of the process that saw it
	TraceID   string          `json:"trace_id,omitempty"`
	HostID    lattice.HostID  `json:"host_id"`
	ActorID   lattice.ActorID `json:"actor_id,omitempty"` // of the actor that was called, or that called a provider
	Operation string          `json:"operation,omitempty"`
	Code      string          `json:"code"` // lattice.Code.Name
	// with the text of a guest's panic; at most 2 KiB
	Message string `json:"message"`
	Caller  string `json:"caller,omitempty"` // key of the caller of the actor
	// what the actor called: its key, "none", or a builtin contract
	Target   string             `json:"target,omitempty"`
	Contract lattice.ContractID `json:"contract,omitempty"` // of the link that was used, or is missing
	LinkName lattice.LinkName   `json:"link_name,omitempty"`
	Status   int                `json:"status,omitempty"`   // the HTTP status that the client got
	LeftOut  uint64             `json:"left_out,omitempty"` // failures before this one that were too many to tell
}

// maxFailureText bounds Failure.Message, in bytes.
const maxFailureText = 2 << 10

// NewFailure begins the description of a failure that happens now.
func NewFailure(err error) Failure {
	return Failure{Time: time.Now().UTC(), Code: lattice.CodeOf(err).Name(), Message: err.Error()}.Bounded()
}

// Bounded returns the failure with its texts cut to what is kept. What is no UTF-8 is replaced.
func (f Failure) Bounded() Failure {
	const maxName = 256
	f.Message = clip.Text(f.Message, maxFailureText)
	for _, s := range []*string{&f.TraceID, (*string)(&f.HostID), (*string)(&f.ActorID), &f.Operation, &f.Code,
		&f.Caller, &f.Target, (*string)(&f.Contract), (*string)(&f.LinkName)} {
		*s = clip.Text(*s, maxName)
	}
	return f
}

// Bytes is about what the failure takes of a memory.
func (f *Failure) Bytes() int {
	const fixed = 256
	return fixed + len(f.TraceID) + len(f.HostID) + len(f.ActorID) + len(f.Operation) + len(f.Code) + len(f.Message) +
		len(f.Caller) +
		len(f.Target) + len(f.Contract) + len(f.LinkName)
}

// Encode returns the failure as JSON.
func (f Failure) Encode() []byte { return encodeJSON(f) }

// DecodeFailure reads what a provider tells. Malformed bytes are lattice.ErrInvalid.
func DecodeFailure(b []byte) (Failure, error) {
	var f Failure
	if err := json.Unmarshal(b, &f); err != nil {
		return Failure{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "decode failure", Err: err}
	}
	if _, known := lattice.ParseCode(f.Code); !known {
		return Failure{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "decode failure",
			Detail: "code " + lattice.Printable(f.Code)}
	}
	return f.Bounded(), nil
}
