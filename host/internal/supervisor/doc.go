// Package supervisor runs the processes of capability providers: it starts one, waits until it serves, starts it again
// when it ends, and ends it with everything that it has started.
//
// Three things are kept apart. The restart policy (tracker) is pure. A child is one run of the program: its pipes, its
// output, its exit. A Process is the owner: one goroutine that leads through the phases, one child after the other.
//
// Every child is the leader of its own process group, so that what it starts ends with it. A Guard ends the groups when
// the host itself dies. The order at a start closes the gap: the guard is told of the group before the child gets its
// host data, and a provider without host data ends by itself when its standard input ends.
package supervisor
