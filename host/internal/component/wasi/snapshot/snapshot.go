// Package snapshot is WASI as it was on 2023-10-18, before its first release: what spin-sdk 2.2 speaks. It has the
// interfaces that such guests use, under their old names and with their old types, and no implementation: each function
// is one of those of WASI 0.2, or is made of them. Where a guest of that time is told of no error, it traps.
package snapshot

import (
	"strings"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/component/wasi/cli"
	"github.com/weftlattice/weft/host/internal/component/wasi/clocks"
	"github.com/weftlattice/weft/host/internal/component/wasi/http"
	"github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/host/internal/component/wasi/random"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

const (
	version = "@0.2.0-rc-2023-10-18"
	track   = "@0.2"
)

// Family is all of it.
var Family = face.Family{Functions: functions(), Contracts: map[string]lattice.ContractID{
	"wasi:http/incoming-handler" + version: httpserver.ID,
	"wasi:http/outgoing-handler" + version: httpclient.ID,
}}

// now is a function of WASI 0.2.
func now(family face.Family, iface, name string) face.Func {
	f, ok := family.Functions[iface+track][name]
	if !ok {
		panic("WASI 0.2 has no " + iface + "#" + name)
	}
	return f
}

func functions() map[string]map[string]face.Func {
	all := map[string]map[string]face.Func{
		"wasi:io/poll" + version: {
			"poll-list": now(io.Family, "wasi:io/poll", "poll"),
			"poll-one":  now(io.Family, "wasi:io/poll", "[method]pollable.block"),
		},
		"wasi:io/streams" + version: {
			"[method]error.to-debug-string": now(io.Family, "wasi:io/error", "[method]error.to-debug-string"),
		},
		"wasi:http/types" + version:            httpTypes(),
		"wasi:http/outgoing-handler" + version: {"handle": handle()},
		"wasi:clocks/monotonic-clock" + version: {
			"subscribe": {Cost: face.Medium, Call: subscribe},
		},
	}
	same(all, io.Family, "wasi:io/streams", "[method]input-stream.read", "[method]input-stream.blocking-read",
		"[method]input-stream.skip", "[method]input-stream.blocking-skip", "[method]input-stream.subscribe",
		"[method]output-stream.check-write", "[method]output-stream.write",
		"[method]output-stream.blocking-write-and-flush", "[method]output-stream.flush",
		"[method]output-stream.blocking-flush", "[method]output-stream.subscribe", "[method]output-stream.write-zeroes",
		"[method]output-stream.blocking-write-zeroes-and-flush")
	same(all, http.Family, "wasi:http/types", "[method]fields.get", "[method]fields.entries", "[method]fields.clone",
		"[method]incoming-request.method", "[method]incoming-request.path-with-query",
		"[method]incoming-request.scheme", "[method]incoming-request.authority", "[method]incoming-request.headers",
		"[method]incoming-request.consume", "[method]incoming-response.status", "[method]incoming-response.headers",
		"[method]incoming-response.consume", "[method]incoming-body.stream", "[static]incoming-body.finish",
		"[method]future-trailers.subscribe", "[method]outgoing-body.write",
		"[method]future-incoming-response.subscribe")
	same(all, clocks.Family, "wasi:clocks/wall-clock", "now", "resolution")
	same(all, clocks.Family, "wasi:clocks/monotonic-clock", "now", "resolution")
	same(all, random.Family, "wasi:random/random", "get-random-bytes", "get-random-u64")
	same(all, random.Family, "wasi:random/insecure", "get-insecure-random-bytes", "get-insecure-random-u64")
	same(all, random.Family, "wasi:random/insecure-seed", "insecure-seed")
	same(all, cli.Family, "wasi:cli/environment", "get-environment", "get-arguments", "initial-cwd")
	same(all, cli.Family, "wasi:cli/exit", "exit")
	for _, name := range []string{"stdin", "stdout", "stderr"} {
		same(all, cli.Family, "wasi:cli/"+name, "get-"+name)
		same(all, cli.Family, "wasi:cli/terminal-"+name, "get-terminal-"+name)
	}
	return all
}

// same takes over functions that have not changed since.
func same(all map[string]map[string]face.Func, family face.Family, iface string, names ...string) {
	if all[iface+version] == nil {
		all[iface+version] = map[string]face.Func{}
	}
	for _, n := range names {
		all[iface+version][n] = now(family, iface, n)
	}
}

// subscribe asks for a moment, or for a time from now.
func subscribe(c *face.Call, args []any) (any, error) {
	name := "subscribe-duration"
	if args[1].(bool) {
		name = "subscribe-instant"
	}
	return now(clocks.Family, "wasi:clocks/monotonic-clock", name).Call(c, args[:1])
}

func types02(name string) face.Func { return now(http.Family, "wasi:http/types", name) }

// httpTypes are the functions of wasi:http/types that have changed.
func httpTypes() map[string]face.Func {
	return map[string]face.Func{
		"[constructor]fields":             must(types02("[static]fields.from-list"), "fields"),
		"[method]fields.set":              must(types02("[method]fields.set"), "fields.set"),
		"[method]fields.delete":           must(types02("[method]fields.delete"), "fields.delete"),
		"[method]fields.append":           must(types02("[method]fields.append"), "fields.append"),
		"[constructor]outgoing-request":   {Call: outgoingRequest},
		"[method]outgoing-request.write":  types02("[method]outgoing-request.body"),
		"[constructor]outgoing-response":  {Call: outgoingResponse},
		"[method]outgoing-response.write": types02("[method]outgoing-response.body"),
		"[static]outgoing-body.finish":    must(types02("[static]outgoing-body.finish"), "outgoing-body.finish"),
		"[static]response-outparam.set":   before(types02("[static]response-outparam.set"), answer),
		"[method]future-trailers.get":     after(types02("[method]future-trailers.get"), trailers),
		"[method]future-incoming-response.get": after(types02("[method]future-incoming-response.get"),
			func(_ *face.Call, v any) (any, error) { return response(v), nil }),
	}
}

// before makes a function that changes its arguments, and after one that changes its result.
func before(f face.Func, change func(args []any) []any) face.Func {
	call := f.Call
	f.Call = func(c *face.Call, args []any) (any, error) { return call(c, change(args)) }
	return f
}

func after(f face.Func, change func(c *face.Call, v any) (any, error)) face.Func {
	call := f.Call
	f.Call = func(c *face.Call, args []any) (any, error) {
		v, err := call(c, args)
		if err != nil {
			return nil, err
		}
		return change(c, v)
	}
	return f
}

// must is a function whose result is known to be good: what is not ends the guest.
func must(f face.Func, name string) face.Func {
	return after(f, func(_ *face.Call, v any) (any, error) { return good(v, name) })
}

func good(result any, name string) (any, error) {
	if r := result.(abi.Variant); r.Case == 0 {
		return r.Value, nil
	}
	return nil, abi.Trap("%s failed, of which WASI 0.2.0-rc-2023-10-18 cannot tell", name)
}

// call calls a function of WASI 0.2 whose result must be good.
func call(c *face.Call, name string, args ...any) (any, error) {
	v, err := types02(name).Call(c, args)
	if err != nil {
		return nil, err
	}
	return good(v, name)
}

// outgoingResponse makes a response of a status and a copy of headers.
func outgoingResponse(c *face.Call, args []any) (any, error) {
	r, err := withHeaders(c, "[constructor]outgoing-response", args[1])
	if err == nil {
		_, err = call(c, "[method]outgoing-response.set-status-code", r, args[0])
	}
	return r, err
}

func outgoingRequest(c *face.Call, args []any) (any, error) {
	r, err := withHeaders(c, "[constructor]outgoing-request", args[4])
	for i, property := range []string{"method", "path-with-query", "scheme", "authority"} {
		if err == nil {
			_, err = call(c, "[method]outgoing-request.set-"+property, r, args[i])
		}
	}
	return r, err
}

// withHeaders makes something of a copy of headers, which the guest keeps.
func withHeaders(c *face.Call, constructor string, headers any) (any, error) {
	own, err := types02("[method]fields.clone").Call(c, []any{headers})
	if err != nil {
		return nil, err
	}
	return types02(constructor).Call(c, []any{own})
}

// answer makes the error of a guest one of WASI 0.2.
func answer(args []any) []any {
	result := args[1].(abi.Variant)
	if result.Case == 0 {
		return args
	}
	text, _ := result.Value.(abi.Variant).Value.(string)
	internal := abi.Variant{Case: uint32(len(httpclient.Names) - 1), Value: face.Some(text)}
	return []any{args[0], face.Bad(internal)}
}

// The cases of the error of that time.
const (
	invalidURL = iota
	timeoutError
	protocolError
	unexpectedError
)

// failure makes an error-code of WASI 0.2 an error of that time.
func failure(v any) abi.Variant {
	code := v.(abi.Variant)
	name := httpclient.Names[code.Case]
	e := abi.Variant{Case: unexpectedError, Value: name}
	switch {
	case strings.Contains(name, "URI"):
		e.Case = invalidURL
	case strings.HasSuffix(name, "timeout"):
		e.Case = timeoutError
	case strings.Contains(name, "protocol"):
		e.Case = protocolError
	}
	if o, ok := code.Value.(abi.Variant); ok && o.Case == 1 {
		if text, ok := o.Value.(string); ok {
			e.Value = name + ": " + text
		}
	}
	return e
}

// failed is a result with its error as of that time.
func failed(result any) abi.Variant {
	r := result.(abi.Variant)
	if r.Case == 1 {
		r.Value = failure(r.Value)
	}
	return r
}

// response is what a future of a response holds: maybe nothing yet, or that it was taken, or a result.
func response(v any) any {
	future := v.(abi.Variant)
	if future.Case == 0 || future.Value.(abi.Variant).Case == 1 {
		return future
	}
	return face.Some(face.Good(failed(future.Value.(abi.Variant).Value)))
}

// trailers are those that have come: none are empty ones.
func trailers(c *face.Call, v any) (any, error) {
	future := v.(abi.Variant)
	if future.Case == 0 {
		return future, nil
	}
	taken := future.Value.(abi.Variant)
	if taken.Case == 1 {
		return face.Some(face.Bad(abi.Variant{Case: unexpectedError, Value: "the trailers were taken before"})), nil
	}
	result := failed(taken.Value)
	if result.Case == 1 {
		return face.Some(result), nil
	}
	if some := result.Value.(abi.Variant); some.Case == 1 {
		return face.Some(face.Good(some.Value)), nil
	}
	empty, err := types02("[constructor]fields").Call(c, nil)
	return face.Some(face.Good(empty)), err
}

// handle sends a request whose timeouts are numbers of milliseconds.
func handle() face.Func {
	send := now(http.Family, "wasi:http/outgoing-handler", "handle")
	send = before(send, func(args []any) []any {
		o := args[1].(abi.Variant)
		if o.Case == 0 {
			return args
		}
		options, _ := types02("[constructor]request-options").Call(nil, nil)
		for i, name := range []string{"connect", "first-byte", "between-bytes"} {
			if ms := o.Value.([]any)[i].(abi.Variant); ms.Case == 1 {
				ns := uint64(ms.Value.(uint32)) * 1_000_000
				_, _ = types02("[method]request-options.set-"+name+"-timeout").Call(nil, []any{options, face.Some(ns)})
			}
		}
		return []any{args[0], face.Some(options)}
	})
	return after(send, func(_ *face.Call, v any) (any, error) { return failed(v), nil })
}
