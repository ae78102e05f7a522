package operate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	codec "github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// maxDepth bounds the nesting of payloads.
const maxDepth = 200

// PayloadFromJSON turns JSON into a msgpack payload. Whole numbers become integers, unsigned unless they are negative.
// An object {"$bytes": "base64"} becomes bytes. The empty string is the empty payload. What is no JSON is
// lattice.ErrInvalid, and so is text that is not Unicode.
func PayloadFromJSON(text string) ([]byte, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	err := typed.CheckText(text)
	if err == nil {
		err = d.Decode(&v)
	}
	if err == nil {
		if _, extra := d.Token(); extra != io.EOF { //nolint:errorlint // Token returns it bare
			err = errors.New("more than one value")
		}
	}
	w := msgpack.NewWriter(len(text))
	if err == nil {
		err = write(w, v, 0)
	}
	if err != nil {
		e := &lattice.Error{Code: lattice.ErrInvalid, Op: "read JSON", Entity: lattice.Printable(text), Err: err}
		if quoted, _ := json.Marshal(text); !strings.ContainsAny(text, "{[\"'") && len(quoted) < 80 {
			e.Detail = "text has quotes in JSON, as '" + string(quoted) + "' in a shell"
		}
		return nil, e
	}
	return w.Bytes(), nil
}

// write encodes JSON as msgpack. An object with the one key $bytes is bytes, which JSON has no form of. Keys are
// sorted, so that the same JSON is the same payload.
func write(w *msgpack.Writer, v any, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deep")
	}
	switch v := v.(type) {
	case nil:
		w.Nil()
	case bool:
		w.Bool(v)
	case string:
		w.Str(v)
	case json.Number:
		return writeNumber(w, v)
	case []any:
		w.Array(len(v))
		for _, item := range v {
			if err := write(w, item, depth+1); err != nil {
				return err
			}
		}
	case map[string]any:
		if text, ok := v["$bytes"].(string); ok && len(v) == 1 {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return err
			}
			w.Bin(b)
			return nil
		}
		w.Map(len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			w.Str(key)
			if err := write(w, v[key], depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeNumber takes whole numbers for integers, as actors' own encoders do.
func writeNumber(w *msgpack.Writer, n json.Number) error {
	if i, err := n.Int64(); err == nil {
		if i < 0 {
			w.Int(i)
		} else {
			w.Uint(uint64(i))
		}
		return nil
	}
	f, err := n.Float64()
	if err == nil {
		w.Float64(f)
	}
	return err
}

// PayloadToJSON turns a msgpack payload into what encoding/json can write. Bytes become text when they are UTF-8 and
// all of it is asked as text, else base64. The empty payload is nil. What is no msgpack is lattice.ErrInvalid.
func PayloadToJSON(payload []byte, base64Only bool) (any, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	whole := msgpack.NewReader(payload)
	if whole.Skip(); whole.Finish() != nil { // the library would make room for gigabytes that a length promises
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read msgpack", Err: whole.Err()}
	}
	r := bytes.NewReader(payload)
	p := payloadReader{d: codec.NewDecoder(r), base64: base64Only}
	v, err := p.value(0)
	if err == nil && r.Len() > 0 {
		err = errors.New("more than one value")
	}
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read msgpack", Err: err}
	}
	return v, nil
}

type payloadReader struct {
	d      *codec.Decoder
	base64 bool
}

// value decodes one value as JSON shows it. What comes from an actor is foreign: its depth is bounded.
func (p payloadReader) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	code, err := p.d.PeekCode()
	if err != nil {
		return nil, err
	}
	switch {
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		n, err := p.d.DecodeArrayLen()
		list := []any{}
		for ; n > 0 && err == nil; n-- {
			var v any
			v, err = p.value(depth + 1)
			list = append(list, v)
		}
		return list, err
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		n, err := p.d.DecodeMapLen()
		object := map[string]any{}
		for ; n > 0 && err == nil; n-- {
			var k, v any
			if k, err = p.value(depth + 1); err == nil {
				err = checkKey(k)
			}
			if err == nil {
				v, err = p.value(depth + 1)
				object[keyText(k)] = v
			}
		}
		return object, err
	case code == msgpcode.Bin8, code == msgpcode.Bin16, code == msgpcode.Bin32:
		b, err := p.d.DecodeBytes()
		if !p.base64 && utf8.Valid(b) {
			return string(b), err
		}
		return base64.StdEncoding.EncodeToString(b), err
	case msgpcode.IsExt(code):
		if _, _, err := p.d.DecodeExtHeader(); err != nil {
			return nil, err
		}
		return nil, errors.New("extension types are not known")
	}
	v, err := p.d.DecodeInterface()
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil, err // JSON has no such number
	}
	if f, ok := v.(float32); ok {
		return p.float(float64(f)), err
	}
	return v, err
}

func (p payloadReader) float(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

// checkKey refuses keys that hold other values: as text they double in size with each level they are nested.
func checkKey(k any) error {
	switch k.(type) {
	case []any, map[string]any:
		return errors.New("a list or a map is the key of a map")
	}
	return nil
}

// keyText is a map's key as JSON can have it.
func keyText(k any) string {
	if s, ok := k.(string); ok {
		return s
	}
	text, _ := json.Marshal(k)
	return string(text)
}
