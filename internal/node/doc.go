// Package node is what one machine runs of a lattice: a host, and perhaps the NATS server that others join. It starts
// and ends the two, makes the credentials of this machine's host and people, invites other machines, and puts on the
// host what a node file names.
package node
