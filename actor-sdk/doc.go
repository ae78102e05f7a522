// Package actor is weft's SDK for actors in Go: WebAssembly modules that answer operations and call others by way of
// their host. One source compiles with stock Go and with TinyGo, and its tests run natively with package actortest.
//
//	package main
//
//	import "github.com/weftlattice/weft/actor-sdk"
//
//	func init() {
//		r := actor.NewRouter()
//		r.Handle("GET /hello/{name}", func(req *actor.Request) (*actor.Response, error) {
//			return actor.Text(200, "hello "+req.PathValue("name")), nil
//		})
//		actor.HandleHTTP(r.Serve)
//	}
//
//	func main() {} // never runs
//
// Build it with either of
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o hello.wasm .
//	tinygo build -target=wasip1 -buildmode=c-shared -scheduler=none -o hello.wasm . # or see actor-sdk/tinygo
//
// # Rules
//
// Handlers are registered in init, or by the initialisers of package variables: the module is a reactor, whose main
// does not run. The command that main is must exist all the same.
//
// An instance handles one call at a time, there may be many instances, and any of them may be discarded after a call.
// What must last belongs into a provider, such as keyvalue.
//
// The error of a handler goes to the caller as text. So does a panic, with stock Go; with TinyGo a panic traps, and the
// host discards the instance.
//
// A call of a provider needs two grants: the contract's id among the actor's claims (capabilities in actor.yaml) and a
// link. A call of another actor needs neither.
package actor
