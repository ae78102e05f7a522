package latticetest

import (
	"fmt"
	"os"
	"testing"
)

// Example runs an example that needs what tests have: a function whose t cleans up, keeps folders and ends the example.
// What goes wrong is printed, so that the output of the example is another than it should be.
func Example(f func(t testing.TB)) {
	t := &exampleTB{}
	defer t.cleanUp()
	defer func() {
		if p := recover(); p != nil && p != any(t) {
			panic(p)
		}
	}()
	f(t)
}

// exampleTB is the part of testing.TB that this package and providertest use. The rest panics.
type exampleTB struct {
	testing.TB
	cleanups []func()
	failed   bool
}

func (t *exampleTB) cleanUp() {
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		last()
	}
}

func (t *exampleTB) Name() string        { return "Example" }
func (t *exampleTB) Helper()             {}
func (t *exampleTB) Failed() bool        { return t.failed }
func (t *exampleTB) Cleanup(f func())    { t.cleanups = append(t.cleanups, f) }
func (t *exampleTB) Logf(string, ...any) {}

func (t *exampleTB) TempDir() string {
	dir, err := os.MkdirTemp("", "weft-example")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (t *exampleTB) Error(args ...any) { t.failed = true; fmt.Println(args...) }

func (t *exampleTB) Errorf(format string, args ...any) { t.Error(fmt.Sprintf(format, args...)) }

func (t *exampleTB) Fatal(args ...any) { t.Error(args...); panic(t) }

func (t *exampleTB) Fatalf(format string, args ...any) { t.Fatal(fmt.Sprintf(format, args...)) }
