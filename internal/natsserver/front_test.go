package natsserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/latticetest/output"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// frontOf starts a server with one operator, and returns the operator's credentials.
func frontOf(t testing.TB, cfg Config) (*Server, natsauth.Credentials, *output.Text) {
	t.Helper()
	authority, err := signing.New(signing.KindAccount)
	if err != nil {
		t.Fatal(err)
	}
	creds, id, err := natsauth.Issue(authority, natsauth.Identity{Lattice: "l", Name: "otto",
		Roles:     []natsauth.Role{natsauth.Operator},
		Subscribe: []string{"wasmbus.>"}, Publish: []string{"_INBOX_operator_l.>"}})
	if err != nil {
		t.Fatal(err)
	}
	users := t.TempDir() + "/users.json"
	if err := natsauth.OpenUsers(users).Add(id); err != nil {
		t.Fatal(err)
	}
	text := &output.Text{}
	cfg.Port, cfg.DataDir, cfg.Users = -1, t.TempDir(), natsauth.NewVerifier(authority.Public(), users, nil)
	cfg.Logger = slog.New(slog.NewTextHandler(text, nil))
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, creds, text
}

func connectAs(t testing.TB, s *Server, c natsauth.Credentials) *nats.Conn {
	t.Helper()
	id, err := natsauth.Read(c.JWT)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.URL(), nats.UserJWTAndSeed(c.JWT, c.Seed), nats.CustomInboxPrefix(id.Inbox()),
		nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// The client learns from the server's error why its message went nowhere. The operator learns from the log which user
// sent it from which address. Other messages on the same connection go on.
func TestReplyThatIsNoInboxIsToldToBothEnds(t *testing.T) {
	s, creds, log := frontOf(t, Config{})
	nc := connectAs(t, s, creds)
	if err := nc.PublishRequest("wasmbus.rpc.l.M", "$KV.LATTICEDATA_l.x", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := nc.LastError(); err == nil || !strings.Contains(err.Error(), noInbox) {
		t.Errorf("the client got %v", err)
	}
	for _, want := range []string{"otto", "address=127.0.0.1:", "subject=wasmbus.rpc.l.M",
		"reply=$KV.LATTICEDATA_l.x"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
	sub, err := nc.SubscribeSync("wasmbus.rpc.l.M")
	if err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("x"), 8<<20)
	if err := nc.PublishRequest("wasmbus.rpc.l.M", nc.NewInbox(), big); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(time.Minute); err != nil || !bytes.Equal(m.Data, big) {
		t.Fatalf("the message after it: %v", err)
	}
}

// raw is a client that says what it likes.
func raw(t *testing.T, s *Server) (net.Conn, *bufio.Reader, map[string]any) {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", s.Port()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var info map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info); err != nil {
		t.Fatal(err)
	}
	return c, r, info
}

func TestFrontEndsMalformedConnectionsWithAnError(t *testing.T) {
	s, creds, log := frontOf(t, Config{})
	key, err := signing.FromSeed(creds.Seed)
	if err != nil {
		t.Fatal(err)
	}
	const known = "known: " // the client presents its credentials first
	for _, tc := range []struct{ say, want string }{
		{known + "GET / HTTP/1.1\r\n\r\n", "Unknown Protocol Operation"},
		{known + "PUB a $KV.x 1\r\nxx\r\n", "Unknown Protocol Operation"},
		{known + "PUB wasmbus.rpc.l.M 1\r\nxx\r\n", "Unknown Protocol Operation"},
		{known + "PUB wasmbus.rpc.l.M $KV.x 8388609\r\n", "Maximum Payload Violation"},
		{"GET / HTTP/1.1\r\n\r\n", "Authorization Violation"},
		{"PROXY TCP4 10.9.9.9 10.9.9.9 1 2\r\n", "Authorization Violation"},
		{"PUB a 1\r\nx\r\n", "Authorization Violation"}, // a client that does not present credentials first
		{`CONNECT {"jwt":"x","sig":"y","name":"mallory"}` + "\r\nPING\r\n", "Authorization Violation"},
		{`CONNECT {"user":"weft gate $SYS","pass":"x"}` + "\r\nPING\r\n", "Authorization Violation"},
	} {
		c, r, info := raw(t, s)
		if info["port"] != float64(s.Port()) || info["client_ip"] != "127.0.0.1" || info["tls_required"] != false {
			t.Errorf("greeted with %v", info)
		}
		say := tc.say
		if rest, ok := strings.CutPrefix(say, known); ok {
			sig := key.Sign([]byte(info["nonce"].(string)))
			say = fmt.Sprintf("CONNECT {\"verbose\":false,\"jwt\":%q,\"sig\":%q}\r\nPING\r\n%s", creds.JWT,
				base64.RawURLEncoding.EncodeToString(sig), rest)
		}
		if _, err := io.WriteString(c, say); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || !strings.Contains(string(b), "-ERR '"+tc.want) {
			t.Errorf("%.30q: got %q, %v; want %s", tc.say, b, err, tc.want)
		}
		if strings.Contains(tc.say, "mallory") && !strings.Contains(log.String(), "address="+c.LocalAddr().String()+
			" name=mallory") {
			t.Errorf("the log does not name %s:\n%s", c.LocalAddr(), log)
		}
	}
	if strings.Contains(log.String(), "10.9.9.9") {
		t.Errorf("a client gave itself an address:\n%s", log)
	}
}

// Close ends clients that say nothing, that have not greeted, and that do not read what they asked for.
func TestCloseEndsEveryConnection(t *testing.T) {
	s, creds, _ := frontOf(t, Config{})
	nc := connectAs(t, s, creds)
	silent, _, _ := raw(t, s)
	deaf := connectAs(t, s, creds)
	block := make(chan struct{})
	if _, err := deaf.Subscribe("wasmbus.rpc.l.M", func(*nats.Msg) { <-block }); err != nil {
		t.Fatal(err)
	}
	if err := deaf.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if err := nc.Publish("wasmbus.rpc.l.M", make([]byte, 8<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(block)
	if _, err := io.ReadAll(silent); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the silent client got %v", err)
	}
	if c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", s.Port())); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

// eventually is that of package latticetest, which this one cannot import.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// A client that does not read what it asked for does not hold up the others, and is disconnected.
func TestDeafClientIsDisconnected(t *testing.T) {
	long.Test(t, "waits for a client that does not read")
	s, creds, _ := frontOf(t, Config{})
	key, err := signing.FromSeed(creds.Seed)
	if err != nil {
		t.Fatal(err)
	}
	deaf, r, info := raw(t, s)
	sig := base64.RawURLEncoding.EncodeToString(key.Sign([]byte(info["nonce"].(string))))
	if _, err := fmt.Fprintf(deaf,
		"CONNECT {\"verbose\":false,\"jwt\":%q,\"sig\":%q}\r\nSUB wasmbus.rpc.l.M 1\r\nPING\r\n", creds.JWT,
		sig); err != nil {
		t.Fatal(err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != "PONG\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	nc := connectAs(t, s, creds)
	eventually(t, func() error {
		if err := nc.Publish("wasmbus.rpc.l.M", make([]byte, 8<<20)); err != nil {
			t.Fatal(err)
		}
		if err := nc.FlushTimeout(time.Minute); err != nil {
			t.Fatalf("another client is held up: %v", err)
		}
		if n := s.srv.NumSlowConsumers(); n == 0 {
			return fmt.Errorf("%d slow consumers", n)
		}
		return nil
	})
	eventually(t, func() error {
		if n := s.front.conns.Len(); n != 1 {
			return fmt.Errorf("%d connections", n)
		}
		return nil
	})
}

func TestPortInUseWithUsers(t *testing.T) {
	s, _, _ := frontOf(t, Config{})
	_, err := Start(t.Context(), Config{Port: s.Port(), DataDir: t.TempDir(), Users: s.door.users})
	if !errors.Is(err, lattice.ErrConflict) || !strings.Contains(err.Error(), fmt.Sprint(s.Port())) {
		t.Fatalf("got %v, want a conflict that names port %d", err, s.Port())
	}
}
