package e2e

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// redisServer is a real Redis that a test can kill and start again.
type redisServer struct {
	r    *rig
	dir  string
	port int
	*process
}

// redis starts a Redis server. It must be installed: a test that is left out proves nothing.
func (r *rig) redis() *redisServer {
	r.t.Helper()
	s := &redisServer{r: r, dir: r.t.TempDir(), port: freePort(r.t)}
	s.start()
	return s
}

func (s *redisServer) url() string { return "redis://" + local(s.port) }

// start starts the server on its port and data, and waits until it answers.
func (s *redisServer) start() {
	t := s.r.t
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed; install it with: apt-get install redis-server, or: make deps")
	}
	s.process = launch(t, s.r.dir, fmt.Sprintf("redis-%d", s.port), s.r.env(), path,
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", s.dir)
	latticetest.Eventually(t, func() error {
		_, err := s.command("PING")
		return err
	})
}

// do sends a command in Redis's inline form and returns the value of a simple answer.
func (s *redisServer) do(words ...string) string {
	s.r.t.Helper()
	v, err := s.command(words...)
	if err != nil {
		s.r.t.Fatalf("redis %v: %v", words, err)
	}
	return v
}

func (s *redisServer) command(words ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", local(s.port), time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", strings.Join(words, " ")); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	value := strings.TrimRight(line[1:], "\r\n")
	switch line[0] {
	case '-':
		return "", fmt.Errorf("redis: %s", value)
	case '$':
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return "", err
		}
		b := make([]byte, n)
		for got := 0; got < n; {
			m, err := in.Read(b[got:])
			if err != nil {
				return "", err
			}
			got += m
		}
		return string(b), nil
	}
	return value, nil
}
