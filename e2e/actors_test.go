package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// An actor on one host calls one on another: by call alias and by key, and hears when it is gone.
func TestActorToActor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hosts := r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("pinger"), "--host", "a", "--max", "4")
	ponger := r.actor(module("ponger"), "--host", "b", "--max", "4")
	url := r.web("pinger")
	want(t, "GET", url+"/", nil, 200, `{"value":"pong"}`)
	want(t, "GET", url+"/?key="+string(ponger), nil, 200, `{"value":"pong"}`)
	want(t, "GET", url+"/?key=weft/nobody", nil, 502, "")
	l := startLoad(t, 50, gets(url+"/"), wantStatus(200))
	l.more(50)
	// The host has heard the other's beats: it calls it by itself, with a MAC.
	latticetest.Eventually(t, func() error {
		if n := hosts[0].metric("weft_calls_sent_total", `route="direct"`, `auth="mac"`); n < 25 {
			return fmt.Errorf("%v calls went to the other host with a MAC\n%s", n,
				grep(hosts[0].metrics(), "weft_calls_sent_total"))
		}
		return nil
	})
	r.weft("actor", "start", module("ponger"), "--host", "a", "--max", "4")
	r.weft("actor", "stop", "ponger", "--host", "b") // moved while it is called
	l.more(50)
	l.stop().flawless(t, 100)
	r.weft("actor", "stop", "ponger")
	if status, body := fetch(t, "GET", url+"/", nil); status != 502 ||
		!strings.Contains(body, "no responders: ponger runs on no host; start it with: weft actor start REFERENCE") {
		t.Errorf("without ponger: %d %s", status, body)
	}
}

// One host has one instance of an actor, another has many. Requests that come to the first, more than it can serve, are
// served by the second: no request is turned away while the second host idles.
func TestSpillOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hosts := r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("guest"), "--host", "a", "--max", "1")
	r.actor(module("guest"), "--host", "b", "--max", "32")
	url := r.web("guest")
	latticetest.Eventually(t, func() error { // it hears of the others from the first call on, with their next beat
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = answers("GET", url+"/sleep?ms=100", nil, 200) })
		}
		all.Wait()
		return errors.Join(errs...)
	})
	l := startLoad(t, 40, gets(url+"/sleep?ms=100"), wantStatus(200)) // four times what host a can do
	l.more(120)
	l.stop().flawless(t, 120)
	provider := func(words ...string) float64 {
		return hosts[0].metric("weft_provider_calls_sent_total", words...)
	}
	if n := provider(`auth="mac"`); n < 40 {
		t.Errorf("the httpserver sent %v calls with a MAC\n%s", n,
			grep(hosts[0].metrics(), "weft_provider_calls_sent_total"))
	}
	if n := hosts[1].metric("weft_invocations_total"); n < 60 {
		t.Errorf("the host with room served %v calls", n)
	}
}

// Two hosts count in one store at the same time and lose nothing; a third that comes late knows the link and goes on.
func TestCountTogether(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	redis := r.redis()
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-nats", "--spread") // on both
	r.weft("provider", "start", "keyvalue-redis", "--spread")
	r.actor(module("kvcounter"), "--max", "16", "--spread")
	url := r.web("kvcounter")
	const requests = 300
	for _, link := range [][]string{{"keyvalue-nats"}, {"keyvalue-redis", "url=" + redis.url()}} {
		t.Run(link[0], func(t *testing.T) {
			r.weft(append([]string{"link", "put", "kvcounter"}, link...)...)
			path := "/" + link[0]
			got := make([]int, requests)
			var all sync.WaitGroup
			turn := make(chan struct{}, 16)
			for i := range got {
				turn <- struct{}{}
				all.Go(func() {
					defer func() { <-turn }()
					_, body, err := request("GET", url+path, nil)
					if err == nil {
						_, err = fmt.Sscanf(body, `{"counter":%d}`, &got[i])
					}
					if err != nil {
						t.Errorf("%v: %s", err, body)
					}
				})
			}
			all.Wait()
			slices.Sort(got)
			for i, n := range got {
				if n != i+1 {
					t.Fatalf("%d requests were given the numbers %v", requests, got)
				}
			}
			want(t, "GET", url+path, nil, 200, fmt.Sprintf(`{"counter":%d}`, requests+1))
		})
	}
	if v := redis.do("GET", "counter::keyvalue-redis"); v != fmt.Sprint(requests+1) {
		t.Errorf("Redis has %q", v)
	}
	r.host("late")
	r.weft("actor", "start", module("kvcounter"), "--host", "late")
	r.weft("actor", "stop", "kvcounter", "--host", "a")
	r.weft("actor", "stop", "kvcounter", "--host", "b")
	want(t, "GET", url+"/keyvalue-redis", nil, 200, fmt.Sprintf(`{"counter":%d}`, requests+2))
}

