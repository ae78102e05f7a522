//go:build wasip1

// Command goguest is an actor in stock Go, for the tests. It speaks the ABI by hand, so that they depend on no SDK.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport wasmbus __guest_request
func guestRequest(op, payload unsafe.Pointer)

//go:wasmimport wasmbus __guest_response
func guestResponse(p unsafe.Pointer, n uint32)

//go:wasmimport wasmbus __guest_error
func guestError(p unsafe.Pointer, n uint32)

var initialised = time.Now()

//go:wasmexport __guest_call
func guestCall(opLen, payloadLen uint32) uint32 {
	op, payload := make([]byte, opLen+1), make([]byte, payloadLen+1)
	guestRequest(unsafe.Pointer(&op[0]), unsafe.Pointer(&payload[0]))
	out, err := handle(string(op[:opLen]), payload[:payloadLen])
	if err != nil {
		text := []byte(err.Error() + " ")
		guestError(unsafe.Pointer(&text[0]), uint32(len(text)-1))
		return 0
	}
	out = append(out, 0)
	guestResponse(unsafe.Pointer(&out[0]), uint32(len(out)-1))
	return 1
}

func handle(op string, payload []byte) ([]byte, error) {
	switch op {
	case "work": // deterministic, and a bit of everything
		words := strings.Fields(string(payload))
		sort.Strings(words)
		seen := map[string]int{}
		for _, w := range words {
			seen[strings.ToUpper(w)]++
		}
		b, err := json.Marshal(seen)
		return fmt.Appendf(nil, "%s %x", b, sha256.Sum256(b)), err
	case "clock":
		time.Sleep(time.Millisecond)
		if time.Since(initialised) < time.Millisecond || time.Now().Year() < 2024 {
			return nil, errors.New("no clock")
		}
		return nil, nil
	case "random":
		b := make([]byte, 16)
		_, err := rand.Read(b)
		return b, err
	case "env":
		return []byte(os.Getenv(string(payload))), nil
	case "file":
		_, err := os.ReadFile("/etc/passwd")
		return nil, err
	case "print":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		return nil, nil
	case "panic":
		panic(string(payload))
	case "loop":
		for {
		}
	case "sleep":
		time.Sleep(time.Hour)
	case "bomb":
		var all [][]byte
		for {
			all = append(all, make([]byte, 1<<20))
			all[len(all)-1][0] = byte(len(all))
		}
	case "recurse":
		return []byte{byte(recurse(1))}, nil
	}
	return nil, errors.New("unknown operation")
}

func recurse(n int) int { return recurse(n+1) + n }

func main() {}
