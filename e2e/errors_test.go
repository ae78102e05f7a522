package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/wire"
)

// failed makes a request that must end with a status, and returns the trace that its answer names, which has no
// internals.
func failed(t *testing.T, method, url string, status int) (trace string) {
	t.Helper()
	trace, _ = failedWith(t, method, url, status)
	return trace
}

// failedWith is failed, and returns the code of the answer, too; "" is an actor's own answer.
func failedWith(t *testing.T, method, url string, status int) (trace, code string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Trace string `json:"trace_id"`
		Error string `json:"error"`
		Code  string `json:"code"`
	}
	_ = json.NewDecoder(resp.Body).Decode(&body) // the actor's own has another form
	trace = resp.Header.Get("X-Trace-Id")
	if resp.StatusCode != status || len(trace) != 32 || body.Trace != "" && body.Trace != trace {
		t.Errorf("%s %s: %d, header %q, body %+v; want %d", method, url, resp.StatusCode, trace, body, status)
	}
	for _, internal := range []string{"dial", "panic", "127.0.0.1", "purpose", "exited"} {
		if strings.Contains(body.Error, internal) {
			t.Errorf("the client is told %q", body.Error)
		}
	}
	return trace, body.Code
}

// findFailure waits until "weft errors --trace" shows an entry that fits.
func (r *rig) findFailure(trace, code string, words ...string) wire.Failure {
	r.t.Helper()
	var found wire.Failure
	latticetest.Eventually(r.t, func() error {
		out := r.weft("errors", "--trace", trace, "-o", "json")
		dec := json.NewDecoder(strings.NewReader(out))
		for dec.More() {
			var f wire.Failure
			if err := dec.Decode(&f); err != nil {
				r.t.Fatalf("%v\n%s", err, out)
			}
			fits := f.Code == code && strings.HasPrefix(f.TraceID, trace)
			for _, w := range words {
				fits = fits && strings.Contains(f.Message, w)
			}
			if fits {
				found = f
				return nil
			}
		}
		return fmt.Errorf("no entry %s with %q in\n%s", code, words, out)
	})
	return found
}