// The trace of an HTTP request is found in what the actor logs, through two processes.
func TestTrace(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("guest"), "--host", "b")
	url := r.web("guest")
	follow := launch(t, r.dir, "logs", append(r.env(), "WEFT_DATA_DIR="+r.dir+"/operator"), bin.weft, "logs", "-f",
		"guest", "-o", "json")

	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	transport := &http.Transport{DisableKeepAlives: true}
	req, err := http.NewRequest("POST", url+"/log", strings.NewReader("something happened"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want(t, "POST", url+"/log", []byte("without a trace"), 200, "")

	type line struct {
		Level   string    `json:"level"`
		Text    string    `json:"text"`
		TraceID string    `json:"trace_id"`
		Time    time.Time `json:"time"`
	}
	read := func(text string) []line {
		var lines []line
		d := json.NewDecoder(strings.NewReader(text))
		for {
			var l line
			if d.Decode(&l) != nil {
				return lines
			}
			lines = append(lines, l)
		}
	}
	check := func(from, text string) error {
		lines := read(text)
		if len(lines) != 2 {
			return fmt.Errorf("%s: %d lines: %s", from, len(lines), text)
		}
		if l := lines[0]; l.Level != "warn" || l.Text != "something happened" || l.TraceID != id ||
			time.Since(l.Time) > time.Minute {
			return fmt.Errorf("%s: %+v, want trace %s", from, l, id)
		}
		if l := lines[1]; l.Text != "without a trace" || len(l.TraceID) != 32 || l.TraceID == id {
			return fmt.Errorf("%s: %+v, want a trace of its own", from, l)
		}
		return nil
	}
	if err := check("weft logs", r.weft("logs", "guest", "-o", "json")); err != nil {
		t.Error(err)
	}
	latticetest.Eventually(t, func() error { return check("weft logs -f", tail(follow.stdout, 1<<20)) })
	if text := r.weft("logs", "guest"); !strings.Contains(text, "["+id[:8]+"] something happened\n") {
		t.Errorf("weft logs: %s", text)
	}
	if text := r.weft("logs", "guest", "--lines", "1"); !strings.Contains(text, "without a trace") ||
		strings.Contains(text, "something happened") {
		t.Errorf("weft logs --lines 1: %s", text)
	}
	// A failed request tells its trace to the client.
	req, err = http.NewRequest("GET", url+"/sleep?ms=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("traceparent", "00-"+id+"-00f067aa0ba902b7-01")
	resp, err = (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var failure struct {
		Code    string `json:"code"`
		TraceID string `json:"trace_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&failure); err != nil || resp.StatusCode != 500 ||
		failure.Code != "guest" || failure.TraceID != id {
		t.Errorf("a failed request: %d %+v, %v", resp.StatusCode, failure, err)
	}
}

// A provider that somebody else has written is packed, signed and started from its executable.
func TestThirdPartyProvider(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hosts := r.hosts([]string{"a", "b"})
	r.fails(2, "--contract", "provider", "start", bin.greeter)
	s := get[started](r, "provider", "start", bin.greeter, "--contract", "acme:greeter", "--host", "b")
	if s.Name != "greeter" || !strings.HasPrefix(s.ID, "V") || !strings.HasPrefix(s.Ref, "lattice://greeter@sha256:") {
		t.Errorf("provider start: %+v", s)
	}
	if again := get[started](r, "provider", "start", bin.greeter, "--contract", "acme:greeter", "--host",
		"b"); again.ID != s.ID || again.Ref != s.Ref {
		t.Errorf("provider start, again: %+v", again)
	}
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("guest"), "--host", "a", "--max", "4")
	url := r.web("guest")
	if status, body := fetch(t, "GET", url+"/greet?name=Ada", nil); status != 502 ||
		!strings.Contains(body, "missing link definition") {
		t.Errorf("without a link: %d %s", status, body)
	}
	r.fails(2, "greeter knows no such value; did you mean greeting?", "link", "put", "guest", "greeter", "greting=Moin")
	if res := r.try("link", "put", "guest", "greeter", "greeting=Moin"); res.code != 0 ||
		strings.Contains(res.errout, "warning") {
		t.Errorf("a link as it should be: %v", res)
	}
	want(t, "GET", url+"/greet?name=Ada", nil, 200, "Moin, Ada!")
	r.weft("link", "put", "guest", "greeter", "greeting=Servus") // revised
	latticetest.Eventually(t, func() error {
		_, body, err := request("GET", url+"/greet?name=Ada", nil)
		if err == nil && body != "Servus, Ada!" {
			err = fmt.Errorf("answer %q", body)
		}
		return err
	})
	p, err := r.provider(hosts[1], "")
	if err == nil {
		t.Errorf("a provider without an id: %+v", p)
	}
	r.weft("provider", "stop", "greeter")
	if status, body := fetch(t, "GET", url+"/greet?name=Ada", nil); status != 502 ||
		!strings.Contains(body, "no responders") {
		t.Errorf("without the provider: %d %s", status, body)
	}
	for _, l := range get[[]struct {
		Contract string `json:"contract_id"`
		State    string `json:"state"`
	}](r, "link", "list") {
		if l.Contract == "acme:greeter" && l.State != "pending" {
			t.Errorf("the link to the stopped provider is %s", l.State)
		}
	}
	if res := r.try("link", "put", "guest", "greeter", "greeting=Servus"); res.code != 0 ||
		!strings.Contains(res.errout, "warning: nobody has checked the names of the values: greeter may ignore") {
		t.Errorf("a put while the provider does not run: %v", res)
	}
	if res := r.try("link", "put", "guest", "keyvalue-nats"); res.code != 0 ||
		!strings.Contains(res.errout, "warning: the claims of guest do not name wasmcloud:keyvalue, "+
			"so its calls over the link are refused; sign it with: --cap wasmcloud:keyvalue") {
		t.Errorf("a put that the claims do not cover: %v", res)
	}
	r.weft("provider", "start", bin.greeter, "--contract", "acme:greeter", "--host", "a") // elsewhere, with its links
	want(t, "GET", url+"/greet?name=Ada", nil, 200, "Servus, Ada!")
}
