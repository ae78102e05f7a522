package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// fetch makes one request on a connection of its own.
func fetch(t *testing.T, method, url string, body []byte) (status int, answer string) {
	t.Helper()
	status, answer, err := request(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

func request(method, url string, body []byte) (status int, answer string, err error) {
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// want makes a request and checks status and, unless it is "", the whole answer.
func want(t *testing.T, method, url string, body []byte, status int, answer string) {
	t.Helper()
	if s, a := fetch(t, method, url, body); s != status || answer != "" && a != answer {
		t.Errorf("%s %s: %d %.300q, want %d %q", method, url, s, a, status, answer)
	}
}

// answers is nil when a request gets a status.
func answers(method, url string, body []byte, status int) error {
	s, a, err := request(method, url, body)
	if err == nil && s != status {
		err = fmt.Errorf("%s %s: %d %.300q, want %d", method, url, s, a, status)
	}
	return err
}
