//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == loadCommand {
		os.Exit(generate(os.Args[2:]))
	}
	code := m.Run()
	if built != nil {
		built.close()
	}
	os.Exit(code)
}

// built is shared by the tests.
var built *binaries

// newLab starts three hosts, joined by tokens, each in a network namespace of its own, and deploys to them. The test
// fails if one of the processes has written what none may (output.Faults).
func newLab(t *testing.T, deploy func(*lab, context.Context) error) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		latticetest.Lacks(t, "the right to make network namespaces, which root has")
	}
	for _, program := range []string{"ip", "ss", "unshare", "curl"} { // of iproute2, util-linux and curl
		if _, err := exec.LookPath(program); err != nil {
			latticetest.Lacks(t, program+" (make deps installs it)")
		}
	}
	if built == nil {
		var err error
		if built, err = build(); err != nil {
			t.Fatal(err)
		}
	}
	l, err := built.open(t.Context(), deploy)
	t.Cleanup(func() {
		l.end()
		for _, line := range l.faults() {
			t.Error(line)
		}
		if t.Failed() {
			t.Log(l.said())
		}
		l.close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// status asks a route once and returns what it answers, and how long that took.
func (l *lab) status(url string) (string, time.Duration) {
	start := time.Now()
	out, err := l.output("client", "curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "-d", "x", url)
	if err != nil && out == "" {
		out = err.Error()
	}
	return out, time.Since(start)
}

// waitFor waits for a condition, for as long as a busy machine may need.
func waitFor(t *testing.T, what string, try func() error) {
	t.Helper()
	if err := until(context.Background(), 2*time.Minute, try); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func TestTableIsReplaced(t *testing.T) {
	file := t.TempDir() + "/doc.md"
	if err := os.WriteFile(file, []byte("before\n"+beginTable+"old\n"+endTable+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := sum(faults[0], 15*time.Second, time.Now(),
		[]request{{URL: "http://10.77.0.11:8080/", Status: 503, Due: time.Now().Add(time.Second)},
			{URL: "http://10.77.0.11:8081/", Status: 200, Took: 7 * time.Millisecond}})
	if err := replace(file, beginTable, table([]row{r}), endTable); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); !strings.HasPrefix(text, "before\n"+beginTable) ||
		!strings.HasSuffix(text, endTable+"after\n") || strings.Contains(text, "old") ||
		!strings.Contains(text, "| NATS is killed, and started again after 15s | 2 | 1 | 1 | 0.0 s | 7 ms |") {
		t.Errorf("the document is now %s", text)
	}
}
