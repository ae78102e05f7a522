// Guest is an actor that lets tests look at what it was built as, and at how long, where and with what it runs.
package main

import (
	"os"
	"strconv"
	"time"

	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/actor-sdk/httpclient"
	"github.com/weftlattice/weft/actor-sdk/log"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// version is set when the module is linked, so that there are several of one source.
var version = "1"

func init() {
	r := actor.NewRouter()
	r.Handle("/version", func(*actor.Request) (*actor.Response, error) { return actor.Text(200, version), nil })
	r.Handle("/sleep", func(req *actor.Request) (*actor.Response, error) {
		ms, err := strconv.Atoi(req.QueryValue("ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return actor.Text(200, version), err
	})
	r.Handle("/hold", func(req *actor.Request) (*actor.Response, error) {
		mib, err := strconv.Atoi(req.QueryValue("mib"))
		if err != nil {
			return nil, actor.Status(400, err.Error())
		}
		b := make([]byte, mib<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		time.Sleep(500 * time.Millisecond)
		return actor.Text(200, strconv.Itoa(int(b[len(b)-4096]))), nil
	})
	r.Handle("/env", func(req *actor.Request) (*actor.Response, error) {
		return actor.Text(200, os.Getenv(req.QueryValue("name"))), nil
	})
	r.Handle("/log", func(req *actor.Request) (*actor.Response, error) {
		log.Warn(string(req.Body))
		return actor.Text(200, ""), nil
	})
	r.Handle("/fetch", func(req *actor.Request) (*actor.Response, error) {
		resp, err := httpclient.Default().Do(&httpclient.Request{Method: req.Method, URL: req.QueryValue("url"),
			Body: req.Body})
		if err != nil {
			return actor.Text(502, err.Error()), nil
		}
		return actor.Text(int(resp.StatusCode), string(resp.Body)), nil
	})
	r.Handle("/greet", func(req *actor.Request) (*actor.Response, error) {
		out, err := actor.CallProvider("acme:greeter", "", "Greeter.Greet", msgpack.EncodeStr(req.QueryValue("name")))
		if err != nil {
			return nil, actor.Status(502, err.Error())
		}
		text, err := msgpack.DecodeStr(out)
		return actor.Text(200, text), err
	})
	r.Handle("/{rest...}", func(req *actor.Request) (*actor.Response, error) { return actor.Text(200, req.Path), nil })
	actor.HandleHTTP(r.Serve)
	actor.Handle("Guest.Echo", func(p []byte) ([]byte, error) { return p, nil })
}

func main() {}
