package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// testedActor is an actor's module, run by the first host.
type testedActor struct {
	path, name string
	id         string // once it runs
}

func (a *testedActor) start(s *suite) error {
	if a.id != "" {
		return nil
	}
	absolute, err := filepath.Abs(a.path)
	if err != nil {
		return err
	}
	if absolute, err = s.signed(absolute, a.name); err != nil {
		return notApplicable("%v", err)
	}
	mark := s.events.mark()
	if err := s.startOn(s.host(), "file://"+absolute, 2); err != nil {
		return notApplicable("the host does not start it: %v", err)
	}
	e, err := s.event(mark, eventTime, "actor_scaled", object{"image_ref": "file://" + absolute})
	if err != nil {
		return notApplicable("%v", err)
	}
	a.id, _ = e.data()["public_key"].(string)
	return nil
}

// call calls the actor as an HTTP server does.
func (a *testedActor) call(s *suite, op string, msg []byte) (answer, error) {
	if err := a.start(s); err != nil {
		return answer{}, err
	}
	return s.call(actorEntity(a.id), op, msg, func(i *invocation) {
		i.origin = entity{newKey(kindProvider), "default", "wasmcloud:httpserver"}
	})
}

// actorChecks are of an actor's module.
func actorChecks(path string) []check {
	name := strings.TrimSuffix(filepath.Base(path), ".wasm")
	a := &testedActor{path: path, name: name}
	return []check{
		{"actor." + name + ".health", "2.3",
			"Actor.HealthRequest with an empty map is answered by {healthy, message?}", func(s *suite) (string, error) {
				got, err := a.call(s, "Actor.HealthRequest", []byte{0x80})
				if err != nil {
					return "", err
				}
				o, err := unpackMap(got.msg)
				var p problems
				p.want(got.err == "" && err == nil, "%s %v", got.err, err)
				p.shape("the answer", o, "healthy:bool message?~:str")
				return fmt.Sprintf("%x", got.msg), p.err()
			}},
		{"actor." + name + ".unknown", "1.3", "unknown operations fail with a text that names them",
			func(s *suite) (string, error) {
				var p problems
				for _, op := range []string{"Conformance.Nothing", "Nothing"} {
					got, err := a.call(s, op, []byte{0x80})
					if err != nil {
						return "", err
					}
					p.want(strings.Contains(got.err, "Nothing"), "%s: %v", op, got.raw)
				}
				return "", p.err()
			}},
		{"actor." + name + ".http", "2.4",
			"HttpServer.HandleRequest is answered by a whole HttpResponse; unknown keys are ignored",
			func(s *suite) (string, error) {
				got, err := a.call(s, "HttpServer.HandleRequest",
					pack(object{"method": "GET", "path": "/foo", "queryString": "a=b", "body": []byte("hello"),
						"header": object{"x-a": []string{"1", "2"}}, "from_the_future": []any{1, object{}}}))
				if err != nil {
					return "", err
				}
				return httpResponse(got)
			}},
		{"actor." + name + ".http.str", "3.9", "wash call has no type for bytes: body as a string is taken",
			func(s *suite) (string, error) {
				got, err := a.call(s, "HttpServer.HandleRequest",
					pack(object{"method": "GET", "path": "/", "queryString": "",
						"body": "", "header": object{}}))
				if err != nil {
					return "", err
				}
				return httpResponse(got)
			}},
		{"actor." + name + ".garbage", "2.1", "an argument that is no msgpack fails, and the actor lives on",
			func(s *suite) (string, error) {
				got, err := a.call(s, "HttpServer.HandleRequest", []byte{0xc1, 0xff})
				if err != nil {
					return "", err
				}
				if got.err == "" {
					if _, err := httpResponse(got); err != nil {
						return "", err
					}
				}
				h, err := a.call(s, "Actor.HealthRequest", []byte{0x80})
				if err == nil && h.err != "" {
					err = fmt.Errorf("afterwards: %s", h.err)
				}
				return got.err, err
			}},
	}
}

// signed is the path of a module with claims: the given one, or a copy that gets some.
func (s *suite) signed(path, name string) (string, error) {
	module, err := os.ReadFile(path)
	if err != nil || bytes.Contains(module[max(0, len(module)-64<<10):],
		[]byte(base64Token.EncodeToString([]byte(tokenHeader))+".")) {
		return path, err
	}
	caps := []string{"wasmcloud:httpserver", "wasmcloud:keyvalue", "wasmcloud:builtin:logging",
		"wasmcloud:builtin:numbergen"}
	return s.file(name+".wasm", signModule(module, s.account, newKey(kindModule), object{"name": name, "caps": caps,
		"tags": []string{}, "rev": 1, "ver": "0.0.1"}))
}

// httpResponse holds an answer to 2.4.
func httpResponse(a answer) (string, error) {
	if a.err != "" {
		if strings.Contains(a.err, "capability") || strings.Contains(a.err, "not handled") ||
			strings.Contains(a.err, "no handler") {
			return "", notApplicable("the actor is not for HTTP: %s", a.err)
		}
		return "", fmt.Errorf("it fails: %s", a.err)
	}
	o, err := unpackMap(a.msg)
	if err != nil {
		return "", err
	}
	var p problems
	p.shape("HttpResponse", o, "statusCode:int header:map")
	_, isBin := o["body"].([]byte)
	p.want(isBin, "body is %T, not bin", o["body"])
	code, _ := number(o["statusCode"])
	p.want(code >= 100 && code < 600, "statusCode is %v", o["statusCode"])
	return fmt.Sprint(code), p.err()
}
