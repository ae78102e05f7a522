package event

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weftlattice/weft/lattice"
)

const typePrefix = "com.wasmcloud.lattice."

// Event is the envelope.
type Event struct {
	SpecVersion string `json:"specversion"` // "1.0"
	ID          string `json:"id"`          // unique
	// "com.wasmcloud.lattice." and one of the names of this package
	Type            string          `json:"type"`
	Source          string          `json:"source"` // the host; the link events of the oldest hosts say "n/a"
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

// Data is what one kind of event says. The types of this package that implement it are plain values.
type Data interface{ EventName() string }

// New wraps data for publishing by host.
func New(host lattice.HostID, now time.Time, data Data) (Event, error) {
	b, err := json.Marshal(data)
	if err != nil {
		return Event{}, &lattice.Error{Code: lattice.ErrInternal, Op: "encode event", Entity: data.EventName(),
			Err: err}
	}
	return Event{SpecVersion: "1.0", ID: uuid.NewString(), Type: typePrefix + data.EventName(), Source: string(host),
		Time: now.UTC(), DataContentType: "application/json", Data: b}, nil
}

// Name is the type without its prefix: "host_started".
func (e Event) Name() string { return strings.TrimPrefix(e.Type, typePrefix) }

// HostID is the source, or "" when the source is no host.
func (e Event) HostID() lattice.HostID {
	id, err := lattice.ParseHostID(e.Source)
	if err != nil {
		return ""
	}
	return id
}

// DecodeEvent reads an envelope. It wants a type and data that are an object (or absent) and is tolerant of the rest.
// An event that cannot be read is lattice.ErrInvalid.
func DecodeEvent(b []byte) (Event, error) {
	var raw struct {
		SpecVersion     string          `json:"specversion"`
		ID              string          `json:"id"`
		Type            string          `json:"type"`
		Source          string          `json:"source"`
		Time            string          `json:"time"`
		DataContentType string          `json:"datacontenttype"`
		Data            json.RawMessage `json:"data"`
	}
	bad := func(detail string, err error) (Event, error) {
		return Event{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "read event", Detail: detail, Err: err}
	}
	if err := unmarshal(b, &raw); err != nil {
		return bad("malformed JSON", err)
	}
	if raw.Type == "" {
		return bad("type is missing", nil)
	}
	if d := strings.TrimSpace(string(raw.Data)); d == "" || d == "null" {
		raw.Data = json.RawMessage("{}")
	} else if d[0] != '{' {
		return bad("data is no object", nil)
	}
	e := Event{SpecVersion: raw.SpecVersion, ID: raw.ID, Type: raw.Type, Source: raw.Source,
		DataContentType: raw.DataContentType, Data: raw.Data}
	if t, err := time.Parse(time.RFC3339Nano, raw.Time); err == nil {
		e.Time = t
	}
	return e, nil
}

// unmarshal leaves out fields of another type than expected, rather than refuse the whole.
func unmarshal(b []byte, to any) error {
	err := json.Unmarshal(b, to)
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) && t.Field != "" {
		return nil
	}
	return err
}

// Other is the data of an event that this package does not know.
type Other struct {
	Name string
	Raw  json.RawMessage
}

// EventName returns the name that the event came with.
func (o Other) EventName() string { return o.Name }

// MarshalJSON returns the data as it came.
func (o Other) MarshalJSON() ([]byte, error) { return o.Raw, nil }

// Decode returns the data as one of the types of this package (a value, not a pointer), or Other when the name is
// unknown. Fields of unexpected types are left empty.
func (e Event) Decode() (Data, error) {
	decode, ok := decoders[e.Name()]
	if !ok {
		return Other{e.Name(), e.Data}, nil
	}
	d, err := decode(e.Data)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read event", Entity: lattice.Printable(e.Name()),
			Err: err}
	}
	return d, nil
}

var decoders = make(map[string]func([]byte) (Data, error))

func register[T Data]() bool {
	var zero T
	decoders[zero.EventName()] = func(b []byte) (Data, error) {
		var d T
		err := unmarshal(b, &d)
		return d, err
	}
	return true
}
