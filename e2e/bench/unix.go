package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// pinged is about what a request of the echo takes on the local channel.
var pinged = bytes.Repeat([]byte("f"), 200)

// serveUnix echoes messages on a Unix socket: what any way between two processes takes at least.
func serveUnix(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	go untilParentEnds(func() { _ = l.Close() })
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c},
			make([]byte, len(pinged))) // one connection after the other
		_ = c.Close()
	}
}

// unixRoundTrip is the median time of a message to another process and back, at a rate at which both sleep in between.
func (l *lab) unixRoundTrip() (float64, error) {
	dir, err := os.MkdirTemp(l.dir, "unix")
	if err != nil {
		return 0, err
	}
	path := filepath.Join(dir, "s")
	server, err := start(nil, l.self, "-role", "unix", "-socket", path)
	if err != nil {
		return 0, err
	}
	defer server.stop()
	var c net.Conn
	if err := until(10*time.Second, func() error {
		c, err = net.Dial("unix", path)
		return err
	}); err != nil {
		return 0, err
	}
	defer c.Close()
	back := make([]byte, len(pinged))
	at, err := openCalls(1, lowRate, l.window, func(int) error {
		if _, err := c.Write(pinged); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, back); err != nil || !slices.Equal(back, pinged) {
			return fmt.Errorf("%q came back: %w", back, err)
		}
		return nil
	})
	return micros(at.at(.5)), err
}
