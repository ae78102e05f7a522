package controlserver

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// What does not fit into a message is the oldest: lines and failures stand in the order of time, lost hosts the other
// way round.
func TestTooLongAnswersKeepTheNewest(t *testing.T) {
	var lines []control.LogLine
	failed := control.FailuresReply{Last: 1000}
	var lost []control.LostHost
	for i := range 100 {
		lines = append(lines, control.LogLine{Text: fmt.Sprint(i)})
		failed.Failures = append(failed.Failures, wire.Failure{Seq: uint64(i)})
		lost = append(lost, control.LostHost{HostID: lattice.HostID(fmt.Sprint(i))})
	}
	const limit = 2000
	read := func(b json.RawMessage, err error, into any) {
		t.Helper()
		if err != nil || len(b) > limit || len(b) < limit/4 {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	}
	var logs control.LogsReply
	b, err := trimLogs(lines, limit)
	if read(b, err, &logs); logs.Lines[len(logs.Lines)-1].Text != "99" {
		t.Errorf("lines %+v", logs.Lines)
	}
	var failures control.FailuresReply
	b, err = trimFailures(failed, limit)
	if read(b, err, &failures); failures.Failures[len(failures.Failures)-1].Seq != 99 || failures.Last != 1000 {
		t.Errorf("failures %+v", failures)
	}
	var hosts struct {
		Hosts []struct {
			ID string `json:"host_id"`
		}
	}
	b, err = trimLost(lost, limit)
	if read(b, err, &hosts); hosts.Hosts[0].ID != "0" {
		t.Errorf("lost hosts %s", b)
	}
}

// Lists are never null, and one item that is too long is left out rather than all of the answer.
func TestShortAnswersAreLists(t *testing.T) {
	none, err := trimLogs(nil, 100)
	if err != nil || string(none) != `{"lines":[]}` {
		t.Errorf("%s, %v", none, err)
	}
	long, err := trimLogs([]control.LogLine{{Text: string(make([]byte, 1000))}}, 100)
	if err != nil || string(long) != `{"lines":[]}` {
		t.Errorf("%s, %v", long, err)
	}
	few, err := trimFailures(control.FailuresReply{Last: 7}, 100)
	if err != nil || string(few) != `{"failures":[],"last":7}` {
		t.Errorf("%s, %v", few, err)
	}
	no, err := trimLost(nil, 100)
	if err != nil || string(no) != `{"hosts":[]}` {
		t.Errorf("%s, %v", no, err)
	}
}
