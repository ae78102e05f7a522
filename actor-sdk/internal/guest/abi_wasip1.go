//go:build wasip1

package guest

import (
	"runtime"
	"unsafe"
)

// The host's functions. It reads and writes the guest's memory during the call only, so that a buffer has to live no
// longer than that; runtime.KeepAlive behind each call says so to the collector.

//go:wasmimport wasmbus __guest_request
func guestRequest(operation, payload unsafe.Pointer)

//go:wasmimport wasmbus __guest_response
func guestResponse(ptr unsafe.Pointer, size uint32)

//go:wasmimport wasmbus __guest_error
func guestError(ptr unsafe.Pointer, size uint32)

//go:wasmimport wasmbus __host_call
func hostCall(binding unsafe.Pointer, bindingSize uint32, namespace unsafe.Pointer, namespaceSize uint32,
	operation unsafe.Pointer, operationSize uint32, payload unsafe.Pointer, payloadSize uint32) uint32

//go:wasmimport wasmbus __host_response_len
func hostResponseLen() uint32

//go:wasmimport wasmbus __host_response
func hostResponse(ptr unsafe.Pointer)

//go:wasmimport wasmbus __host_error_len
func hostErrorLen() uint32

//go:wasmimport wasmbus __host_error
func hostError(ptr unsafe.Pointer)

//go:wasmimport wasmbus __console_log
func consoleLog(ptr unsafe.Pointer, size uint32)

var operationBuffer [128]byte

// guestCall is the entry of the host: it announces the sizes of operation and payload; 1 means a response was given, 0
// an error.
//
//go:wasmexport __guest_call
func guestCall(operationSize, payloadSize uint32) uint32 {
	var operation []byte
	if int(operationSize) <= len(operationBuffer) { // nobody keeps it: errors are texts when this returns
		operation = operationBuffer[:operationSize]
	} else {
		operation = make([]byte, operationSize)
	}
	payload := make([]byte, payloadSize)
	guestRequest(pointer(operation), pointer(payload))
	runtime.KeepAlive(operation)
	runtime.KeepAlive(payload)

	result, err := Dispatch(text(operation), payload)
	if err != nil {
		msg := err.Error()
		guestError(textPointer(msg), uint32(len(msg)))
		runtime.KeepAlive(msg)
		return 0
	}
	guestResponse(pointer(result), uint32(len(result)))
	runtime.KeepAlive(result)
	return 1
}

func call(r Request) (result []byte, errText string, ok bool) {
	link := string(r.Link)
	code := hostCall(textPointer(link), uint32(len(link)), textPointer(r.Namespace), uint32(len(r.Namespace)),
		textPointer(r.Operation), uint32(len(r.Operation)), pointer(r.Payload), uint32(len(r.Payload)))
	runtime.KeepAlive(r.Link)
	runtime.KeepAlive(r.Namespace)
	runtime.KeepAlive(r.Operation)
	runtime.KeepAlive(r.Payload)
	if code == 1 {
		result = make([]byte, hostResponseLen())
		if len(result) > 0 {
			hostResponse(pointer(result))
			runtime.KeepAlive(result)
		}
		return result, "", true
	}
	msg := make([]byte, hostErrorLen()) // hosts differ in what they return then: 0 or -1
	if len(msg) > 0 {
		hostError(pointer(msg))
		runtime.KeepAlive(msg)
	}
	return nil, text(msg), false
}

func console(msg string) {
	consoleLog(textPointer(msg), uint32(len(msg)))
	runtime.KeepAlive(msg)
}

// pointer and textPointer return the address of the first byte; of an empty buffer, an address that is valid all the
// same, for hosts that check it.
func pointer(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return unsafe.Pointer(&nothing)
	}
	return unsafe.Pointer(unsafe.SliceData(b))
}

func textPointer(s string) unsafe.Pointer {
	if len(s) == 0 {
		return unsafe.Pointer(&nothing)
	}
	return unsafe.Pointer(unsafe.StringData(s))
}

var nothing byte

// text turns a buffer that nobody else holds into a string without a copy.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
