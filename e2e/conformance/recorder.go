package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// recorded is a message as it was seen.
type recorded struct {
	subject, reply string
	raw            []byte
	at             time.Time
	event          object // the envelope, when it is JSON
}

// eventPrefix is what the types of events begin with (7.1).
const eventPrefix = "com.wasmcloud.lattice."

// name is the last part of an event's type.
func (r recorded) name() string {
	typ, _ := r.event["type"].(string)
	return strings.TrimPrefix(typ, eventPrefix)
}

func (r recorded) data() object {
	d, _ := r.event["data"].(object)
	return d
}

// recorder keeps all messages on some subjects. It is safe for concurrent use; it ends with the connection.
type recorder struct {
	mu   sync.Mutex
	list []recorded // guarded by mu
}

func record(nc *nats.Conn, subjects ...string) (*recorder, error) {
	r := &recorder{}
	for _, subject := range subjects {
		if _, err := nc.Subscribe(subject, r.take); err != nil {
			return nil, err
		}
	}
	return r, nc.Flush()
}

func (r *recorder) take(m *nats.Msg) {
	rec := recorded{subject: m.Subject, reply: m.Reply, raw: m.Data, at: time.Now()}
	_ = json.Unmarshal(m.Data, &rec.event) // whether it is JSON is for checks to judge
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, rec)
}

// mark is a place in the record: now.
func (r *recorder) mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list)
}

// since is what came after a mark and is wanted.
func (r *recorder) since(mark int, want func(recorded) bool) []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []recorded
	for _, rec := range r.list[mark:] {
		if want(rec) {
			list = append(list, rec)
		}
	}
	return list
}

// await returns the first that is wanted.
func (r *recorder) await(mark int, wait time.Duration, want func(recorded) bool) (recorded, bool) {
	for end := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
		if list := r.since(mark, want); len(list) > 0 {
			return list[0], true
		}
		if time.Now().After(end) {
			return recorded{}, false
		}
	}
}

// evented wants events of a name on the general subject whose data has the given values.
func (s *suite) evented(name string, data object) func(recorded) bool {
	return func(r recorded) bool {
		if r.subject != "wasmbus.evt."+s.lattice || r.name() != name {
			return false
		}
		for key, value := range data {
			if r.data()[key] != value {
				return false
			}
		}
		return true
	}
}

// event waits for an event.
func (s *suite) event(mark int, wait time.Duration, name string, data object) (recorded, error) {
	r, ok := s.events.await(mark, wait, s.evented(name, data))
	if !ok {
		return r, fmt.Errorf("no %s with %v within %v; there were %v", name, data, wait, s.names(mark, nil))
	}
	return r, nil
}

// names are the events on the general subject since a mark.
func (s *suite) names(mark int, data object) []string {
	names := []string{}
	for _, r := range s.events.since(mark, func(r recorded) bool { return s.evented(r.name(), data)(r) }) {
		names = append(names, r.name())
	}
	return names
}

// plan waits for events with common data in this order, with others possibly between them.
func (s *suite) plan(mark int, wait time.Duration, common object, names ...string) ([]object, error) {
	var found []object
	err := eventually(wait, func() error {
		found = nil
		for _, r := range s.events.since(mark, func(r recorded) bool { return s.evented(r.name(), common)(r) }) {
			if len(found) < len(names) && r.name() == names[len(found)] {
				found = append(found, r.data())
			}
		}
		if len(found) < len(names) {
			return fmt.Errorf("want the events %v with %v, in this order; there were %v", names, common,
				s.names(mark, nil))
		}
		return nil
	})
	return found, err
}
