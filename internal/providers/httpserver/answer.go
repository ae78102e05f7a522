package httpserver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/internal/httpfield"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
)

// answer is an actor's response whose body may still be on its way.
type answer struct {
	contract.ResponseHead
	whole  []byte    // the body, when it is in memory
	body   io.Reader // otherwise; else nil
	length int64
	from   provider.Answer
}

// readAnswer reads an answer up to its body, or as a whole when it is small, or when its body does not come last.
func readAnswer(ctx context.Context, from provider.Answer, requestSize int) (*answer, *failure) {
	a := &answer{from: from}
	fail := func(err error) (*answer, *failure) {
		a.close()
		return nil, callFailure(err, requestSize)
	}
	b, inMemory := from.Bytes()
	if !inMemory {
		b = make([]byte, min(from.Len(), wire.MaxInlineBytes))
		if _, err := io.ReadFull(from, b); err != nil {
			return fail(err)
		}
	}
	head, body, ok := contract.DecodeResponseHead(b, from.Len())
	if ok && inMemory {
		a.length, a.whole = int64(len(b)-body), b[body:]
	} else if ok {
		a.length = from.Len() - int64(body)
		a.body = io.MultiReader(bytes.NewReader(b[body:]), from)
	} else {
		if !inMemory {
			rest, err := from.All(ctx)
			if err != nil {
				return fail(err)
			}
			b = append(b, rest...)
		}
		resp, err := contract.DecodeResponse(b)
		if err != nil {
			a.close()
			return nil, unusable("the actor's response is not understood", err)
		}
		head, a.length, a.whole = resp.Head(), int64(len(resp.Body)), resp.Body
	}
	if fail := badStatus(head); fail != nil {
		a.close()
		return nil, fail
	}
	a.ResponseHead = head
	return a, nil
}

// badStatus refuses a status that no client can take for the end of its request: one below 200 announces another one.
func badStatus(head contract.ResponseHead) *failure {
	if head.StatusCode >= 200 && head.StatusCode <= 599 {
		return nil
	}
	return unusable("the actor's response has the status "+strconv.Itoa(int(head.StatusCode))+"; want 200 to 599", nil)
}

func unusable(text string, cause error) *failure {
	return &failure{status: http.StatusBadGateway, code: lattice.ErrInvalid, text: text, cause: cause}
}

// fields yields the headers that go to the client: all but those of the connection and those that it names, the length,
// an empty type, and what HTTP does not allow, of which bad is told. The bytes of values go as they are, without space
// around them. Date and Content-Type go once.
func (a *answer) fields(bad func(name string)) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		connection := a.values("connection")
		dated, typed := false, false
		for name, value := range a.Fields {
			lower := strings.ToLower(name)
			value = strings.Trim(value, " \t")
			switch {
			case httpfield.HopByHop(lower) || lower == "content-length" || lower == "content-type" &&
				(value == "" || typed) ||
				lower == "date" && dated:
				continue
			case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
				bad(lattice.Printable(name))
				continue
			case len(connection) > 0 && httpguts.HeaderValuesContainsToken(connection, lower):
				continue
			case lower == "date":
				if _, err := http.ParseTime(value); err != nil {
					bad(name)
					continue
				}
				dated = true
			case lower == "content-type":
				typed = true
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// values are those of one header.
func (a *answer) values(wanted string) (values []string) {
	for name, value := range a.Fields {
		if len(name) == len(wanted) && strings.EqualFold(name, wanted) {
			values = append(values, value)
		}
	}
	return values
}

// streamed is what a response takes in memory that comes piece by piece.
const streamed = 256 << 10

// inMemory is what the body takes in memory.
func (a *answer) inMemory() int64 {
	if _, all := a.from.Bytes(); all {
		return a.length
	}
	return min(a.length, streamed)
}

// claimed is the length that the actor's header tells; -1 when it tells none, or several.
func (a *answer) claimed() int64 {
	values := a.values("content-length")
	if len(values) != 1 {
		return -1
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return -1
	}
	return int64(n)
}

// send writes the body. The error is one of reading it; a client that has gone is no error.
func (a *answer) send(w io.Writer) error {
	source := &stream.Source{Reader: a.body}
	_, _ = io.Copy(w, source)
	return source.Err
}

// close deletes what the store still has of it. A failure is not worth a word: what is left is swept.
func (a *answer) close() {
	if a.from != nil {
		_ = a.from.Close()
	}
}
