package natsserver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/acceptor"
	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice"
)

const (
	authTimeout  = 2 * time.Second  // that a client may take to present its credentials, after the handshake
	writeTimeout = 10 * time.Second // of what a client does not read; the server has the same
	farewellTime = 2 * time.Second  // that the server may take to tell a client why it ends the connection
)

// front listens in the place of a server with users, does TLS, and carries each connection to the server through a
// filter.
type front struct {
	door  *door
	srv   *server.Server
	tls   *tls.Config // nil is plain
	max   int         // bytes of a payload
	host  string      // as it was given
	conns *acceptor.Acceptor
	log   *slog.Logger
	limit *rate.Limiter // of lines in the log, which any client can cause
	told  *rate.Limiter // of refused messages there, which only users can cause
}

// behind makes o the options of a server that does not listen itself, and returns the TLS that the front does for it.
func behind(o *server.Options) *tls.Config {
	secure := o.TLSConfig
	o.DontListen, o.TLS, o.TLSConfig = true, false, nil
	o.ProxyProtocol = true // so the front names the client's address
	o.AuthTimeout = authTimeout.Seconds()
	if secure != nil { // the server counts from its greeting
		o.AuthTimeout += tlsTimeout
	}
	return secure
}

// openFront begins to accept connections.
func openFront(d *door, srv *server.Server, secure *tls.Config, maxPayload int, host string, port int) (*front, error) {
	l, err := net.Listen(netaddr.Network(host), net.JoinHostPort(host, strconv.Itoa(max(port, 0))))
	if err != nil {
		return nil, err
	}
	f := &front{door: d, srv: srv, tls: secure, max: maxPayload, host: host, log: d.log, limit: rate.NewLimiter(1, 10),
		told: rate.NewLimiter(1, 10), conns: acceptor.New(l)}
	f.conns.Start(f.serve, func(err error) {
		f.warn("NATS server accepts no connections at present", lattice.LogErr, err)
	})
	return f, nil
}

// stop accepts no more. A nil front does nothing, as with close.
func (f *front) stop() {
	if f != nil {
		_ = f.conns.Stop() // nothing is to be done about it
	}
}

// close ends all connections and waits for what serves them.
func (f *front) close() {
	if f != nil {
		_ = f.conns.Close()
	}
}

// warn logs what a stranger does, within the limit for strangers.
func (f *front) warn(text string, args ...any) {
	if f.limit.Allow() {
		f.log.Warn(text, args...)
	}
}

// serve carries one connection until either side ends it.
func (f *front) serve(raw net.Conn) {
	srv, err := f.srv.InProcessConn()
	if err != nil { // it is shutting down
		return
	}
	defer srv.Close()
	from := bufio.NewReaderSize(srv, filterIn)
	client, id, err := f.greet(raw, srv, from)
	if err != nil {
		if !errors.Is(err, io.EOF) { // a client that only looks whether the port is open
			f.warn("NATS client not connected", "address", raw.RemoteAddr().String(), lattice.LogErr, err)
		}
		return
	}
	var down sync.WaitGroup
	down.Go(func() { pour(client, from) })
	err = newFilter(client, srv, f.max, func(subj, reply string) { f.refused(raw, id, subj, reply) }).run()
	if errors.Is(err, errProtocol) || errors.Is(err, errPayload) {
		f.warn("NATS client disconnected", "address", raw.RemoteAddr().String(), "user", f.door.who(id),
			lattice.LogErr, err)
		_ = srv.SetReadDeadline(time.Now().Add(farewellTime))
	} else {
		_ = srv.Close()
	}
	down.Wait()
}

// refused tells of a message that was not passed on. Strangers and users have limits of their own: a stranger must not
// use up what operators hear of users.
func (f *front) refused(raw net.Conn, id uint64, subj, reply string) {
	who, limit := f.door.who(id), f.told
	if who == "" { // not yet looked at by the server, which takes no messages of strangers
		limit = f.limit
	}
	if limit.Allow() {
		f.log.Warn("NATS message refused: the answer to it would go to what is no inbox", "user", who, "address",
			raw.RemoteAddr().String(),
			"subject", lattice.Printable(subj), "reply", lattice.Printable(reply))
	}
}

// greet passes on the server's greeting, turns TLS on, and returns the client's connection and its number in the
// server.
func (f *front) greet(raw, srv net.Conn, from *bufio.Reader) (net.Conn, uint64, error) {
	end := time.Now().Add(tlsTimeout * time.Second)
	if err := errors.Join(raw.SetDeadline(end), srv.SetDeadline(end)); err != nil {
		return nil, 0, err
	}
	line, err := from.ReadSlice('\n')
	if err != nil {
		return nil, 0, err
	}
	var info map[string]json.RawMessage
	var id uint64
	body, ok := bytes.CutPrefix(line, []byte("INFO "))
	if !ok || json.Unmarshal(body, &info) != nil || json.Unmarshal(info["client_id"], &id) != nil {
		return nil, 0, fmt.Errorf("the server greets with %s", lattice.Printable(string(line)))
	}
	here, ok1 := f.conns.Addr().(*net.TCPAddr)
	there, ok2 := raw.RemoteAddr().(*net.TCPAddr)
	if !ok1 || !ok2 {
		return nil, 0, errors.New("no TCP connection")
	}
	info["port"] = strconv.AppendInt(nil, int64(here.Port), 10)
	info["tls_required"] = strconv.AppendBool(nil, f.tls != nil)
	if info["client_ip"], err = json.Marshal(there.IP.String()); err != nil {
		return nil, 0, err
	}
	text, err := json.Marshal(info)
	if err == nil {
		_, err = io.WriteString(srv, proxyLine(there))
	}
	if err == nil {
		_, err = fmt.Fprintf(raw, "INFO %s\r\n", text)
	}
	if err != nil {
		return nil, 0, err
	}
	client := raw
	if f.tls != nil {
		secure := tls.Server(raw, f.tls)
		if err := secure.Handshake(); err != nil {
			return nil, 0, fmt.Errorf("TLS handshake: %w", err)
		}
		client = secure
	}
	return client, id, errors.Join(raw.SetDeadline(time.Time{}), srv.SetDeadline(time.Time{}))
}

// proxyLine tells the server whose connection it is, in the PROXY protocol. The client cannot say it: the filter knows
// no such operation.
func proxyLine(a *net.TCPAddr) string {
	ip, family := a.IP.String(), "TCP4"
	if strings.Contains(ip, ":") {
		family = "TCP6"
	}
	return fmt.Sprintf("PROXY %s %s %s %d 0\r\n", family, ip, ip, a.Port)
}

// pour carries what the server says to the client until either ends.
func pour(client net.Conn, from io.Reader) {
	defer client.Close()
	buf := make([]byte, filterIn)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if client.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
