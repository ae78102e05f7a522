// Package identity is who a host is, as it says itself: its id, name, labels, since when it runs, and whether it
// drains.
package identity

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Self is this host as it tells others of itself. It is safe for concurrent use.
type Self struct {
	ID      lattice.HostID
	Name    string // friendly; it does not change
	Lattice lattice.Name
	Started time.Time

	ends atomic.Int64 // when this process is gone at the latest, in Unix nanoseconds; 0: it is not ending

	mu       sync.RWMutex
	labels   map[string]string // guarded by mu
	draining bool              // guarded by mu
}

// New makes the identity of a host that starts now. Without a name it gets one that is made from its id.
func New(id lattice.HostID, name string, l lattice.Name, labels map[string]string) *Self {
	if name == "" {
		name = friendlyName(string(id))
	}
	return &Self{ID: id, Name: name, Lattice: l, Started: time.Now(), labels: labels}
}

// Labels returns a copy of the labels as they are now.
func (s *Self) Labels() map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.labels)
}

// PutLabel sets a label.
func (s *Self) PutLabel(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.labels[key] = value
}

// DelLabel deletes a label.
func (s *Self) DelLabel(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.labels, key)
}

// Drain makes the host refuse new work from now on.
func (s *Self) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

// Draining reports whether the host takes no new work. A table of things that run asks under its own lock before it
// adds one, so that a goroutine that calls Drain and then looks into the table sees them all.
func (s *Self) Draining() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.draining
}

// EndWithin says that the process is gone after d at the latest.
func (s *Self) EndWithin(d time.Duration) { s.ends.Store(time.Now().Add(d).UnixNano()) }

// EndsInMS is in how many milliseconds the process is gone, at least one; 0 while it is not ending.
func (s *Self) EndsInMS() uint64 {
	at := s.ends.Load()
	if at == 0 {
		return 0
	}
	return uint64(max(1, time.Until(time.Unix(0, at)).Milliseconds()))
}

// Uptime is since the host was started.
func (s *Self) Uptime() time.Duration { return time.Since(s.Started) }
