package natsserver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/weftlattice/weft/internal/grant"
)

// noInbox is what the server gets to hear in the place of a message whose reply is no inbox. No client may publish to
// it, so that the server tells the client by the name in its permissions violation.
const noInbox = "weft.reply_is_no_inbox"

// errProtocol begins what is wrong with what a client says; the connection ends by it.
var errProtocol = errors.New("the client does not speak the protocol of NATS")

func malformed(format string, v ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errProtocol}, v...)...)
}

// filter passes on to the server what a client says, when it is well formed, and encodes each line anew: what the
// filter understood is what the server understands. A message whose reply is no inbox does not pass, since the answer
// to it would be published by the server or a host, whatever the client itself may publish.
type filter struct {
	in         *bufio.Reader // of filterIn bytes, which bounds a line
	out        *bufio.Writer
	maxPayload int
	refused    func(subj, reply string)
}

const (
	filterIn  = 32 << 10
	filterOut = 16 << 10
)

// newFilter makes a filter between a client and the server. What it has let through is flushed before it waits for the
// client, so that no message stays behind.
func newFilter(client io.Reader, server io.Writer, maxPayload int, refused func(subj, reply string)) *filter {
	out := bufio.NewWriterSize(server, filterOut)
	return &filter{in: bufio.NewReaderSize(flushBefore{client, out}, filterIn), out: out, maxPayload: maxPayload,
		refused: refused}
}

// flushBefore flushes to the server before it waits for more from the client.
type flushBefore struct {
	client io.Reader
	out    *bufio.Writer
}

// Read may wait for the client for ever, so what is in out goes to the server first.
func (r flushBefore) Read(p []byte) (int, error) {
	if err := r.out.Flush(); err != nil {
		return 0, err
	}
	return r.client.Read(p)
}

// run returns why the client says no more: io.EOF, an error of either connection, or errProtocol. After the latter the
// server has got something at which it ends the connection, too, and says so to the client.
func (f *filter) run() error {
	for {
		if err := f.next(); err != nil {
			if errors.Is(err, errProtocol) {
				_, _ = f.out.WriteString("?\r\n") // no operation, and no end of a payload; Flush tells what fails
				return errors.Join(err, f.out.Flush())
			}
			return err
		}
	}
}

// next passes on one operation.
func (f *filter) next() error {
	line, err := f.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxControlLine {
		return malformed("a control line is longer than %d bytes", maxControlLine)
	}
	if err != nil {
		return err
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return malformed("there is the control character %q in a control line", c)
		}
	}
	verb, rest := line, []byte(nil)
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		verb, rest = line[:i], bytes.Trim(line[i:], " \t")
	}
	op := operation(verb)
	if op == "CONNECT" {
		if len(rest) == 0 {
			return malformed("CONNECT says nothing")
		}
		return f.say(op, rest)
	}
	var room [maxArgs][]byte
	args, ok := split(room[:0], rest)
	n := len(args)
	switch {
	case !ok:
		return malformed("%s has too many arguments", op)
	case op == "PING" && n == 0, op == "PONG" && n == 0, op == "SUB" && (n == 2 || n == 3), op == "UNSUB" &&
		(n == 1 || n == 2):
		return f.say(op, args...)
	case op == "PUB" && (n == 2 || n == 3):
		return f.publish(op, args[:n-1], -1, size(args[n-1]))
	case op == "HPUB" && (n == 3 || n == 4):
		header, total := size(args[n-2]), size(args[n-1])
		if header < 0 || header > total {
			return malformed("HPUB has headers of %d bytes in %d", header, total)
		}
		return f.publish(op, args[:n-2], header, total)
	case op == "":
		return malformed("an unknown operation")
	}
	return malformed("%s has %d arguments", op, n)
}

// publish passes on a message of total bytes, the first of them its headers when header is not negative. names are its
// subject and its reply, if it has one.
func (f *filter) publish(op string, names [][]byte, header, total int) error {
	switch {
	case total < 0:
		return malformed("%s has no size", op)
	case total > f.maxPayload: // the server says how much it takes, and ends the connection
		return errors.Join(f.say("PUB", names[0], strconv.AppendInt(nil, int64(total), 10)), f.out.Flush(), errPayload)
	case len(names) == 2 && !grant.IsInbox(string(names[1])):
		f.refused(string(names[0]), string(names[1]))
		if err := f.payload(total, func([]byte) error { return nil }); err != nil {
			return err
		}
		_, err := f.out.WriteString("PUB " + noInbox + " 0\r\n\r\n")
		return err
	}
	var room [maxArgs][]byte
	var digits [2][20]byte
	args := append(room[:0], names...)
	if header >= 0 {
		args = append(args, strconv.AppendInt(digits[0][:0], int64(header), 10))
	}
	args = append(args, strconv.AppendInt(digits[1][:0], int64(total), 10))
	if err := f.say(op, args...); err != nil {
		return err
	}
	err := f.payload(total, func(b []byte) error { _, err := f.out.Write(b); return err })
	if err == nil {
		_, err = f.out.WriteString("\r\n")
	}
	return err
}

var errPayload = errors.New("the client sends more than the server takes at once")

// payload reads n bytes and the end of line after them.
func (f *filter) payload(n int, to func([]byte) error) error {
	for n > 0 {
		b, err := f.in.Peek(min(n, max(1, f.in.Buffered())))
		if err == nil {
			err = to(b)
		}
		if err != nil {
			return err
		}
		n -= len(b)
		if _, err := f.in.Discard(len(b)); err != nil {
			return err
		}
	}
	for _, want := range []byte("\r\n") {
		if c, err := f.in.ReadByte(); err != nil {
			return err
		} else if c != want {
			return malformed("a payload is longer than its size")
		}
	}
	return nil
}

// say writes a control line.
func (f *filter) say(op string, args ...[]byte) error {
	_, err := f.out.WriteString(op)
	for _, a := range args {
		if err == nil {
			err = f.out.WriteByte(' ')
		}
		if err == nil {
			_, err = f.out.Write(a)
		}
	}
	if err == nil {
		_, err = f.out.WriteString("\r\n")
	}
	return err
}

// operation names what clients may say; "" is anything else. ASCII letters may be small.
func operation(verb []byte) string {
	var room [8]byte
	if len(verb) > len(room) {
		return ""
	}
	up := room[:len(verb)]
	for i, c := range verb {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up[i] = c
	}
	switch string(up) {
	case "PUB":
		return "PUB"
	case "HPUB":
		return "HPUB"
	case "SUB":
		return "SUB"
	case "UNSUB":
		return "UNSUB"
	case "PING":
		return "PING"
	case "PONG":
		return "PONG"
	case "CONNECT":
		return "CONNECT"
	}
	return ""
}

const maxArgs = 4

// split adds the words of s to args; false when they are more than maxArgs.
func split(args [][]byte, s []byte) ([][]byte, bool) {
	start := -1
	for i, c := range s {
		if c != ' ' && c != '\t' {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 {
			args, start = append(args, s[start:i]), -1
		}
		if len(args) > maxArgs {
			return args, false
		}
	}
	if start >= 0 {
		args = append(args, s[start:])
	}
	return args, len(args) <= maxArgs
}

// size reads a decimal number of at most nine digits, as the server does; -1: s is no such number.
func size(s []byte) int {
	if len(s) == 0 || len(s) > 9 {
		return -1
	}
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
