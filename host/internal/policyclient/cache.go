package policyclient

import (
	"container/list"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/policy"
)

// key is by what the dialect remembers decisions: source, target, action.
type key struct {
	action                         policy.Action
	source, target                 string
	sourceContract, targetContract lattice.ContractID
	sourceLink, targetLink         lattice.LinkName
	sourceIssuer, targetIssuer     lattice.AccountID
}

func keyOf(q *policy.Question) key {
	return key{q.Action, q.Origin.Key, q.Target.Key, q.Origin.Contract, q.Target.Contract, q.Origin.Link, q.Target.Link,
		q.Origin.Issuer, q.Target.Issuer}
}

// entry is a decision that is remembered, or waited for.
type entry struct {
	key       key
	requestID string
	done      chan struct{}   // closed when decided
	decision  policy.Decision // once done; guarded by the client's mu
	changed   bool            // by the service; guarded by the client's mu
	at        *list.Element   // its place in the order of use; nil while it is waited for
}

// cache holds at most max decisions and forgets the one that was not used for longest. Those that are waited for are
// not counted: there are no more of them than callers. It is not safe for concurrent use.
type cache struct {
	max   int
	byKey map[key]*entry
	byID  map[string]*entry
	order *list.List // of *entry, the latest first
}

func newCache(max int) *cache {
	return &cache{max: max, byKey: map[key]*entry{}, byID: map[string]*entry{}, order: list.New()}
}

// find returns the entry for a key, now the latest.
func (c *cache) find(k key) *entry {
	e := c.byKey[k]
	if e != nil && e.at != nil {
		c.order.MoveToFront(e.at)
	}
	return e
}

// wait remembers that an answer is waited for.
func (c *cache) wait(e *entry) {
	c.byKey[e.key], c.byID[e.requestID] = e, e
}

// keep remembers an entry that is decided, if it is still wanted.
func (c *cache) keep(e *entry) {
	if c.byKey[e.key] != e {
		return // forgotten while it was waited for
	}
	e.at = c.order.PushFront(e)
	for c.order.Len() > c.max {
		c.drop(c.order.Back().Value.(*entry))
	}
}

// drop forgets a decision under all of its names. One that has taken its place under the key stays.
func (c *cache) drop(e *entry) {
	if c.byKey[e.key] == e {
		delete(c.byKey, e.key)
	}
	delete(c.byID, e.requestID)
	if e.at != nil {
		c.order.Remove(e.at)
		e.at = nil
	}
}

// clear forgets everything, what is waited for too.
func (c *cache) clear() {
	clear(c.byKey)
	clear(c.byID)
	c.order.Init()
}
