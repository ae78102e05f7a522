package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// boxes keeps the process that several checks share.
type boxes struct {
	command  []string
	contract string
	box      *box
	err      error
}

func (b *boxes) get(s *suite) (*box, error) {
	if b.box == nil && b.err == nil {
		b.box, b.err = s.box(b.command, b.contract, boxOptions{})
		if b.err != nil {
			b.err = notApplicable("the process does not start: %v", b.err)
		}
	}
	return b.box, b.err
}

// lifeChecks are what every provider's process must pass (5.4-5.7).
func lifeChecks(prefix string, shared *boxes) []check {
	start := func(o boxOptions) func(*suite) (string, error) {
		return func(s *suite) (string, error) {
			b, err := s.box(shared.command, shared.contract, o)
			if err != nil {
				return "", err
			}
			defer b.kill()
			time.Sleep(silence) // one that ends with its input does so now
			if _, err := b.health(nil); err != nil || !b.alive() {
				return "", fmt.Errorf("it has started and ended: %w", err)
			}
			return "", nil
		}
	}
	return []check{
		{prefix + ".start", "5.4", "the process reads host data, connects and answers health requests",
			start(boxOptions{})},
		{prefix + ".crlf", "5.1", "the line may end with \\r\\n and standard input be closed after it (H78 and later)",
			start(boxOptions{end: "\r\n", close: true})},
		{prefix + ".url.bare", "5.3", "lattice_rpc_url may have no scheme (OTP), and unknown fields are ignored",
			func(s *suite) (string, error) {
				return start(boxOptions{change: func(d object) {
					d["lattice_rpc_url"] = strings.TrimPrefix(s.o.nats, "nats://")
					d["js_domain"], d["lattice_rpc_tls"], d["from_the_future"], d["config_json"] = nil, 0, object{}, ""
				}})(s)
			}},
		{prefix + ".minimal", "5.3", "optional fields may be missing", start(boxOptions{change: func(d object) {
			for _, k := range []string{"default_rpc_timeout_ms", "structured_logging", "otel_config",
				"lattice_rpc_user_jwt", "lattice_rpc_user_seed", "instance_id"} {
				delete(d, k)
			}
		}})},
		{prefix + ".health", "5.6", "health is a map with healthy, whatever the request's payload",
			func(s *suite) (string, error) {
				b, err := shared.get(s)
				if err != nil {
					return "", err
				}
				var p problems
				for _, payload := range [][]byte{nil, pack(object{"placeholder": true}), {0x80}} {
					o, err := b.health(payload)
					p.want(err == nil && o["healthy"] == true, "with %x it answers %v, %v", payload, o, err)
					p.shape("health", o, "healthy:bool message?~:str")
				}
				return "", p.err()
			}},
		{prefix + ".shutdown", "5.7", "it ends for its own host alone, with the reply \"shutting down\", " +
			"and exits with 0", func(s *suite) (string, error) {
			b, err := s.box(shared.command, shared.contract, boxOptions{})
			if err != nil {
				return "", err
			}
			defer b.kill()
			var p problems
			if m, err := b.shutdown(newKey(kindHost)); err == nil {
				p.addf("another host is answered %q", m.Data)
			}
			p.want(b.alive(), "it has ended for another host")
			m, err := b.shutdown(b.host)
			if err != nil {
				return "", err
			}
			p.want(string(m.Data) == "shutting down", "the reply is %q", m.Data)
			select {
			case <-b.ended:
				p.want(b.cmd.ProcessState.ExitCode() == 0, "it exits with %v", b.cmd.ProcessState)
			case <-time.After(3 * time.Second):
				p.addf("it is still there after 3 s")
			}
			return "", p.err()
		}},
	}
}

// keyvalueChecks are of a provider of wasmcloud:keyvalue, as a process.
func keyvalueChecks(command []string) []check {
	k := &keyvalueSuite{shared: &boxes{command: command, contract: "wasmcloud:keyvalue"}, actor: newKey(kindModule),
		exists: pack("conformance:nothing")}
	return slices.Concat(lifeChecks("keyvalue", k.shared), k.calls(), k.refusals(), k.links())
}

