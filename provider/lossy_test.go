package provider

import (
	"io"
	"strings"
	"sync"
	"testing"
)

// The host is stopped and reads nothing of what the provider says. The provider logs and goes on, and the log says
// later how much is missing.
func TestLoggingDoesNotWaitForAHostThatHangs(t *testing.T) {
	r, w := io.Pipe() // takes nothing until it is read
	l := newLossy(w)
	for range 3 * lossyLines {
		_, _ = l.Write([]byte("a line\n"))
	}
	var all strings.Builder
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(&all, r) })
	l.close()
	<-l.done
	_ = w.Close()
	wg.Wait()
	kept := strings.Count(all.String(), "a line\n")
	if kept < lossyLines || kept > lossyLines+1 || !strings.Contains(all.String(), " lines of this log are missing") {
		t.Errorf("%d lines were written, want %d and a word about the others", kept, lossyLines)
	}
}
