package natsconn

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// probeTimeout bounds each step of finding out what answers at an address.
const probeTimeout = time.Second

// misfit says in a line what is wrong when what answers at an address is not what its URL says, and what to write
// instead; "" when there is no answer or all fits. It looks only after a connection has failed.
func misfit(ctx context.Context, cfg Config) string {
	first, _, _ := strings.Cut(cfg.URL, ",")
	u, err := parseURL(first)
	if err != nil || cfg.InProcess != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	if port == "" {
		port = "4222"
	}
	return natsURL{u}.misfit(answererAt(ctx, net.JoinHostPort(u.Hostname(), port)), cfg.needsTLS())
}

// answerer is what answers at an address.
type answerer struct {
	reached bool
	nats    bool   // greets as a NATS server does,
	tls     bool   // and offers TLS
	http    string // status line of an HTTP answer
	alert   bool   // answers plain text with a TLS alert
}

// natsURL is a URL of a NATS server.
type natsURL struct{ *url.URL }

func (u natsURL) as(scheme string) string {
	other := url.URL{Scheme: scheme, Host: u.Host}
	return other.String()
}

// misfit compares what was asked for with what answers, and says what to write instead; "": they fit, or nothing
// answers.
func (u natsURL) misfit(a answerer, wantsTLS bool) string {
	web := u.Scheme == "ws" || u.Scheme == "wss"
	switch {
	case !a.reached:
		return ""
	case a.nats && web:
		return "a NATS server answers there, but speaks no WebSocket on that port; write " + u.as("nats")
	case a.nats && !a.tls && (u.Scheme == "tls" || wantsTLS):
		return "the server there does not speak TLS; write " + u.as("nats") +
			" and give no certificates, or let the server speak TLS"
	case a.nats:
		return ""
	case a.http != "" && u.Scheme == "wss":
		return "what answers there speaks plain HTTP (" + a.http + "); write " + u.as("ws") +
			" if it is a NATS server's WebSocket"
	case a.http != "" && web:
		return "what answers there speaks HTTP (" + a.http +
			"), but no NATS over WebSocket; is it a proxy that does not pass WebSockets on?"
	case a.http != "":
		return "an HTTP server or a proxy answers there (" + a.http +
			"), no NATS server; is the port right? For NATS over WebSocket write " + u.as("ws")
	case a.alert && u.Scheme == "ws":
		return "what answers there speaks TLS; write " + u.as("wss")
	case a.alert && !web:
		return "what answers there speaks TLS from the first byte and greets nobody; " +
			"for a NATS server with handshake_first use a context with tls_first, for its WebSocket write " +
			u.as("wss")
	case a.alert:
		return ""
	}
	return "something listens there, but does not greet as a NATS server does; is the port right?"
}

// answererAt listens for a greeting. Where none comes, it asks as a browser would.
func answererAt(ctx context.Context, address string) (a answerer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*probeTimeout)
	defer cancel()
	c, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return a
	}
	defer c.Close()
	a.reached = true
	in := bufio.NewReader(c)
	_ = c.SetDeadline(time.Now().Add(probeTimeout / 2))
	if _, err := in.Peek(1); err != nil {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			return a
		}
		_ = c.SetDeadline(time.Now().Add(probeTimeout))
		if _, err := c.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
			return a
		}
	}
	const alert, longest = 0x15, 4 << 10
	if head, err := in.Peek(2); err == nil && head[0] == alert && head[1] == 3 {
		a.alert = true
		return a
	}
	line, _ := in.ReadSlice('\n')
	text := strings.TrimSpace(string(line[:min(len(line), longest)]))
	switch {
	case strings.HasPrefix(text, "INFO "):
		a.nats = true
		var info struct {
			Required  bool `json:"tls_required"`
			Available bool `json:"tls_available"`
		}
		_ = json.Unmarshal([]byte(strings.TrimPrefix(text, "INFO ")), &info) // what is cut off is no matter
		a.tls = info.Required || info.Available
	case strings.HasPrefix(text, "HTTP/"):
		a.http = lattice.Printable(text)
	}
	return a
}
