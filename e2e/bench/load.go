package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// client is a minimal HTTP/1.1 client on one kept connection, so that the load generator costs little beside what it
// measures, and the same for all that is compared.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	size    int // of the last answer, header included
}

func dial(addr, path string, body []byte) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	req := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n", path, len(body))
	return &client{conn: conn, in: bufio.NewReader(conn), request: append(req, body...)}, nil
}

var errStatus = errors.New("status is not 200")

// ask makes one request and returns the answer, whatever it is.
func (c *client) ask() (status int, body []byte, err error) {
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	c.size = len(line)
	length, chunked := -1, false
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		c.size += len(line)
		if len(line) <= 2 {
			break
		}
		if name, value, found := bytes.Cut(line, []byte(":")); found &&
			bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, nil, err
			}
		} else if found && bytes.EqualFold(name, []byte("transfer-encoding")) {
			chunked = bytes.Equal(bytes.TrimSpace(value), []byte("chunked"))
		}
	}
	if chunked {
		body, err = c.chunks()
		return status, body, err
	}
	if length < 0 {
		return 0, nil, errors.New("no content-length")
	}
	c.size += length
	body = make([]byte, length)
	_, err = io.ReadFull(c.in, body)
	return status, body, err
}

// chunks reads a body whose length is not told before; it has no trailers.
func (c *client) chunks() (body []byte, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return nil, err
		}
		c.size += len(line) + int(size) + 2
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(c.in, chunk); err != nil {
			return nil, err
		}
		if size == 0 {
			return body, nil
		}
		body = append(body, chunk[:size]...)
	}
}

// do makes one request and checks the answer.
func (c *client) do(want []byte) error {
	status, body, err := c.ask()
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("%w: %d %s", errStatus, status, bytes.TrimSpace(body))
	case !bytes.Equal(body, want):
		return fmt.Errorf("answer %q, want %q", body, want)
	}
	return nil
}

// closedLoop keeps n connections busy for a time and returns the requests per second. Any wrong answer is an error.
func closedLoop(addr, path string, body, want []byte, n int, d time.Duration) (float64, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, n)
	stop := make(chan struct{})
	clients := make([]*client, n)
	for i := range clients {
		var err error
		if clients[i], err = dial(addr, path, body); err != nil {
			return 0, err
		}
		defer clients[i].conn.Close()
	}
	for i, c := range clients {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if errs[i] = c.do(want); errs[i] != nil {
					return
				}
				done.Add(1)
			}
		})
	}
	start := time.Now()
	time.Sleep(d)
	close(stop)
	wg.Wait()
	return float64(done.Load()) / time.Since(start).Seconds(), errors.Join(errs...)
}

// median returns the middle of some values.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if len(v) == 0 {
		return 0
	}
	return v[len(v)/2]
}
