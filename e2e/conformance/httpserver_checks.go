package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/nats-io/nats.go"
)

// httpserverChecks are of a provider of wasmcloud:httpserver, as a process; this program is the actor.
func httpserverChecks(command []string) []check {
	shared := &boxes{command: command, contract: "wasmcloud:httpserver"}
	return append(lifeChecks("httpserver", shared), []check{
		{"httpserver.request", "2.4", "a request becomes an HttpRequest and an invocation with all keys, " +
			"and the response comes back", httpRequest(shared)},
		{"httpserver.empty", "2.4", "a request without body, query or headers of its own has all fields",
			httpEmpty(shared)},
		{"httpserver.error", "2.4", "an actor's error is 500, without its text", func(s *suite) (string, error) {
			return webbed(s, shared, func(_ *box, id string, _ object) []byte {
				return pack(object{"msg": []byte{}, "invocation_id": id, "error": "secret reason"})
			}, status(500, "secret reason"))
		}},
		{"httpserver.timeout", "2.4", "an actor that does not answer is 503", func(s *suite) (string, error) {
			return webbed(s, shared, func(*box, string, object) []byte { return nil }, status(503, ""))
		}},
		{"httpserver.large", "3.6", "a body of 1 MB goes through the object store, both ways",
			httpLarge(shared)},
		{"httpserver.unlink", "5.5", "linkdefs.del ends the listener, and a later put with other values starts another",
			httpUnlink(shared)},
	}...)
}

// httpRequest checks what becomes of a request, and of its response.
func httpRequest(shared *boxes) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		return webbed(s, shared, func(b *box, id string, _ object) []byte {
			return reply(id, pack(object{"statusCode": uint16(418),
				"header": object{"x-answer": []string{"1", "2"}}, "body": []byte("short and stout")}), nil)
		}, func(b *box, actor, url string, calls <-chan *nats.Msg) error {
			req, err := http.NewRequest("POST", url+"/a%20path/?b=c&d=%20e", strings.NewReader("hello"))
			if err != nil {
				return err
			}
			req.Header["X-Multi"] = []string{"1", "2"}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			var p problems
			p.want(resp.StatusCode == 418 && string(body) == "short and stout", "the response is %d %q",
				resp.StatusCode, body)
			p.want(fmt.Sprint(resp.Header["X-Answer"]) == "[1 2]", "10.6 #11: the header is %v",
				resp.Header["X-Answer"])
			inv, msg := checkInvocation((<-calls).Data, &p)
			origin, _ := inv["origin"].(object)
			target, _ := inv["target"].(object)
			p.want(origin["public_key"] == b.key && origin["link_name"] == "default" &&
				origin["contract_id"] == b.contract, "origin is %v", origin)
			p.want(target["public_key"] == actor && target["link_name"] == "" && target["contract_id"] == "",
				"target is %v", target)
			p.want(inv["operation"] == "HttpServer.HandleRequest", "operation is %v", inv["operation"])
			p.want(inv["host_id"] == b.host, "host_id is %v", inv["host_id"])
			r, err := unpackMap(msg)
			p.want(err == nil, "%v", err)
			p.shape("HttpRequest", r, "method:text path:text queryString:str header:map")
			body, isBin := r["body"].([]byte)
			p.want(isBin && string(body) == "hello", "body is %T %q", r["body"], body)
			p.want(r["method"] == "POST" && r["queryString"] == "b=c&d=%20e", "method is %v, queryString %v",
				r["method"], r["queryString"])
			p.want(isOneOf(r["path"], "/a%20path/", "/a path/"), "path is %v", r["path"])
			header, _ := r["header"].(object)
			p.want(fmt.Sprint(header["x-multi"]) == "[1 2]", "the header is %v", header)
			return p.err()
		})
	}
}

// httpEmpty is httpRequest for one that has nothing.
func httpEmpty(shared *boxes) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		return webbed(s, shared, func(_ *box, id string, _ object) []byte {
			return reply(id, pack(object{"statusCode": 200, "header": object{}, "body": []byte{}}), nil)
		}, func(_ *box, _, url string, calls <-chan *nats.Msg) error {
			resp, err := http.Get(url)
			if err != nil {
				return err
			}
			resp.Body.Close()
			var p problems
			_, msg := checkInvocation((<-calls).Data, &p)
			r, err := unpackMap(msg)
			p.want(err == nil && resp.StatusCode == 200, "%v %d", err, resp.StatusCode)
			p.shape("HttpRequest", r, "method:text path:text queryString:str header:map")
			body, isBin := r["body"].([]byte)
			p.want(isBin && len(body) == 0 && r["queryString"] == "" && r["path"] == "/", "it is %v", r)
			return p.err()
		})
	}
}