// keyvalueSuite is what the checks of such a provider share.
type keyvalueSuite struct {
	shared *boxes
	actor  string // with a link
	exists []byte // the argument of KeyValue.Contains
}

// ready is the process, once it serves the actor.
func (k *keyvalueSuite) ready(s *suite) (*box, error) {
	b, err := k.shared.get(s)
	if err == nil {
		err = b.linked(k.actor, object{}, "KeyValue.Contains", k.exists)
	}
	return b, err
}

// refuses checks that a call, after a change, is refused with an error that has these words.
func (k *keyvalueSuite) refuses(words string, change func(*box, *invocation)) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		b, err := k.ready(s)
		if err != nil {
			return "", err
		}
		i := invocation{origin: actorEntity(k.actor), target: entity{b.key, "default", b.contract},
			op: "KeyValue.Contains", msg: k.exists, issuer: b.cluster}
		change(b, &i)
		data, _ := i.encode()
		return s.rejects(b.subject(""), data, words)
	}
}

// served is the error of an answer that must be none.
func served(a answer, err error) error {
	if err == nil && a.err != "" {
		err = errors.New(a.err)
	}
	return err
}

func (k *keyvalueSuite) calls() []check {
	return []check{
		{"keyvalue.unlinked", "3.7", "an actor without a link is refused", func(s *suite) (string, error) {
			b, err := k.shared.get(s)
			if err != nil {
				return "", err
			}
			other := newKey(kindModule)
			a, err := b.call(other, "KeyValue.Contains", k.exists)
			if err == nil && a.err == "" {
				err = errors.New("it is served")
			}
			if err == nil && !strings.Contains(a.err, "unlinked actor: '"+other+"'") {
				err = fmt.Errorf("12.4: the error is %q", a.err)
			}
			return a.err, err
		}},
		{"keyvalue.operations", "2.5", "all operations take and give what the contract says",
			func(s *suite) (string, error) {
				b, err := k.ready(s)
				if err != nil {
					return "", err
				}
				return keyvalueOperations(b, k.actor)
			}},
		{"keyvalue.unknown", "3.4", "an unknown operation and a wrong argument are errors",
			func(s *suite) (string, error) {
				b, err := k.ready(s)
				if err != nil {
					return "", err
				}
				var p problems
				for op, msg := range map[string][]byte{"KeyValue.Nonsense": nil, "NoDot": nil, "Other.Get": k.exists,
					"KeyValue.Get": {0xc1}, "KeyValue.Set": pack("text")} {
					a, err := b.call(k.actor, op, msg)
					p.want(err == nil && a.err != "", "%s: %v %v", op, a.raw, err)
				}
				return "", p.err()
			}},
		{"keyvalue.no.length", "3.3", "content_length may be missing", func(s *suite) (string, error) {
			b, err := k.ready(s)
			if err != nil {
				return "", err
			}
			return "", served(b.call(k.actor, "KeyValue.Contains", k.exists, without("content_length")))
		}},
		{"keyvalue.chunk", "3.6", "1 MB goes in and out through the object store", func(s *suite) (string, error) {
			b, err := k.ready(s)
			if err != nil {
				return "", err
			}
			return keyvalueChunks(b, k.actor)
		}},
	}
}

func (k *keyvalueSuite) refusals() []check {
	return []check{
		{"keyvalue.refuse.hash", "3.7", "another payload than the signed one is refused",
			k.refuses("hash", func(_ *box, i *invocation) {
				i.envelope = func(e object) { e["msg"] = pack("conformance:nothinG") }
			})},
		{"keyvalue.refuse.issuer", "3.7", "an unknown cluster is refused", func(s *suite) (string, error) {
			return k.refuses("", func(_ *box, i *invocation) { i.issuer = s.account })(s)
		}},
		{"keyvalue.refuse.expired", "3.7", "an expired token is refused",
			k.refuses("expired", func(_ *box, i *invocation) {
				i.claims = func(c object) { c["exp"] = time.Now().Unix() - 60 }
			})},
		{"keyvalue.refuse.target", "3.7", "a target that is not this provider is refused",
			k.refuses("", func(b *box, i *invocation) { i.target.key = newKey(kindProvider) })},
	}
}

