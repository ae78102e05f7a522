package httpserver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/wire"
)

// answer is an actor's response whose body may still be on its way.
type answer struct {
	contract.ResponseHead
	whole  []byte    // the body, when it is in memory
	body   io.Reader // otherwise; else nil
	length int64
	from   *rpc.Answer
}

// readAnswer reads an answer up to its body, or as a whole when it is small, or when its body does not come last.
func readAnswer(ctx context.Context, from *rpc.Answer, requestSize int) (*answer, *failure) {
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
	if head.StatusCode < 200 || head.StatusCode > 599 {
		a.close()
		return nil, unusable("the actor's response has the status "+strconv.Itoa(int(head.StatusCode))+"; want 200 to 599", nil)
	}
	a.ResponseHead = head
	return a, nil
}

func unusable(text string, cause error) *failure {
	return &failure{status: http.StatusBadGateway, code: lattice.ErrInvalid, text: text, cause: cause}
}

// fields yields the headers that go to the client: all but those of the connection, the length, an empty type and what HTTP
// does not allow.
func (a *answer) fields(yield func(name, value string) bool) {
	for name, value := range a.Fields {
		lower := strings.ToLower(name)
		switch {
		case hopByHop[lower] || lower == "content-length" || lower == "content-type" && value == "":
		case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
		default:
			if !yield(name, value) {
				return
			}
		}
	}
}

// claimed is the length that the actor's header tells; -1 when it tells none, or several.
func (a *answer) claimed() int64 {
	length, found := int64(-1), 0
	for name, value := range a.Fields {
		if strings.EqualFold(name, "content-length") {
			found++
			if n, err := strconv.ParseUint(value, 10, 63); err == nil {
				length = int64(n)
			}
		}
	}
	if found != 1 {
		return -1
	}
	return length
}

// send writes the body. The error is one of reading it; that the client has gone is none.
func (a *answer) send(w io.Writer) error {
	source := &requestBody{Reader: a.body}
	_, err := io.Copy(w, source)
	if source.err == nil && err == nil {
		return nil
	}
	return source.err
}

// close deletes what the store still has of it. A failure is not worth a word: what is left is swept.
func (a *answer) close() { _ = a.from.Close() }
