// Kvcounter counts the requests to each path in a key-value store and answers {"counter":N}.
//
// A path /a/b is counted under the key "counter::a:b". When the store fails, the answer is a 500 with the reason.
package main

import (
	"strconv"
	"strings"

	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/actor-sdk/keyvalue"
)

func init() { actor.HandleHTTP(count) }

func count(req *actor.Request) (*actor.Response, error) {
	n, err := keyvalue.Default().Increment("counter:"+strings.ReplaceAll(req.Path, "/", ":"), 1)
	if err != nil {
		return nil, actor.Status(500, err.Error())
	}
	return actor.Bytes(200, "application/json", []byte(`{"counter":`+strconv.Itoa(int(n))+`}`)), nil
}

func main() {}
