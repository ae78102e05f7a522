package policy

import (
	"slices"

	"github.com/weftlattice/weft/lattice"
)

// Action is what a host wants to do.
type Action string

// The actions of the dialect.
const (
	StartActor        Action = "start_actor"
	StartProvider     Action = "start_provider"
	PerformInvocation Action = "perform_invocation"
)

// Actions are all actions, in the order in which they are explained.
var Actions = []Action{StartActor, StartProvider, PerformInvocation}

// Kind is what a party is.
type Kind string

// The kinds of parties. Others call too, such as an operator's tool.
const (
	Actor    Kind = "actor"
	Provider Kind = "provider"
)

// Party is an actor or a provider as its claims describe it. What a host does not know is empty.
type Party struct {
	Kind     Kind                 // of its key; empty when it is neither
	Key      string               // public key
	Name     string               // in its claims
	Alias    string               // call alias of an actor
	Issuer   lattice.AccountID    // account key that signed it
	Contract lattice.ContractID   // of a provider
	Link     lattice.LinkName     // link name of a provider
	Caps     []lattice.ContractID // contracts that an actor's claims grant
	IssuedAt int64                // seconds since 1970; 0: unknown
	Expires  int64                // seconds since 1970; 0: never, or unknown
}

// Question is what is to be decided.
type Question struct {
	Action    Action
	Origin    Party  // who calls; empty for the start actions
	Target    Party  // what is started or called
	Operation string // of an invocation
	Host      Host   // the host that asks
}

// Host is the host that asks.
type Host struct {
	ID      lattice.HostID
	Cluster lattice.ClusterID // its cluster key
	Lattice lattice.Name
	Labels  map[string]string
	Issuers []lattice.ClusterID // clusters that it trusts
}

// party returns the party of a kind: the target if it is one, else the origin.
func (q *Question) party(k Kind) *Party {
	for _, p := range []*Party{&q.Target, &q.Origin} {
		if p.Kind == k {
			return p
		}
	}
	return nil
}

// issuer is the account that signed what is started, or the actor of a call.
func (q *Question) issuer() lattice.AccountID {
	if q.Action != PerformInvocation {
		return q.Target.Issuer
	}
	if p := q.party(Actor); p != nil {
		return p.Issuer
	}
	return ""
}

// Decision is the answer to a question.
type Decision struct {
	Permitted bool
	Message   string // why; may be empty
	By        string // what decided, for people: "rule 3 (line 12)", "policy service"
}

// known reports whether s is one of the actions.
func known(s string) bool { return slices.Contains(Actions, Action(s)) }
