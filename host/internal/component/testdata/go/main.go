// A component in stock Go or TinyGo. There is no generator here: the functions of WASI are imported by their canonical
// ABI, which is a handful of lines each.
package main

import "unsafe"

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.path-with-query
func pathWithQuery(request uint32, out *[3]uint32)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]incoming-request
func dropRequest(request uint32)

//go:wasmimport wasi:http/types@0.2.0 [constructor]fields
func newFields() uint32

//go:wasmimport wasi:http/types@0.2.0 [constructor]outgoing-response
func newResponse(fields uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-response.body
func body(response uint32, out *[2]uint32)

//go:wasmimport wasi:http/types@0.2.0 [static]response-outparam.set
func respond(outparam, isErr, response, a uint32, b uint64, c, d, e, f uint32)

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-body.write
func write(body uint32, out *[2]uint32)

//go:wasmimport wasi:http/types@0.2.0 [static]outgoing-body.finish
func finish(body, hasTrailers, trailers uint32, out *[10]uint32)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.blocking-write-and-flush
func writeAndFlush(stream uint32, p *byte, n uint32, out *[3]uint32)

//go:wasmimport wasi:io/streams@0.2.0 [resource-drop]output-stream
func dropStream(stream uint32)

//go:wasmexport wasi:http/incoming-handler@0.2.0#handle
func handle(request, outparam uint32) {
	var path [3]uint32
	pathWithQuery(request, &path)
	text := "/"
	if path[0]&0xff == 1 {
		text = unsafe.String((*byte)(unsafe.Pointer(uintptr(path[1]))), path[2])
	}
	dropRequest(request)
	response := newResponse(newFields())
	var b, s [2]uint32
	body(response, &b)
	respond(outparam, 0, response, 0, 0, 0, 0, 0, 0)
	write(b[1], &s)
	line := []byte("hello from go " + text + "\n")
	var res [3]uint32
	writeAndFlush(s[1], &line[0], uint32(len(line)), &res)
	dropStream(s[1])
	var end [10]uint32
	finish(b[1], 0, 0, &end)
	release()
}

func main() {}
