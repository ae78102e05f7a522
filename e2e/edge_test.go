package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

// What edge-data-processor answers to "hello".
var (
	helloHash   = hash("HELLO")
	helloAnswer = `{"hash":"` + helloHash + `","lines":1,"result":"HELLO"}`
)

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// processed is what POST /process answers.
type processed struct {
	Hash   string `json:"hash"`
	Lines  int    `json:"lines"`
	Result string `json:"result"`
}

// The main job over real HTTP, with both stores.
func TestEdgeJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	redis := r.redis()
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-redis", "--host", "b")
	r.weft("provider", "start", "keyvalue-nats", "--host", "b")
	r.actor(module("edge-data-processor"), "--max", "4", "--spread")
	url := r.web("edge-data-processor")
	for _, store := range []struct {
		name string
		link []string
	}{{"keyvalue-nats", nil}, {"keyvalue-redis", []string{"url=" + redis.url(), "prefix=site-7:"}}} {
		t.Run(store.name, func(t *testing.T) {
			r.weft(append([]string{"link", "put", "edge-data-processor", store.name}, store.link...)...)
			edgeJob(t, url)
		})
	}
	keys := redis.do("EXISTS", "site-7:edge:"+helloHash)
	if keys != "1" {
		t.Errorf("no key site-7:edge:%s in Redis", helloHash)
	}
	if ttl := redis.do("TTL", "site-7:edge:"+helloHash); len(ttl) != 4 || ttl > "3600" {
		t.Errorf("TTL in Redis is %s, want at most 3600", ttl)
	}
	if v := redis.do("GET", "site-7:edge:"+helloHash); v != "HELLO" {
		t.Errorf("Redis has %q", v)
	}
}

func edgeJob(t *testing.T, url string) {
	want(t, "GET", url+"/health", nil, 200, `{"status":"healthy"}`)
	want(t, "GET", url+"/cache/"+hash("nobody has sent this"), nil, 404, "")
	want(t, "GET", url+"/cache/nonsense", nil, 404, "")
	want(t, "POST", url+"/process", []byte("hello"), 200, helloAnswer)
	want(t, "GET", url+"/cache/"+helloHash, nil, 200, helloAnswer)
	want(t, "POST", url+"/process", nil, 200, "")
	want(t, "GET", url+"/process", nil, 405, "")
	want(t, "GET", url+"/nowhere", nil, 404, "")
	want(t, "POST", url+"/process", []byte("ok\xff\xfe"), 400, "")

	status, body := fetch(t, "POST", url+"/process", []byte("  grüße \r\n\tzwei\n\nvier\n"))
	var p processed
	if err := json.Unmarshal([]byte(body), &p); status != 200 || err != nil || p.Result != "GRÜSSE\nZWEI\n\nVIER" &&
		p.Result != "GRÜßE\nZWEI\n\nVIER" || p.Lines != 4 || p.Hash != hash(p.Result) {
		t.Errorf("lines: %d %s", status, body)
	}

	// Exactly 1 MiB is taken, one byte more is not; a body without a length is no way around it.
	full := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
	status, body = fetch(t, "POST", url+"/process", full)
	p = processed{}
	if err := json.Unmarshal([]byte(body), &p); status != 200 || err != nil || p.Lines != 1<<16 ||
		p.Result != strings.TrimSuffix(strings.ToUpper(string(full)), "\n") {
		t.Errorf("1 MiB: %d, %d lines, %d bytes, %v: %.200s", status, p.Lines, len(p.Result), err, body)
	}
	if status, again := fetch(t, "GET", url+"/cache/"+p.Hash, nil); status != 200 || again != body {
		t.Errorf("1 MiB read back: %d, %d bytes, want %d", status, len(again), len(body))
	}
	want(t, "POST", url+"/process", append(full, 'x'), 413, "")
}
