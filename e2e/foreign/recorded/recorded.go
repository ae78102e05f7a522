// Package recorded holds messages that software of others sent, as bytes on subjects, and reads them. Its tests decode
// each with weft's own packages. docs/protocol-notes.md tells where they come from.
package recorded

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/nats-io/nats.go"
)

// Message is one line of a recording.
type Message struct {
	N       int                 `json:"n"` // counts from 1
	Subject string              `json:"subject"`
	Reply   string              `json:"reply,omitempty"`
	Header  map[string][]string `json:"header,omitempty"`
	Data    []byte              `json:"data"`           // base64 in the file
	Left    int                 `json:"left,omitempty"` // the size of a payload that was left out
}

// Of makes a message of one that has arrived. A payload of more than limit bytes is left out.
func Of(n int, m *nats.Msg, limit int) Message {
	r := Message{N: n, Subject: m.Subject, Reply: m.Reply, Header: m.Header, Data: m.Data}
	if len(m.Data) > limit {
		r.Data, r.Left = nil, len(m.Data)
	}
	return r
}

// Read reads a recording.
func Read(from io.Reader) ([]Message, error) {
	var list []Message
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var m Message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(list)+1, err)
		}
		list = append(list, m)
	}
	return list, lines.Err()
}