func (k *keyvalueSuite) links() []check {
	return []check{
		{"keyvalue.linkdefs.twice", "5.5",
			"linkdefs.put for a linked actor is ignored, and linkdefs.del unlinks by actor_id",
			func(s *suite) (string, error) {
				b, err := k.ready(s)
				if err != nil {
					return "", err
				}
				if err := b.linked(k.actor, object{}, "KeyValue.Contains", k.exists); err != nil {
					return "", err
				}
				if err := b.tell("del", b.link(k.actor, object{})); err != nil {
					return "", err
				}
				return "", eventually(eventTime, func() error {
					if a, err := b.call(k.actor, "KeyValue.Contains", k.exists); err != nil || a.err == "" {
						return fmt.Errorf("after linkdefs.del it is served: %v %v", a.raw, err)
					}
					return nil
				})
			}},
		{"keyvalue.linkdefs.garbage", "5.5", "a link definition that is none is ignored; id and extra keys are, too",
			func(s *suite) (string, error) {
				b, err := k.shared.get(s)
				if err != nil {
					return "", err
				}
				for _, data := range [][]byte{nil, {0xc1}, pack("text"), pack(object{"actor_id": 5})} {
					if err := s.nc.Publish(b.subject(".linkdefs.put"), data); err != nil {
						return "", err
					}
				}
				other := newKey(kindModule)
				link := b.link(other, object{})
				link["id"] = linkHash(other, b.contract, "default")
				if err := b.tell("put", link); err != nil {
					return "", err
				}
				return "", eventually(eventTime, func() error {
					return served(b.call(other, "KeyValue.Contains", k.exists))
				})
			}},
		{"keyvalue.initial", "5.4", "links of the host data are served from the start", func(s *suite) (string, error) {
			other := newKey(kindModule)
			b, err := s.box(k.shared.command, k.shared.contract, boxOptions{change: func(d object) {
				d["link_definitions"] = []any{object{"id": "x", "actor_id": other, "provider_id": d["provider_key"],
					"link_name": "default", "contract_id": k.shared.contract, "values": object{}}}
			}})
			if err != nil {
				return "", err
			}
			defer b.kill()
			return "", served(b.call(other, "KeyValue.Contains", k.exists))
		}},
	}
}

// keyvalueOperations goes through the contract.
func keyvalueOperations(b *box, actor string) (string, error) {
	var p problems
	ask := func(op string, arg any) []byte {
		a, err := b.call(actor, "KeyValue."+op, pack(arg))
		p.want(err == nil && a.err == "", "%s %v: %v %s", op, arg, err, a.err)
		return a.msg
	}
	want := func(op string, arg any, result any) {
		got := ask(op, arg)
		v, err := unpack(got)
		if n, ok := number(v); ok {
			v = int(n)
		}
		p.want(err == nil && fmt.Sprint(v) == fmt.Sprint(result), "%s %v gives %x = %v, not %v", op, arg, got, v,
			result)
	}
	k := func(name string) string { return "conformance:" + b.key + ":" + name }
	want("Contains", k("a"), false)
	want("Get", k("a"), object{"exists": false, "value": ""})
	got := ask("Set", object{"key": k("a"), "value": "ä", "expires": 0})
	p.want(len(got) == 0 || bytes.Equal(got, []byte{0xc0}), "Set gives %x", got)
	want("Get", k("a"), object{"exists": true, "value": "ä"})
	want("Contains", k("a"), true)
	want("Del", k("a"), true)
	want("Del", k("a"), false)
	want("Increment", object{"key": k("n"), "value": 200}, 200)
	want("Increment", object{"key": k("n"), "value": -300}, -100)
	got = ask("Increment", object{"key": k("n"), "value": 40100})
	p.want(len(got) > 0 && got[0] >= 0xd1 && got[0] <= 0xd3,
		"2.2: the i32 40000 is encoded as %x, which is not a signed format", got)
	want("ListAdd", object{"listName": k("l"), "value": "x"}, 1)
	want("ListAdd", object{"listName": k("l"), "value": "y"}, 2)
	want("ListRange", object{"listName": k("l"), "start": 0, "stop": 9}, []any{"x", "y"})
	want("ListRange", object{"listName": k("l"), "start": 0, "stop": 0}, []any{"x"})
	want("ListRange", object{"listName": k("l"), "start": -1, "stop": -1}, []any{"y"})
	want("ListDel", object{"listName": k("l"), "value": "x"}, true)
	want("ListClear", k("l"), true)
	want("ListRange", object{"listName": k("l"), "start": 0, "stop": 9}, []any{})
	want("SetAdd", object{"setName": k("s"), "value": "x"}, 1)
	want("SetAdd", object{"setName": k("s"), "value": "x"}, 0)
	want("SetAdd", object{"setName": k("t"), "value": "x"}, 1)
	want("SetAdd", object{"setName": k("t"), "value": "z"}, 1)
	want("SetQuery", k("s"), []any{"x"})
	want("SetIntersection", []string{k("s"), k("t")}, []any{"x"})
	v, _ := unpack(ask("SetUnion", []string{k("s"), k("t")}))
	union, _ := v.([]any)
	p.want(len(union) == 2, "SetUnion gives %v", v)
	want("SetDel", object{"setName": k("t"), "value": "z"}, 1)
	want("SetDel", object{"setName": k("t"), "value": "z"}, 0)
	want("SetClear", k("s"), true)
	want("SetQuery", k("s"), []any{})
	ask("SetClear", k("t"))
	ask("Del", k("n"))
	return "", p.err()
}

