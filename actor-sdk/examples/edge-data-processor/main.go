// Edge-data-processor normalises lines of text at the edge and keeps the results for an hour.
//
//	GET  /health        {"status":"healthy"}
//	POST /process       lines of UTF-8 text in, {"hash":"…","lines":2,"result":"A\nB"} out
//	GET  /cache/{hash}  the same answer again, 404 when it expired or never was
//
// Every line is trimmed of white space and brought to upper case; a newline at the very end ends the last line and
// begins no other; an empty body is one empty line. The result is the lines with newlines between them; hash is its
// SHA-256 in lower-case hex, and "edge:{hash}" the key that it is stored under. So equal texts give equal answers, on
// every host. More than 1 MiB is refused with 413, invalid UTF-8 with 400; a store that is away is a 503.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/actor-sdk/keyvalue"
	"github.com/weftlattice/weft/actor-sdk/log"
)

const (
	maxBody  = 1 << 20
	cacheFor = time.Hour
)

func init() {
	r := actor.NewRouter()
	r.Handle("GET /health", health)
	r.Handle("POST /process", process)
	r.Handle("GET /cache/{hash}", cached)
	actor.HandleHTTP(r.Serve)
}

func health(*actor.Request) (*actor.Response, error) {
	return actor.Bytes(200, "application/json", []byte(`{"status":"healthy"}`)), nil
}

func process(req *actor.Request) (*actor.Response, error) {
	if len(req.Body) > maxBody {
		return nil, actor.Status(413, "the body has more than 1 MiB")
	}
	if !utf8.Valid(req.Body) {
		return nil, actor.Status(400, "the body is not valid UTF-8")
	}
	normalised := normalise(req.Body)
	sum := sha256.Sum256(normalised)
	hash, result := hex.EncodeToString(sum[:]), string(normalised)
	if err := keyvalue.Default().Set("edge:"+hash, result, cacheFor); err != nil {
		return nil, storeFailed(err)
	}
	return answer(hash, result), nil
}

func cached(req *actor.Request) (*actor.Response, error) {
	hash := req.PathValue("hash")
	if !isHash(hash) {
		return nil, actor.Status(404, "not found")
	}
	result, exists, err := keyvalue.Default().Get("edge:" + hash)
	switch {
	case err != nil:
		return nil, storeFailed(err)
	case !exists:
		return nil, actor.Status(404, "not found")
	}
	return answer(hash, result), nil
}

// normalise trims every line and brings it to upper case.
func normalise(text []byte) []byte {
	out := make([]byte, 0, len(text))
	first := true
	for line := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
		if !first {
			out = append(out, '\n')
		}
		first = false
		out = appendUpper(out, bytes.TrimSpace(line))
	}
	return out
}

// appendUpper appends line in upper case, without allocating as long as it is ASCII.
func appendUpper(out, line []byte) []byte {
	for i, c := range line {
		switch {
		case c >= utf8.RuneSelf:
			return append(out, bytes.ToUpper(line[i:])...)
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		out = append(out, c)
	}
	return out
}

func storeFailed(err error) error {
	log.Error("the key-value store failed: " + err.Error())
	return actor.Status(503, "the key-value store failed")
}

func answer(hash, result string) *actor.Response {
	b := make([]byte, 0, 128+len(result)+len(result)/8)
	b = append(b, `{"hash":"`...)
	b = append(b, hash...)
	b = append(b, `","lines":`...)
	b = strconv.AppendInt(b, int64(1+strings.Count(result, "\n")), 10)
	b = append(b, `,"result":`...)
	b = actor.AppendJSONString(b, result)
	b = append(b, '}')
	return actor.Bytes(200, "application/json", b)
}

func isHash(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func main() {}
