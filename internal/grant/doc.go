// Package grant says what the clients of a lattice's NATS server may do: hosts, operators, providers. What a role may
// do follows from what its code does; docs/security.md has the table. Package lattice/subject spells the subjects.
package grant
