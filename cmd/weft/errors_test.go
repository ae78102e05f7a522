package main

import (
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// A failure is one line that says each thing once.
func TestAFailureIsOneLine(t *testing.T) {
	f := wire.Failure{Time: time.Now(), Operation: "HttpServer.HandleRequest", Status: 503}
	for message, want := range map[string]string{
		lattice.ErrTimeout.Error(): "HttpServer.HandleRequest status 503: timeout\n",
		"stopped at the caller's deadline": "HttpServer.HandleRequest status 503: timeout: " +
			"stopped at the caller's deadline\n",
		"one\nand what it wrote to its log": "HttpServer.HandleRequest status 503: timeout: one\n" +
			"    and what it wrote to its log\n",
	} {
		var out strings.Builder
		f.Code, f.Message = "timeout", message
		failureLine(&out, f, &operate.View{})
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("%q\nwant %q", out.String(), want)
		}
	}
}
