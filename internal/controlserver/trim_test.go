package controlserver

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/weftlattice/weft/lattice/control"
)

func TestTrimLogsKeepsTheNewest(t *testing.T) {
	var r control.LogsReply
	for i := range 100 {
		r.Lines = append(r.Lines, control.LogLine{Text: fmt.Sprint(i)})
	}
	b, err := trimLogs(r, 2000)
	if err != nil || len(b) > 2000 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	var got control.LogsReply
	if err := json.Unmarshal(b, &got); err != nil || len(got.Lines) == 0 || got.Lines[len(got.Lines)-1].Text != "99" {
		t.Fatalf("got %v, %v", got, err)
	}
}
