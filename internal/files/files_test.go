package files_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/files"
)

// TestMain lets the test binary play a process that is killed.
func TestMain(m *testing.M) {
	if base := os.Getenv("WEFT_TEST_TEMP"); base != "" {
		t, err := files.NewTemp(base, "weft-test-")
		if err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString(t.Dir() + "\n")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed
		return
	}
	os.Exit(m.Run())
}

func TestFoldersOfKilledProcessesGoWithTheNextStart(t *testing.T) {
	base := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WEFT_TEST_TEMP="+base)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	killed := strings.TrimSpace(line)
	if err := os.WriteFile(filepath.Join(killed, "s"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(base, "weft-test-of-somebody") // without a lock
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	next := func() *files.Temp {
		temp, err := files.NewTemp(base, "weft-test-")
		if err != nil {
			t.Fatal(err)
		}
		return temp
	}
	first := next()
	if _, err := os.Stat(killed); err != nil {
		t.Errorf("the folder of a process that lives is gone: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	second := next()
	if _, err := os.Stat(killed); !os.IsNotExist(err) {
		t.Errorf("the folder of a killed process is still there: %v", err)
	}
	for _, dir := range []string{first.Dir(), second.Dir(), foreign} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("a folder that nobody has left is gone: %v", err)
		}
	}
	for _, temp := range []*files.Temp{first, second, second} {
		if err := temp.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(base); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"a": 5 * time.Hour, "b": 4 * time.Hour, "c": 3 * time.Hour,
		"d":    time.Hour,
		".new": time.Minute, ".left": 2 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	files.Used(filepath.Join(dir, "b"))
	if err := files.Prune(dir, 300, filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range left {
		names = append(names, filepath.Base(f))
	}
	// 600 bytes: "a" stays, ".new" is being written, ".left" is not any more, then the oldest go.
	if got := strings.Join(names, " "); got != ".new a b" {
		t.Errorf("left: %s", got)
	}
	if err := files.Prune(filepath.Join(dir, "nowhere"), 0, ""); !os.IsNotExist(err) {
		t.Error(err)
	}
}
