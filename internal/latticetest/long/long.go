// Package long marks the tests that a quick run leaves out. It imports nothing of weft, so that tests of the packages
// that latticetest is built on can use it.
package long

import "testing"

// Test skips a test when go test runs with -short, and says why the test is long. A test is long when it takes above a
// second or so on a quiet machine, builds with Go, starts other programs, or repeats something many times. Call it
// first, or in the helper that all such tests call.
func Test(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("long: " + why)
	}
}