// keyvalueChunks sets and gets a large value.
func keyvalueChunks(b *box, actor string) (string, error) {
	store, err := openStore(b.s.js, b.lattice)
	if err != nil {
		return "", err
	}
	key, large := "conformance:"+b.key+":large", strings.Repeat("large ", 170<<10)
	i := invocation{origin: actorEntity(actor), target: entity{b.key, "default", b.contract}, op: "KeyValue.Set",
		issuer:   b.cluster,
		msg:      pack(object{"key": key, "value": large, "expires": 60}),
		envelope: func(e object) { e["msg"] = []byte{} }}
	data, id := i.encode()
	if _, err := store.PutBytes(id, i.msg); err != nil {
		return "", err
	}
	a, err := b.s.send(b.subject(""), data)
	if err != nil {
		return "", err
	}
	if a.err != "" {
		if strings.Contains(a.err, "large") || strings.Contains(a.err, "maximum") {
			return "", notApplicable("this store does not take values of 1 MB: %s", a.err)
		}
		return "", errors.New(a.err)
	}
	if a, err = b.call(actor, "KeyValue.Get", pack(key)); err != nil || a.err != "" || !a.chunk {
		return "", fmt.Errorf("the answer is %s, %v", short(a.raw), err)
	}
	got, err := store.GetBytes(a.id + "-r")
	if err != nil {
		return "", err
	}
	o, err := unpackMap(got)
	if err == nil && o["value"] != large {
		err = fmt.Errorf("another value comes back, of %d bytes", len(got))
	}
	_, _ = b.call(actor, "KeyValue.Del", pack(key))
	return "", err
}

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

// httpUnlink checks that a listener ends with its link.
func httpUnlink(shared *boxes) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		return webbed(s, shared, func(_ *box, id string, _ object) []byte {
			return reply(id, pack(object{"statusCode": 200, "header": object{}, "body": []byte{}}), nil)
		}, func(b *box, actor, url string, _ <-chan *nats.Msg) error {
			if err := b.tell("del", b.link(actor, object{})); err != nil {
				return err
			}
			return eventually(eventTime, func() error {
				resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
				if err == nil {
					resp.Body.Close()
					if resp.StatusCode == 200 {
						return errors.New("it still serves")
					}
				}
				return nil
			})
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
	defer sub.Unsubscribe() //nolint:errcheck // tidying
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	l.Close()
	if err := b.tell("put", b.link(actor, object{"address": address})); err != nil {
		return "", err
	}
	defer b.tell("del", b.link(actor, object{})) //nolint:errcheck // tidying
	if err := eventually(eventTime, func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		return "", fmt.Errorf("after linkdefs.put: %w", err)
	}
	return "", run(b, actor, "http://"+address, calls)
}
