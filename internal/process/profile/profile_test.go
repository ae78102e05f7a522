package profile

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("two servers on one socket")
	}
	client := &http.Client{Transport: Dialer(path)}
	for name, want := range map[string]string{"": "goroutine?debug=1", "goroutine?debug=1": "profile.Listen",
		"cmdline": filepath.Base(os.Args[0])} {
		res, err := client.Get("http://profiles" + Path + name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%q: %s, %v, lacks %q", name, res.Status, err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket after Close: %v", err)
	}
}

// Closing does not wait until a profile that is being taken is complete.
func TestCloseEndsProfiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: Dialer(path)}
	answered := make(chan error, 1)
	go func() {
		res, err := client.Get("http://profiles" + Path + "trace?seconds=3600")
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		answered <- err
	}()
	for traced := false; !traced; {
		res, err := client.Get("http://profiles" + Path + "goroutine?debug=1")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		traced = strings.Contains(string(body), "pprof.Trace")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("an hour passed")
	}
}
