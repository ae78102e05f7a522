package lattice

// Keys of log attributes. Every part of weft uses the same word for the same thing, so that one filter finds it all.
const (
	LogLattice  = "lattice"
	LogHost     = "host"
	LogActor    = "actor"
	LogProvider = "provider"
	LogLink     = "link"
	LogContract = "contract"
	LogOp       = "operation"
	LogCode     = "code"
	LogErr      = "err"
	LogTrace    = "trace_id"
	LogRef      = "ref"
)
