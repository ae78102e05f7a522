package controlserver

import (
	"encoding/json"

	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// Lists that grow with the life of a host are cut to what fits into one message.

// trimLogs encodes r in at most limit bytes by leaving out the oldest lines.
func trimLogs(r control.LogsReply, limit int) ([]byte, error) {
	if r.Lines == nil {
		r.Lines = []control.LogLine{}
	}
	for {
		b, err := json.Marshal(r)
		if err != nil || len(b) <= limit || len(r.Lines) == 0 {
			return b, err
		}
		r.Lines = r.Lines[(len(r.Lines)+1)/2:]
	}
}

// trimFailures encodes r in at most limit bytes by leaving out the oldest.
func trimFailures(r control.FailuresReply, limit int) ([]byte, error) {
	if r.Failures == nil {
		r.Failures = []wire.Failure{}
	}
	for {
		b, err := json.Marshal(r)
		if err != nil || len(b) <= limit || len(r.Failures) == 0 {
			return b, err
		}
		r.Failures = r.Failures[(len(r.Failures)+1)/2:]
	}
}

// trimLost encodes the answer in at most limit bytes by leaving out the hosts that were lost first, which stand last.
func trimLost(all []control.LostHost, limit int) ([]byte, error) {
	for {
		b, err := json.Marshal(map[string][]control.LostHost{"hosts": append([]control.LostHost{}, all...)})
		if err != nil || len(b) <= limit || len(all) == 0 {
			return b, err
		}
		all = all[:len(all)/2]
	}
}
