// Package ocitest starts a real registry for tests: Debian's docker-registry, with its data in memory.
package ocitest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
)

// The one user of a registry with Login.
const (
	User     = "ada"
	Password = "correct horse"

	// htpasswd is what "htpasswd -nbB ada 'correct horse'" prints.
	htpasswd = User + ":$2a$04$YhxiiQAqcmGmVTuJ0EMnQOR1q4UYXPzrIRjF7/baWvrwcsb7EW3hi\n"
)

// Options of a registry.
type Options struct {
	Login bool // only User with Password may do anything
	TLS   bool // with a certificate of an authority of its own, see Registry.CAFile
}

// Registry is a registry that runs until it is stopped, or the test ends.
type Registry struct {
	Addr   string // "127.0.0.1:PORT"
	CAFile string // with Options.TLS

	cmd  *exec.Cmd
	once sync.Once
	read sync.WaitGroup
}

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

// Start starts a registry. Without docker-registry the test fails.
func Start(t testing.TB, o Options) *Registry {
	t.Helper()
	long.Test(t, "starts a registry")
	bin, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Fatal("this test needs a real registry, the binary docker-registry; install it with: " +
			"make deps (apt-get install docker-registry)")
	}
	dir := t.TempDir()
	r := &Registry{}
	var config strings.Builder
	config.WriteString("version: 0.1\nlog: {level: info, formatter: text}\nstorage: {inmemory: {}}\nhttp:\n  addr: " +
		"127.0.0.1:0\n")
	if o.TLS {
		var key string
		r.CAFile, key, _ = latticetest.Certificate(t)
		fmt.Fprintf(&config, "  tls: {certificate: %s, key: %s}\n", r.CAFile, key)
	}
	if o.Login {
		users := filepath.Join(dir, "htpasswd")
		write(t, users, htpasswd)
		fmt.Fprintf(&config, "auth:\n  htpasswd: {realm: test, path: %s}\n", users)
	}
	file := filepath.Join(dir, "config.yml")
	write(t, file, config.String())
	r.cmd = exec.Command(bin, "serve", file)
	r.cmd.Env = []string{"OTEL_TRACES_EXPORTER=none", "PATH=" + os.Getenv("PATH")}
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	addr := make(chan string, 1)
	var said bytes.Buffer
	r.read.Go(func() {
		defer close(addr)
		lines := bufio.NewScanner(stderr)
		for found := false; lines.Scan(); {
			if found {
				continue
			}
			said.Write(append(lines.Bytes(), '\n'))
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				found = true
				addr <- m[1]
			}
		}
	})
	select {
	case r.Addr = <-addr:
	case <-time.After(20 * time.Second):
	}
	if r.Addr == "" {
		r.Stop()
		t.Fatalf("docker-registry did not start:\n%s", said.String())
	}
	return r
}

// Stop ends the registry; what it stored is gone.
func (r *Registry) Stop() {
	r.once.Do(func() {
		_ = r.cmd.Process.Kill()
		r.read.Wait()
		_ = r.cmd.Wait()
	})
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
