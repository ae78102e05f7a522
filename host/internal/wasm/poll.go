package wasm

import (
	"encoding/binary"
	"math"
	"time"
)

// What a subscription of poll_oneoff waits for.
const (
	pollClock = iota
	pollRead
	pollWrite
)

// pollOneoff waits until one of some clocks has come, or a stream is ready, which streams always are. It ends with the
// call.
func pollOneoff(i *Instance, p []uint64) errno {
	const inBytes, outBytes = 48, 32
	n := uint64(uint32(p[2]))
	if n == 0 || n > maxVectors {
		return invalid
	}
	i.pay(costEntry * n)
	in, ok := i.view(p[0], inBytes*n)
	out, there := i.view(p[1], outBytes*n)
	if !ok || !there || !i.put32(p[3], 0) {
		return badAddress
	}
	subscriptions := append([]byte(nil), in...) // the events may be written over them
	wait := time.Duration(math.MaxInt64)
	for n := range n {
		d, e := due(subscriptions[inBytes*n:])
		if e != success {
			return e
		}
		wait = min(wait, d)
	}
	if wait > 0 {
		i.sleep(wait)
	}
	events := uint32(0)
	for n := range n {
		s := subscriptions[inBytes*n:]
		if d, _ := due(s); d > wait {
			continue
		}
		e := out[outBytes*events:][:outBytes]
		clear(e)
		copy(e, s[:8]) // whose it is
		if kind := s[8]; kind != pollClock {
			if binary.LittleEndian.Uint32(s[16:]) > stderrFD {
				e[8] = byte(badFD)
			} else if kind == pollWrite {
				e[8] = byte(notSupported)
			}
		}
		e[10] = s[8]
		events++
	}
	i.put32(p[3], events)
	return success
}

// due returns how long what a subscription waits for is away.
func due(s []byte) (time.Duration, errno) {
	switch s[8] {
	case pollClock:
		switch flags := binary.LittleEndian.Uint16(s[40:]); flags {
		case 0: // from now on
			return time.Duration(min(binary.LittleEndian.Uint64(s[24:]), math.MaxInt64)), success
		// As the engine's own WASI answers. Guests' libraries wait from now on.
		case 1: // at a time
			return 0, notSupported
		}
		return 0, invalid
	case pollRead, pollWrite:
		if int32(binary.LittleEndian.Uint32(s[16:])) < 0 {
			return 0, badFD
		}
		return 0, success
	}
	return 0, invalid
}
