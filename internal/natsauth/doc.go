// Package natsauth decides who may do what on a lattice's own NATS server: it issues the credentials of users, and
// verifies them in the server.
//
// A user is an nkey with a JWT that says its roles and its lattice. The JWT has the form that NATS gives user JWTs. So
// every NATS client can present it and prove with the seed that it is its own. What it means is decided here, by
// grant.Grant, when the user connects. The lattice's authority, an account key, signs the users. A host signs the
// users of its providers with its own user key, and its own JWT travels inside theirs. So a server needs to know only
// the authority, and a provider never gets more than its host may give.
package natsauth