// httpLarge checks that bodies go through the object store.
func httpLarge(shared *boxes) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		large := bytes.Repeat([]byte("x"), 1<<20)
		return webbed(s, shared, func(b *box, id string, inv object) []byte {
			store, err := openStore(s.js, b.lattice)
			if err != nil {
				return nil
			}
			msg, err := store.GetBytes(id)
			if err != nil {
				return reply(id, nil, err.Error())
			}
			_ = store.Delete(id)
			r, _ := unpackMap(msg)
			body, _ := r["body"].([]byte)
			answer := pack(object{"statusCode": 200, "header": object{}, "body": body})
			if _, err := store.PutBytes(id+"-r", answer); err != nil {
				return nil
			}
			return pack(object{"msg": []byte{}, "invocation_id": id, "content_length": len(answer)})
		}, func(b *box, _, url string, calls <-chan *nats.Msg) error {
			resp, err := http.Post(url, "application/octet-stream", bytes.NewReader(large))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			var p problems
			inv, msg := checkInvocation((<-calls).Data, &p)
			size, _ := number(inv["content_length"])
			p.want(len(msg) == 0 && size > 1<<20, "msg has %d bytes, content_length is %d", len(msg), size)
			p.want(resp.StatusCode == 200 && bytes.Equal(body, large), "the response is %d with %d bytes",
				resp.StatusCode, len(body))
			err = eventually(answerTime, func() error {
				if store, err := openStore(s.js, b.lattice); err == nil {
					if _, err := store.GetInfo(fmt.Sprint(inv["id"]) + "-r"); err == nil {
						return errors.New("the response's object is left in the store")
					}
				}
				return nil
			})
			p.want(err == nil, "%v", err)
			return p.err()
		})
	}
}

// httpUnlink checks that a listener ends with its link, and that a link that is put afterwards has another.
func httpUnlink(shared *boxes) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		return webbed(s, shared, func(_ *box, id string, _ object) []byte {
			return reply(id, pack(object{"statusCode": 200, "header": object{}, "body": []byte{}}), nil)
		}, func(b *box, actor, url string, _ <-chan *nats.Msg) error {
			if err := b.tell("del", b.link(actor, object{})); err != nil {
				return err
			}
			alone := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			if err := eventually(eventTime, func() error {
				resp, err := alone.Get(url)
				if err == nil {
					resp.Body.Close()
					if resp.StatusCode == 200 {
						return errors.New("it still serves")
					}
				}
				return nil
			}); err != nil {
				return err
			}
			later, err := b.listens(actor)
			if err != nil {
				return err
			}
			resp, err := alone.Get(later)
			if err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				return fmt.Errorf("on the address of the later link the response is %d", resp.StatusCode)
			}
			return nil
		})
	}
}

// status makes a request that must end with a status, and without these words.
func status(code int, without string) func(*box, string, string, <-chan *nats.Msg) error {
	return func(_ *box, _, url string, _ <-chan *nats.Msg) error {
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != code || without != "" && bytes.Contains(body, []byte(without)) {
			return fmt.Errorf("the response is %d %q", resp.StatusCode, body)
		}
		return nil
	}
}

// webbed links an actor, played by this program, to the provider, and waits for the port.
func webbed(s *suite, shared *boxes, answer func(b *box, id string, inv object) []byte,
	run func(b *box, actor, url string, calls <-chan *nats.Msg) error) (string, error) {
	b, err := shared.get(s)
	if err != nil {
		return "", err
	}
	actor := newKey(kindModule)
	calls := make(chan *nats.Msg, 16)
	subject := "wasmbus.rpc." + b.lattice + "." + actor
	sub, err := s.nc.QueueSubscribe(subject, subject, func(m *nats.Msg) {
		inv, err := unpackMap(m.Data)
		id, _ := inv["id"].(string)
		if data := answer(b, id, inv); err == nil && data != nil {
			_ = m.Respond(data)
		}
		calls <- m
	})
	if err != nil {
		return "", err
	}
	defer sub.Unsubscribe()                      //nolint:errcheck // tidying
	defer b.tell("del", b.link(actor, object{})) //nolint:errcheck // tidying
	url, err := b.listens(actor)
	if err != nil {
		return "", err
	}
	return "", run(b, actor, url, calls)
}

// listens links an actor with an address that is free, waits for the port, and returns its URL.
func (b *box) listens(actor string) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	l.Close()
	if err := b.tell("put", b.link(actor, object{"address": address})); err != nil {
		return "", err
	}
	if err := eventually(eventTime, func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		return "", fmt.Errorf("after linkdefs.put: %w", err)
	}
	return "http://" + address, nil
}
