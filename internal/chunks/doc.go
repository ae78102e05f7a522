// Package chunks carries payloads that are too large for a message: through the lattice's object store (JetStream).
//
// Payloads above wire.MaxInlineBytes travel beside the message. The sender puts them into the Store under the
// invocation's id (a response under Response of it). The message says only how long they are, and the receiver takes
// them as an Object, whose end deletes them. Sweep deletes what no receiver took.
//
// Objects are in the form of every NATS object store. But this code reads and writes them piece by piece, so that
// neither end holds more than a window of an object that it passes on. The process that takes an object purges its
// description first and its pieces last. From the first purge on the object is the taker's, and a sweep of objects that
// were not taken leaves it alone. See RATIONALE.md, "Who cleans the store of large payloads?".
package chunks
