package policy

// Glob is for tests.
var Glob = glob
