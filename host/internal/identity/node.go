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

// Node is the identity of one host, the node of a lattice, and its state. It is safe for concurrent use.
type Node struct {
	ID      lattice.HostID
	Name    string // friendly; it does not change
	Lattice lattice.Name
	Started time.Time

	ends atomic.Int64 // when this process is gone at the latest, in Unix nanoseconds; 0: it is not ending

	mu       sync.RWMutex
	labels   map[string]string // guarded by mu
	draining bool              // guarded by mu
}

// New makes a node that starts now. Without a name it gets one that is made from its id.
func New(id lattice.HostID, name string, l lattice.Name, labels map[string]string) *Node {
	if name == "" {
		name = friendlyName(string(id))
	}
	return &Node{ID: id, Name: name, Lattice: l, Started: time.Now(), labels: labels}
}

// Labels returns a copy of the labels as they are now.
func (n *Node) Labels() map[string]string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return maps.Clone(n.labels)
}

// PutLabel sets a label.
func (n *Node) PutLabel(key, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.labels[key] = value
}

// DelLabel deletes a label.
func (n *Node) DelLabel(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.labels, key)
}

// Drain makes the host refuse new work from now on.
func (n *Node) Drain() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.draining = true
}

// Draining reports whether the host takes no new work. A table of things that run asks under its own lock before it
// adds one, so that a goroutine that calls Drain and then looks into the table sees them all.
func (n *Node) Draining() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.draining
}

// EndWithin says that the process is gone after d at the latest.
func (n *Node) EndWithin(d time.Duration) { n.ends.Store(time.Now().Add(d).UnixNano()) }

// EndsInMS is in how many milliseconds the process is gone, at least one; 0 while it is not ending.
func (n *Node) EndsInMS() uint64 {
	at := n.ends.Load()
	if at == 0 {
		return 0
	}
	return uint64(max(1, time.Until(time.Unix(0, at)).Milliseconds()))
}

// Uptime is since the host was started.
func (n *Node) Uptime() time.Duration { return time.Since(n.Started) }
