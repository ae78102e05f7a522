package keyvalue

import "github.com/weftlattice/weft/lattice/msgpack"

// ListItem names an item of a list.
type ListItem struct {
	List  string
	Value string
}

// Encode returns the payload.
func (m ListItem) Encode() []byte { return encodeItem("listName", m.List, m.Value) }

var listItemFields = []string{"listName", "value"}

// DecodeListItem reads the argument of ListAdd or ListDel. Errors wrap lattice.ErrInvalid.
func DecodeListItem(b []byte) (ListItem, error) {
	name, value, err := decodeItem(b, listItemFields)
	return ListItem{List: name, Value: value}, err
}

// SetItem names a member of a set.
type SetItem struct {
	Set   string
	Value string
}

// Encode returns the payload.
func (m SetItem) Encode() []byte { return encodeItem("setName", m.Set, m.Value) }

var setItemFields = []string{"setName", "value"}

// DecodeSetItem reads the argument of SetAdd or SetDel. Errors wrap lattice.ErrInvalid.
func DecodeSetItem(b []byte) (SetItem, error) {
	name, value, err := decodeItem(b, setItemFields)
	return SetItem{Set: name, Value: value}, err
}

// RangeRequest asks for the items of a list from Start to Stop, both included.
type RangeRequest struct {
	List        string
	Start, Stop int32
}

// Encode returns the payload.
func (q RangeRequest) Encode() []byte {
	w := msgpack.NewWriter(40 + len(q.List))
	w.Map(3)
	w.Str("listName")
	w.Str(q.List)
	w.Str("start")
	w.Int(int64(q.Start))
	w.Str("stop")
	w.Int(int64(q.Stop))
	return w.Bytes()
}

var rangeFields = []string{"listName", "start", "stop"}

// DecodeRangeRequest reads the argument of ListRange. Errors wrap lattice.ErrInvalid.
func DecodeRangeRequest(b []byte) (RangeRequest, error) {
	var q RangeRequest
	r := msgpack.NewReader(b)
	r.Struct(rangeFields, func(i int) {
		switch i {
		case 0:
			q.List = r.Str()
		case 1:
			q.Start = r.Int32()
		case 2:
			q.Stop = r.Int32()
		}
	})
	return q, r.Finish()
}

func encodeItem(nameField, name, value string) []byte {
	w := msgpack.NewWriter(28 + len(name) + len(value))
	w.Map(2)
	w.Str(nameField)
	w.Str(name)
	w.Str("value")
	w.Str(value)
	return w.Bytes()
}

func decodeItem(b []byte, fields []string) (name, value string, err error) {
	r := msgpack.NewReader(b)
	r.Struct(fields, func(i int) {
		switch i {
		case 0:
			name = r.Str()
		case 1:
			value = r.Str()
		}
	})
	return name, value, r.Finish()
}
