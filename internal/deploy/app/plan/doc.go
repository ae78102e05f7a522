// Package plan decides what to do about an application: from what it wants and what is observed in the lattice, it
// derives commands, and says for each thing why it is not where it should be. It is pure: no clock, no network, no
// goroutine. The same input gives the same plan.
//
// A round plans for one moment. It is given the hosts as they are seen, and is asked about one application after
// another; what it has planned for one counts as load for the next.
//
//	round := plan.NewRound(hosts, now)
//	p := round.App(want, have, memory)
//	for _, c := range p.Commands { ... }    // then tell memory what became of each
//
// Planning is level-triggered: it looks at what is, never at what has happened. A command that was lost, repeated or
// carried out twice does no harm, since each says how things shall be. What a round cannot see, it is told by Memory:
// which commands are under way, and which have failed. An empty Memory is always right, only slower: a new leader
// begins with one.
//
// # Rules
//
// First add, then take away. A host gives up what it runs only once enough runs elsewhere, and what leaves an
// application stays until what takes its place is ready.
//
// First links to what runs, then nothing that is linked stops. Links move to a new provider once it runs, and a thing
// stops once no link of the application leads to it.
//
// Stay. A thing stays on the hosts that run it, as long as that fits. A host that is only suspected to be lost keeps
// its share. One that was lost and is back gets nothing new for a while, and for a longer while each time; meanwhile
// the others do not give back what they took over.
//
// Fail once, then wait. A host on which a thing does not start is not asked again for a while that doubles, up to
// MaxBackOff. Other hosts are asked meanwhile. An update begins on one host, and goes on to others once it runs there.
package plan
