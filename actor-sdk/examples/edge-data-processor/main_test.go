package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
)

const (
	text     = "  hello edge \r\nzwölf\n\n\tlast\n"
	result   = "HELLO EDGE\nZWÖLF\n\nLAST"
	hash     = "2eff1d8f01fb8ee69a373649f915cb21c416bd6453b094e4771b554dfb82e5d8"
	expected = `{"hash":"` + hash + `","lines":4,"result":"HELLO EDGE\nZWÖLF\n\nLAST"}`
)

func TestHealth(t *testing.T) {
	got := actortest.New(t).Get("/health")
	if got.StatusCode != 200 || got.Text() != `{"status":"healthy"}` ||
		got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s %v", got.StatusCode, got.Text(), got.Header)
	}
}

func TestProcessThenCache(t *testing.T) {
	h := actortest.New(t)
	if got := h.Get("/cache/" + hash); got.StatusCode != 404 {
		t.Errorf("before: %d %s", got.StatusCode, got.Text())
	}
	if got := h.Post("/process", "text/plain", text); got.StatusCode != 200 || got.Text() != expected {
		t.Errorf("process: %d %s", got.StatusCode, got.Text())
	}
	if stored, ok := h.Store().Get("edge:" + hash); !ok || stored != result {
		t.Errorf("stored %q, %v", stored, ok)
	}
	if got := h.Get("/cache/" + hash); got.StatusCode != 200 || got.Text() != expected {
		t.Errorf("cache: %d %s", got.StatusCode, got.Text())
	}
	h.Advance(time.Hour - 1)
	if got := h.Get("/cache/" + hash); got.StatusCode != 200 {
		t.Errorf("shortly before it expires: %d", got.StatusCode)
	}
	h.Advance(1)
	if got := h.Get("/cache/" + hash); got.StatusCode != 404 {
		t.Errorf("after it expired: %d", got.StatusCode)
	}
}

func TestLines(t *testing.T) {
	for body, want := range map[string]string{
		"": "", "\n": "", "a": "A", "a\n": "A", "a\n\n": "A\n", " a \n b": "A\nB",
		"stra\u00dfe\r\n": strings.ToUpper("stra\u00dfe"),
		"\u00a0x\u2003":   "X", "\xef\xbb\xbfa": "\ufeffA",
	} {
		var out struct{ Result string }
		got := actortest.New(t).Post("/process", "text/plain", body)
		if err := got.JSON(&out); err != nil || got.StatusCode != 200 || out.Result != want {
			t.Errorf("%q: %d %q, %v; want %q", body, got.StatusCode, out.Result, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	h := actortest.New(t)
	for name, c := range map[string]struct {
		method, target, body string
		status               int
	}{
		"1 MiB":             {"POST", "/process", strings.Repeat("a", 1<<20), 200},
		"more than 1 MiB":   {"POST", "/process", strings.Repeat("a", 1<<20+1), 413},
		"invalid UTF-8":     {"POST", "/process", "a\xffb", 400},
		"cut-off UTF-8":     {"POST", "/process", "a\xc3", 400},
		"GET process":       {"GET", "/process", "", 405},
		"POST health":       {"POST", "/health", "", 405},
		"DELETE cache":      {"DELETE", "/cache/" + hash, "", 405},
		"root":              {"GET", "/", "", 404},
		"beyond":            {"GET", "/health/x", "", 404},
		"no hash":           {"GET", "/cache/", "", 404},
		"short hash":        {"GET", "/cache/abc", "", 404},
		"upper case hash":   {"GET", "/cache/" + strings.ToUpper(hash), "", 404},
		"other key by path": {"GET", "/cache/..%2f" + hash, "", 404},
	} {
		if got := h.Request(c.method, c.target, nil, []byte(c.body)); int(got.StatusCode) != c.status {
			t.Errorf("%s: %d %.80s, want %d", name, got.StatusCode, got.Text(), c.status)
		}
	}
}

func TestStoreAway(t *testing.T) {
	h := actortest.New(t)
	h.Provider(keyvalue.ID, "", func(string, []byte) ([]byte, error) {
		return nil,
			errors.New("secret address refused")
	})
	for _, got := range []actortest.Response{h.Post("/process", "text/plain", "a"), h.Get("/cache/" + hash)} {
		if got.StatusCode != 503 || strings.Contains(got.Text(), "secret") {
			t.Errorf("%d %s", got.StatusCode, got.Text())
		}
	}
	if logs := h.Logs(); len(logs) != 2 || logs[0].Level != "error" || !strings.Contains(logs[0].Text,
		"secret address refused") {
		t.Errorf("logs %v", logs)
	}
}
