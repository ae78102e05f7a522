package httpserver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/wire"
)

// answer is an actor's response whose body may still be on its way.
type answer struct {
	contract.Response
	whole  []byte    // the body, when it is in memory; else nil
	body   io.Reader // otherwise
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
	resp, body, ok := contract.DecodeResponseHead(b, from.Len())
	if ok && inMemory {
		a.length, a.whole = int64(len(b)-body), b[body:]
	} else if ok {
		a.length = from.Len() - int64(body)
		a.body = io.MultiReader(bytes.NewReader(b[body:]), from)
	} else {
		var err error
		if !inMemory {
			var rest []byte
			if rest, err = from.All(ctx); err != nil {
				return fail(err)
			}
			b = append(b, rest...)
		}
		if resp, err = contract.DecodeResponse(b); err != nil {
			a.close()
			return nil, &failure{http.StatusBadGateway, lattice.ErrInvalid, "the actor's response is not understood", err}
		}
		a.length, a.whole = int64(len(resp.Body)), resp.Body
	}
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		a.close()
		return nil, &failure{http.StatusBadGateway, lattice.ErrInvalid, "the actor's response has the status " + strconv.Itoa(int(resp.StatusCode)) + "; want 200 to 599", nil}
	}
	a.Response = *resp
	return a, nil
}

// send writes the body. The error is one of reading it; that the client has gone is none.
func (a *answer) send(w io.Writer) error {
	if a.body == nil {
		_, _ = w.Write(a.whole)
		return nil
	}
	source := &requestBody{Reader: a.body}
	_, err := io.Copy(w, source)
	if source.err == nil && err == nil {
		return nil
	}
	return source.err
}

// close deletes what the store still has of it. A failure is not worth a word: what is left is swept.
func (a *answer) close() { _ = a.from.Close() }