// TestWhyDidMyRequestFail: whatever a 500 or 503 comes from, on whatever host, the trace that the answer names finds it
// from the operator's machine. Three hosts that joined by tokens; the HTTP server and the actors are on different ones.
func TestWhyDidMyRequestFail(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	redis := r.redis()
	hosts := r.hosts([]string{"a", "b", "c"})
	a, b, c := hosts[0], hosts[1], hosts[2]
	r.weft("provider", "start", "httpserver", "--host", "c")
	r.weft("provider", "start", "keyvalue-redis", "--host", "b")
	hostile := r.actor(module("hostile"), "--max", "2", "--host", "a", "--timeout-exec", "2s")
	edge := r.actor(module("edge-data-processor"), "--max", "2", "--host", "b")
	url := r.web("hostile", "timeout_ms=20000")
	quick := r.web("edge-data-processor")

	trap := failed(t, "GET", url+"/pointer", 500)
	f := r.findFailure(trap, "bad_pointer")
	if f.HostID != a.ID || f.ActorID != hostile || f.Caller != string(httpserverID) ||
		f.Operation != "HttpServer.HandleRequest" {
		t.Errorf("trap: %+v", f)
	}
	if f = r.findFailure(failed(t, "GET", url+"/panic", 500), "guest", "panic", "on purpose"); f.HostID != a.ID ||
		f.Message != "guest trapped: panic: on purpose" {
		t.Errorf("panic: %+v", f)
	}
	r.findFailure(failed(t, "GET", url+"/loop", 500), "interrupted", "2s")
	if f = r.findFailure(trap[:8], "bad_pointer"); f.TraceID != trap { // as "weft logs" shows it
		t.Errorf("trap, by the beginning of its trace: %+v", f)
	}

	// The actor's own 503, because nothing is linked: the reason is what its call was told.
	unlinked := failed(t, "POST", quick+"/process", 503)
	if f = r.findFailure(unlinked, "unlinked", "weft link put"); f.HostID != b.ID ||
		f.Contract != "wasmcloud:keyvalue" || f.ActorID != edge {
		t.Errorf("unlinked: %+v", f)
	}
	if f = r.findFailure(unlinked, "guest", "the actor answered 503"); f.HostID != c.ID || f.Status != 503 {
		t.Errorf("answered: %+v", f)
	}
	// A provider whose backend is away.
	r.weft("link", "put", "edge-data-processor", "keyvalue-redis", "url="+redis.url())
	want(t, "POST", quick+"/process", []byte("hello"), 200, helloAnswer)
	redis.kill()
	if f = r.findFailure(failed(t, "POST", quick+"/process", 503), "unavailable", local(redis.port)); f.Target == "" ||
		f.HostID != b.ID {
		t.Errorf("redis away: %+v", f)
	}
	// Link and provider say it, too, with when and why.
	latticetest.Eventually(t, func() error {
		for _, list := range [][]string{{"link", "list"}, {"provider", "list"}} {
			out := r.weft(append(list, "-o", "json")...)
			// which is cut between words into lines of 80 characters
			shown := strings.Join(strings.Fields(r.weft(list...)), " ")
			for _, words := range []string{"since", "redis at " + local(redis.port) + " is away: dial tcp " +
				local(redis.port) + ": connect: connection refused"} {
				if !strings.Contains(out, words) || !strings.Contains(shown, words) {
					return fmt.Errorf("%v does not say %q:\n%s%s", list, words, out, shown)
				}
			}
		}
		return nil
	})
	// The lines that the actor logged tell the trace, too.
	latticetest.Eventually(t, func() error {
		if out := r.weft("logs", "edge-data-processor", "-o", "json"); !strings.Contains(out, `"trace_id"`) {
			return fmt.Errorf("logs without traces: %s", out)
		}
		return nil
	})

	// What fails before any host sees it: no host runs the actor, too many requests at once, no answer in time.
	r.weft("actor", "stop", "edge-data-processor")
	if f = r.findFailure(failed(t, "POST", quick+"/process", 503), "no_responders"); f.HostID != c.ID ||
		f.Status != 503 || f.Caller != string(httpserverID) {
		t.Errorf("stopped: %+v", f)
	}
	narrow := r.web("hostile", "timeout_ms=1000", "max_in_flight=1")
	traces := map[string]string{} // by code
	latticetest.Eventually(t, func() error {
		var mu sync.Mutex
		var both sync.WaitGroup
		// one has the only place until its second is over; the other comes meanwhile, if the machine is quick
		for range 2 {
			both.Go(func() {
				trace, code := failedWith(t, "GET", narrow+"/loop", 503)
				mu.Lock()
				defer mu.Unlock()
				traces[code] = trace
			})
		}
		both.Wait()
		if traces["busy"] == "" || traces["timeout"] == "" {
			return fmt.Errorf("failed: %v", traces)
		}
		return nil
	})
	r.findFailure(traces["busy"], "busy", "too many requests in progress")
	r.findFailure(traces["timeout"], "timeout")

	// As people read it, by actor and age; and as it comes.
	out := r.weft("errors", "hostile", "--since", "1h")
	for _, words := range []string{" a hostile ", "for httpserver", "bad_pointer: ", "(trace " + trap + ")"} {
		if !strings.Contains(out, words) {
			t.Errorf("no %q in\n%s", words, out)
		}
	}
	if strings.Contains(out, "edge-data-processor") {
		t.Errorf("of another actor:\n%s", out)
	}
	r.fails(2, "32 hexadecimal digits", "errors", "--trace", "4bf9")
	follow := launch(t, r.dir, "follow", r.envOf(operatorToken, "WEFT_DATA_DIR="+r.dir+"/operator"), bin.weft,
		"errors", "-f", "-o", "json", "--since", "1ms")
	var made []string
	latticetest.Eventually(t, func() error { // it shows those that come after it has begun to listen
		shown, err := os.ReadFile(follow.stdout)
		if err == nil && !slices.ContainsFunc(made, func(trace string) bool {
			return strings.Contains(string(shown),
				trace)
		}) {
			made = append(made, failed(t, "GET", narrow+"/panic", 500))
			err = fmt.Errorf("none of %v is in %s", made, shown)
		}
		return err
	})
}
