package http1

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Response takes the answer to a request: Begin, then Set for each header, then one of Body, Stream and NoBody. It adds
// the date, unless it has been set, the length and what is to happen to the connection. It belongs to the handler until
// that returns.
type Response struct {
	out    []byte
	conn   *conn
	head   bool // the request is one for a head
	close  bool // the connection ends after this answer
	status int
	dated  bool // by the handler
	ended  bool
}

// Begin begins the answer, or begins it anew where none of it has been sent.
func (w *Response) Begin(status int) {
	w.out, w.status, w.dated, w.ended = w.out[:w.conn.answered], status, false, false
	w.out = append(w.out, "HTTP/1.1 "...)
	w.out = strconv.AppendInt(w.out, int64(status), 10)
	w.out = append(w.out, ' ')
	if name := http.StatusText(status); name != "" {
		w.out = append(w.out, name...)
	} else {
		w.out = strconv.AppendInt(append(w.out, "status code "...), int64(status), 10)
	}
	w.out = append(w.out, "\r\n"...)
}

// Set adds a header. Name and value must be valid ones, which is for the caller to see to; each part of the name begins
// with a capital as it is sent.
func (w *Response) Set(name, value string) {
	up := true
	for i := range len(name) {
		c := lower[name[i]]
		if up && c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		up = c == '-'
		w.out = append(w.out, c)
	}
	w.dated = w.dated || len(name) == len("date") && strings.EqualFold(name, "date")
	w.out = append(w.out, ": "...)
	w.out = append(w.out, value...)
	w.out = append(w.out, "\r\n"...)
}

// Close ends the connection after this answer.
func (w *Response) Close() { w.close = true }

// end ends the head.
func (w *Response) end() {
	if !w.dated {
		w.out = append(w.out, date()...)
	}
	w.close = w.close || w.conn.server.closing.Load()
	if w.close {
		w.out = append(w.out, "Connection: close\r\n"...)
	}
	w.out = append(w.out, "\r\n"...)
	w.ended = true
}

func (w *Response) length(n int64) {
	w.out = append(w.out, "Content-Length: "...)
	w.out = strconv.AppendInt(w.out, n, 10)
	w.out = append(w.out, "\r\n"...)
}

// Body ends the answer with a body, or with its length alone if the request is one for a head.
func (w *Response) Body(b []byte) {
	w.length(int64(len(b)))
	w.end()
	switch {
	case w.head:
	case len(b) <= maxGathered:
		w.out = append(w.out, b...)
	default:
		w.write(b)
	}
}

// Stream ends the answer with a body of n bytes that copy writes, whose error it returns. With too few bytes the
// connection ends, so that the client does not take what it has for all.
func (w *Response) Stream(n int64, copy func(io.Writer) error) error {
	w.length(n)
	w.end()
	if w.head {
		return nil
	}
	w.write(nil)
	into := &exact{w: w.conn, left: n}
	err := copy(into)
	if into.left > 0 {
		w.conn.broken = true
	}
	return err
}

// Lasting says that the answer may wait for more to be written, for which the connection needs nothing.
func (w *Response) Lasting() {}

// Chunks ends the answer with what copy writes, in chunks, and with trailers. It returns the error of copy; without the
// last chunk the connection ends, so that the client does not take what it has for all.
func (w *Response) Chunks(copy func(w io.Writer, flush func() error) error,
	trailers func(yield func(name, value string) bool)) error {
	w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
	w.end()
	if w.head {
		return nil
	}
	into := &chunks{w}
	err := copy(into, into.flush)
	if err == nil {
		w.out = append(w.out, "0\r\n"...)
		for name, value := range trailers {
			w.Set(name, value)
		}
		w.out = append(w.out, "\r\n"...)
		err = into.flush()
	}
	if err != nil {
		w.conn.broken = true
	}
	return err
}

// chunks writes chunks. They are sent when there is enough, or by flush.
type chunks struct{ *Response }

func (c *chunks) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	w := c.Response
	w.out = append(strconv.AppendInt(w.out, int64(len(b)), 16), "\r\n"...)
	w.out = append(append(w.out, b...), "\r\n"...)
	if len(w.out) > progress/2 {
		return len(b), c.flush()
	}
	return len(b), nil
}

func (c *chunks) flush() error {
	_, err := c.conn.Write(c.out)
	c.out, c.conn.answered = c.out[:0], 0
	return err
}

// NoBody ends an answer without a body; a length that is not negative is that of the body which another request would
// get.
func (w *Response) NoBody(length int64) {
	if length >= 0 {
		w.length(length)
	}
	w.end()
}

// write sends what has been gathered, and then b.
func (w *Response) write(b []byte) {
	_, _ = w.conn.Write(w.out)
	_, _ = w.conn.Write(b)
	w.out, w.conn.answered = w.out[:0], 0
}

// exact counts what is written, and lets no more through than was promised.
type exact struct {
	w    io.Writer
	left int64
}

func (e *exact) Write(b []byte) (int, error) {
	if int64(len(b)) > e.left {
		return 0, io.ErrShortWrite
	}
	n, err := e.w.Write(b)
	e.left -= int64(n)
	return n, err
}

// stamp is a Date header and the second that it is of.
type stamp struct {
	second int64
	line   []byte
}

var latest atomic.Pointer[stamp]

// date returns the Date header of now, which is made once a second.
func date() []byte {
	now := time.Now()
	s := latest.Load()
	if s == nil || s.second != now.Unix() {
		s = &stamp{now.Unix(), append(now.UTC().AppendFormat([]byte("Date: "), http.TimeFormat), "\r\n"...)}
		latest.Store(s)
	}
	return s.line
}
