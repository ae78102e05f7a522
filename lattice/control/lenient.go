package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// object reads the fields of a foreign JSON object and gathers what is wrong with them.
type object struct {
	fields map[string]json.RawMessage
	errs   []error
}

// readObject takes an empty body as an object without fields.
func readObject(data []byte) *object {
	o := &object{}
	if len(bytes.TrimSpace(data)) == 0 {
		return o
	}
	if err := json.Unmarshal(data, &o.fields); err != nil {
		o.errs = append(o.errs, fmt.Errorf("malformed JSON: %w", err))
	}
	return o
}

// err joins the problems as one lattice.ErrInvalid.
func (o *object) err(what string) error {
	if len(o.errs) == 0 {
		return nil
	}
	texts := make([]string, len(o.errs))
	for i, e := range o.errs {
		texts[i] = e.Error()
	}
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read " + what, Detail: strings.Join(texts, "; ")}
}

func (o *object) bad(format string, args ...any) {
	o.errs = append(o.errs, fmt.Errorf(format, args...))
}

// get finds the first of several spellings that is there; null counts as there.
func (o *object) get(names ...string) (raw json.RawMessage, name string, ok bool) {
	for _, n := range names {
		if raw, ok := o.fields[n]; ok {
			return raw, n, true
		}
	}
	return nil, names[0], false
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// str reads text; absent and null are "". Numbers and booleans are taken as their text.
func (o *object) str(names ...string) string {
	raw, name, ok := o.get(names...)
	if !ok {
		return ""
	}
	s, err := scalarText(raw)
	if err != nil {
		o.bad("%s: %w", name, err)
	}
	return s
}

// need is str that must not be empty.
func (o *object) need(names ...string) string {
	n := len(o.errs)
	s := o.str(names...)
	if s == "" && len(o.errs) == n {
		o.bad("%s is missing", names[0])
	}
	return s
}

// scalarText takes a number or a truth value as text, as some versions write what others write as text.
func scalarText(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || isNull(raw):
		return "", nil
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case raw[0] == '{' || raw[0] == '[':
		return "", errors.New("want text")
	}
	return string(raw), nil
}

// strMap reads a map of text; absent and null are nil, null values are left out.
func (o *object) strMap(names ...string) map[string]string {
	raw, name, ok := o.get(names...)
	if !ok || isNull(raw) {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		o.bad("%s: want an object", name)
		return nil
	}
	m := make(map[string]string, len(fields))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		v := fields[k]
		if isNull(v) {
			continue
		}
		s, err := scalarText(v)
		if err != nil {
			o.bad("%s.%s: %w", name, lattice.Printable(k), err)
			continue
		}
		m[k] = s
	}
	return m
}

// list reads a list of text, or one text with commas.
func list[S ~string](o *object, names ...string) []S {
	raw, name, ok := o.get(names...)
	if !ok {
		return nil
	}
	var l CommaList[S]
	if err := json.Unmarshal(raw, &l); err != nil {
		o.bad("%s: want a list or text with commas", name)
	}
	return l
}

// presence tells whether a field is there. A null is not the same as none: of a maximum it says that there is no bound.
type presence int

const (
	absent presence = iota
	null
	present
)

// uint reads a whole number up to limit, also when it comes as 3.0 or "3".
func (o *object) uint(limit uint64, names ...string) (uint64, presence) {
	raw, name, ok := o.get(names...)
	switch {
	case !ok:
		return 0, absent
	case isNull(raw):
		return 0, null
	}
	text, err := scalarText(raw)
	if err != nil {
		o.bad("%s: want a number", name)
		return 0, present
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(text, 64)
		if ferr != nil || f != math.Trunc(f) || f < 0 || f > 1<<53 {
			o.bad("%s: want a whole number that is not negative, got %s", name, lattice.Printable(text))
			return 0, present
		}
		n = uint64(f)
	}
	if n > limit {
		o.bad("%s: %d is more than %d", name, n, limit)
	}
	return n, present
}

func (o *object) actorID(names ...string) lattice.ActorID {
	id, err := lattice.ParseActorID(o.need(names...))
	o.check(names[0], err)
	return id
}

func (o *object) providerID(names ...string) lattice.ProviderID {
	id, err := lattice.ParseProviderID(o.need(names...))
	o.check(names[0], err)
	return id
}

func (o *object) linkName(names ...string) lattice.LinkName {
	l, err := lattice.ParseLinkName(o.str(names...))
	o.check(names[0], err)
	return l
}

// check adds a parser's complaint, unless one about the same field is there already.
func (o *object) check(name string, err error) {
	var e *lattice.Error
	if err == nil || (len(o.errs) > 0 && strings.HasPrefix(o.errs[len(o.errs)-1].Error(), name)) {
		return
	}
	if errors.As(err, &e) {
		o.bad("%s %q: %s", name, e.Entity, e.Detail)
	} else {
		o.bad("%s: %w", name, err)
	}
}

// CommaList is a list of words that travels as one text with commas. It is read from a JSON list, too.
type CommaList[S ~string] []S

// MarshalJSON gives the text.
func (l CommaList[S]) MarshalJSON() ([]byte, error) {
	return json.Marshal(strings.Join(lattice.Texts(l), ","))
}

// UnmarshalJSON reads text with commas, a list, or null.
func (l *CommaList[S]) UnmarshalJSON(b []byte) error {
	*l = nil
	if isNull(b) {
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		for _, w := range strings.Split(s, ",") {
			if w = strings.TrimSpace(w); w != "" {
				*l = append(*l, S(w))
			}
		}
		return nil
	}
	var words []S
	if err := json.Unmarshal(b, &words); err != nil {
		return err
	}
	*l = words
	return nil
}
