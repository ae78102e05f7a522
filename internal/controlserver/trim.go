package controlserver

import (
	"encoding/json"

	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// Lists that grow with the life of a host are cut to what fits into one message.

// trim encodes a reply in at most limit bytes by leaving out items of its list, half of them at a time; reply makes it
// of the items that are left, which are never null. fewer keeps the wanted half.
func trim[T any](items []T, limit int, fewer func([]T) []T, reply func([]T) any) (json.RawMessage, error) {
	items = append([]T{}, items...)
	for {
		b, err := json.Marshal(reply(items))
		if err != nil || len(b) <= limit || len(items) == 0 {
			return b, err
		}
		items = fewer(items)
	}
}

// later is for lists whose newest item stands last, earlier for those whose newest stands first.
func later[T any](items []T) []T   { return items[(len(items)+1)/2:] }
func earlier[T any](items []T) []T { return items[:len(items)/2] }

// trimLogs leaves out the oldest lines.
func trimLogs(lines []control.LogLine, limit int) (json.RawMessage, error) {
	return trim(lines, limit, later, func(lines []control.LogLine) any { return control.LogsReply{Lines: lines} })
}

// trimFailures leaves out the oldest failures.
func trimFailures(r control.FailuresReply, limit int) (json.RawMessage, error) {
	return trim(r.Failures, limit, later, func(left []wire.Failure) any {
		r.Failures = left
		return r
	})
}

// trimLost leaves out the hosts that were lost first.
func trimLost(all []control.LostHost, limit int) (json.RawMessage, error) {
	return trim(all, limit, earlier, func(left []control.LostHost) any {
		return map[string][]control.LostHost{"hosts": left}
	})
}
