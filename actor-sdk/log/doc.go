// Package log writes an actor's log by way of its host, which keeps it per actor and adds time and trace. The actor's
// claims need the capability wasmcloud:builtin:logging; without it the text goes to the host's diagnostics.
//
//	log.Infof("%d orders taken", n)
//	log.Error("the store is away")
//
// Logging never fails: what the host does not take is lost. A line that is long is cut by the host.
package log
