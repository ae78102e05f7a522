package wasm

import (
	"context"
	"encoding/binary"
	"math"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

// wasiFuncs are the functions of WASI preview 1, for guests that have nothing but their standard streams, arguments,
// environment, clocks and random numbers: no files, no folders, no sockets. The engine has functions of its own, which
// work on where no limit reaches them. What these answer is what those do, TestWASIAnswersAsTheEngine says where not.
//
// Nothing of what a guest does with them lasts from one call to the next on this side of the boundary, see
// Instance.Restore: it can neither close nor renumber its streams, nor change their flags.
var wasiFuncs = []hostFunc{
	{"args_get", "ii", "i", costLeast,
		preview1(func(i *Instance, p []uint64) errno { return i.putList(i.args, p[0], p[1]) })},
	{"args_sizes_get", "ii", "i", costLeast,
		preview1(func(i *Instance, p []uint64) errno { return i.putSizes(i.args, p[0], p[1]) })},
	{"environ_get", "ii", "i", costLeast,
		preview1(func(i *Instance, p []uint64) errno { return i.putList(i.template.env, p[0], p[1]) })},
	{"environ_sizes_get", "ii", "i", costLeast,
		preview1(func(i *Instance, p []uint64) errno { return i.putSizes(i.template.env, p[0], p[1]) })},
	{"clock_res_get", "ii", "i", costLeast, preview1(clockResGet)},
	{"clock_time_get", "ili", "i", costLeast, preview1(clockTimeGet)},
	{"random_get", "ii", "i", costLeast, preview1(randomGet)},
	{"poll_oneoff", "iiii", "i", costWait, preview1(pollOneoff)},
	{"sched_yield", "", "i", costWait, preview1(func(*Instance, []uint64) errno { runtime.Gosched(); return success })},
	{"proc_exit", "i", "", costLeast, func(_ *Instance, _ context.Context,
		p []uint64) {
		panic(sys.NewExitError(uint32(p[0])))
	}},
	{"proc_raise", "i", "i", costLeast, preview1(always(notImplemented))},

	{"fd_read", "iiii", "i", costLeast, preview1(fdRead)},
	{"fd_write", "iiii", "i", costLeast, preview1(fdWrite)},
	{"fd_pread", "iiili", "i", costLeast, preview1(onStream(badFD))},
	{"fd_pwrite", "iiili", "i", costLeast, preview1(onStream(badFD))},
	{"fd_seek", "ilii", "i", costLeast, preview1(onStream(notImplemented))},
	{"fd_tell", "ii", "i", costLeast, preview1(onStream(notImplemented))},
	{"fd_advise", "illi", "i", costLeast, preview1(fdAdvise)},
	{"fd_allocate", "ill", "i", costLeast, preview1(onStream(notImplemented))},
	{"fd_close", "i", "i", costLeast, preview1(onStream(success))},
	{"fd_renumber", "ii", "i", costLeast, preview1(fdRenumber)},
	{"fd_datasync", "i", "i", costLeast, preview1(onStream(success))},
	{"fd_sync", "i", "i", costLeast, preview1(onStream(success))},
	{"fd_fdstat_get", "ii", "i", costLeast, preview1(fdFdstatGet)},
	{"fd_fdstat_set_flags", "ii", "i", costLeast, preview1(fdFdstatSetFlags)},
	{"fd_fdstat_set_rights", "ill", "i", costLeast, preview1(always(notImplemented))},
	{"fd_filestat_get", "ii", "i", costLeast, preview1(fdFilestatGet)},
	{"fd_filestat_set_size", "il", "i", costLeast, preview1(onStream(notImplemented))},
	{"fd_filestat_set_times", "illi", "i", costLeast, preview1(onStream(notImplemented))},
	{"fd_prestat_get", "ii", "i", costLeast, preview1(always(badFD))},
	{"fd_prestat_dir_name", "iii", "i", costLeast, preview1(always(badFD))},
	{"fd_readdir", "iiili", "i", costLeast, preview1(always(badFD))},

	{"path_create_directory", "iii", "i", costLeast, preview1(inFolder(0))},
	{"path_filestat_get", "iiiii", "i", costLeast, preview1(inFolder(0))},
	{"path_filestat_set_times", "iiiilli", "i", costLeast, preview1(inFolder(0))},
	{"path_link", "iiiiiii", "i", costLeast, preview1(inFolder(0))},
	{"path_open", "iiiiillii", "i", costLeast, preview1(inFolder(0))},
	{"path_readlink", "iiiiii", "i", costLeast, preview1(inFolder(0))},
	{"path_remove_directory", "iii", "i", costLeast, preview1(inFolder(0))},
	{"path_rename", "iiiiii", "i", costLeast, preview1(inFolder(0))},
	{"path_symlink", "iiiii", "i", costLeast, preview1(inFolder(2))},
	{"path_unlink_file", "iii", "i", costLeast, preview1(inFolder(0))},

	{"sock_accept", "iii", "i", costLeast, preview1(always(badFD))},
	{"sock_recv", "iiiiii", "i", costLeast, preview1(always(badFD))},
	{"sock_send", "iiiii", "i", costLeast, preview1(always(badFD))},
	{"sock_shutdown", "ii", "i", costLeast, preview1(always(badFD))},
}

// errno is what a function of WASI answers. The numbers are those of WASI preview 1 (its witx file, type errno).
type errno uint16

const (
	success        errno = 0
	badFD          errno = 8
	badAddress     errno = 21
	invalid        errno = 28
	ioError        errno = 29
	notImplemented errno = 52
	notFolder      errno = 54
	notSupported   errno = 58
)

// The standard streams, the only files of a guest.
const (
	stdinFD = iota
	stdoutFD
	stderrFD
)

const (
	// maxVectors bounds the vectors that one call reads or writes, as IOV_MAX does elsewhere, and the subscriptions of
	// a poll. Of more vectors the first ones are served, of more subscriptions none.
	maxVectors = 1024
	// maxTransfer bounds the bytes that one call reads or writes. Of more the first ones are, and the guest is told how
	// many.
	maxTransfer = 16 << 20
)

// preview1 makes a hostFunc of a function that answers an errno.
func preview1(f func(*Instance, []uint64) errno) func(*Instance, context.Context, []uint64) {
	return func(i *Instance, _ context.Context, stack []uint64) { stack[0] = uint64(f(i, stack)) }
}

// always answers the same.
func always(e errno) func(*Instance, []uint64) errno {
	return func(*Instance, []uint64) errno { return e }
}

// onStream answers the same for each stream.
func onStream(e errno) func(*Instance, []uint64) errno {
	return func(_ *Instance, p []uint64) errno {
		if uint32(p[0]) > stderrFD {
			return badFD
		}
		return e
	}
}

// inFolder answers for a path in the folder that parameter n names. There is none.
func inFolder(n int) func(*Instance, []uint64) errno {
	return func(_ *Instance, p []uint64) errno {
		if uint32(p[n]) > stderrFD {
			return badFD
		}
		return notFolder
	}
}

// list is arguments or the environment, as WASI hands them over: the strings, each with a null byte after it.
type list []string

func (l list) size() (n int) {
	for _, s := range l {
		n += len(s) + 1
	}
	return n
}

// putSizes writes how many strings a list has and how many bytes they take, so that the guest can make room for
// putList.
func (i *Instance) putSizes(l list, count, size uint64) errno {
	i.pay(costEntry * uint64(len(l)))
	if !i.put32(count, uint32(len(l))) || !i.put32(size, uint32(l.size())) {
		return badAddress
	}
	return success
}

// putList writes the strings to text, and to places a pointer for each. Both places are checked before anything is
// written.
func (i *Instance) putList(l list, places, text uint64) errno {
	i.pay(costEntry * uint64(len(l)))
	table, ok := i.view(places, 4*uint64(len(l)))
	to, there := i.view(text, uint64(l.size()))
	if !ok || !there {
		return badAddress
	}
	at := uint32(text)
	for n, s := range l {
		binary.LittleEndian.PutUint32(table[4*n:], at)
		copied(i, to, s)
		to[len(s)] = 0
		to, at = to[len(s)+1:], at+uint32(len(s)+1)
	}
	return success
}

// put32 writes a number, as put64 does; false: the guest has no such memory.
func (i *Instance) put32(ptr uint64, v uint32) bool {
	b, ok := i.view(ptr, 4)
	if ok {
		binary.LittleEndian.PutUint32(b, v)
	}
	return ok
}

func (i *Instance) put64(ptr uint64, v uint64) bool {
	b, ok := i.view(ptr, 8)
	if ok {
		binary.LittleEndian.PutUint64(b, v)
	}
	return ok
}

// The clocks.
const (
	realtime = iota
	monotonic
)

func clockResGet(i *Instance, p []uint64) errno {
	switch {
	case uint32(p[0]) > monotonic:
		return invalid
	case !i.put64(p[1], 1): // a nanosecond
		return badAddress
	}
	return success
}

// clockTimeGet ignores the wanted precision, p[1]. It notes that the guest has asked: see Instance.capture.
func clockTimeGet(i *Instance, p []uint64) errno {
	i.clock.asked = true
	var t int64
	switch uint32(p[0]) {
	case realtime:
		t = time.Now().UnixNano()
	case monotonic:
		t = nanotime()
	default:
		return invalid
	}
	if !i.put64(p[2], uint64(t)) {
		return badAddress
	}
	return success
}

// randomGet fills memory from the system's generator, in pieces, so that a request for gigabytes ends with the call.
func randomGet(i *Instance, p []uint64) errno {
	i.clock.asked = true
	b, ok := i.view(p[0], p[1])
	if !ok {
		return badAddress
	}
	for len(b) > 0 {
		n := min(len(b), piece/4) // it is slower than copying
		i.pay(costRandom * uint64(n))
		random(b[:n])
		b = b[n:]
	}
	return success
}

// vectors calls f with the memory that a list of vectors names, until f has done less than it was given, or as far as
// one call goes. It returns how many bytes f has done.
func (i *Instance) vectors(ptr, count uint64, f func([]byte) (int, errno)) (done int, e errno) {
	n := min(uint64(uint32(count)), maxVectors)
	list, ok := i.view(ptr, 8*uint64(uint32(count)))
	if !ok || 8*uint64(uint32(count)) > math.MaxUint32 {
		return 0, badAddress
	}
	i.pay(costEntry * n)
	for ; n > 0 && done < maxTransfer; n-- {
		b, ok := i.view(uint64(binary.LittleEndian.Uint32(list)), uint64(binary.LittleEndian.Uint32(list[4:])))
		list = list[8:]
		if !ok {
			return 0, badAddress
		}
		for b = b[:min(len(b), maxTransfer-done)]; len(b) > 0; {
			part := b[:min(len(b), piece)]
			d, e := f(part)
			if done += d; e != success || d < len(part) {
				return done, e
			}
			b = b[d:]
		}
	}
	return done, success
}

// fdRead reads from standard input. 0 bytes is its end: the payload of a command is all there at once.
func fdRead(i *Instance, p []uint64) errno {
	if uint32(p[0]) != stdinFD {
		return badFD
	}
	n, e := i.vectors(p[1], p[2], func(b []byte) (int, errno) {
		i.payBytes(min(len(b), len(i.stdin)))
		n := copy(b, i.stdin)
		i.stdin = i.stdin[n:]
		return n, success
	})
	if e == success && !i.put32(p[3], uint32(n)) {
		return badAddress
	}
	return e
}

// fdWrite writes to the log, or where a command's output is its response, to that.
func fdWrite(i *Instance, p []uint64) errno {
	to := &i.stderr
	switch uint32(p[0]) {
	case stdoutFD:
		to = &i.stdout
	case stderrFD:
	default:
		return badFD
	}
	n, e := i.vectors(p[1], p[2], func(b []byte) (int, errno) {
		if i.response != nil && to == &i.stdout {
			i.payBytes(len(b))
			return i.response.add(b)
		}
		to.write(b)
		return len(b), success
	})
	if e == success && !i.put32(p[3], uint32(n)) {
		return badAddress
	}
	return e
}

// fdAdvise does nothing with the advice, which WASI allows.
func fdAdvise(_ *Instance, p []uint64) errno {
	const last = 5 // of the kinds of advice
	switch {
	case uint32(p[0]) > stderrFD:
		return badFD
	case byte(p[3]) > last:
		return invalid
	}
	return success
}

func fdRenumber(_ *Instance, p []uint64) errno {
	if max(uint32(p[0]), uint32(p[1])) > stderrFD {
		return badFD
	}
	return notSupported
}

// What streams are to fd_fdstat_get and fd_filestat_get: devices, without files' rights of path and folder.
const (
	blockDevice  = 1
	streamRights = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<21 | 1<<22 | 1<<23 | 1<<27
)

// describe is the guest's memory for what is said of a stream, empty. As in the engine's own WASI, the memory is looked
// at before the descriptor.
func (i *Instance) describe(p []uint64, size uint64) ([]byte, errno) {
	b, ok := i.view(p[1], size)
	switch {
	case !ok:
		return nil, badAddress
	case uint32(p[0]) > stderrFD:
		return nil, badFD
	}
	clear(b)
	return b, success
}

func fdFdstatGet(i *Instance, p []uint64) errno {
	b, e := i.describe(p, 24)
	if e != success {
		return e
	}
	b[0] = blockDevice
	binary.LittleEndian.PutUint64(b[8:], streamRights)
	return success
}

func fdFdstatSetFlags(_ *Instance, p []uint64) errno {
	const nonblock, synchronous = 1 << 2, 1<<1 | 1<<3 | 1<<4
	switch flags := uint16(p[1]); {
	case flags&synchronous != 0:
		return invalid
	case uint32(p[0]) > stderrFD:
		return badFD
	case flags&nonblock != 0:
		return notImplemented
	}
	return success
}

func fdFilestatGet(i *Instance, p []uint64) errno {
	b, e := i.describe(p, 64)
	if e != success {
		return e
	}
	b[16], b[24] = blockDevice, 1 // and one name
	return success
}
