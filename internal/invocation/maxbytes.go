package invocation

// DefaultMaxBytes bounds the payload of a call and of its answer, whichever way they take.
const DefaultMaxBytes = 128 << 20
