package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

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
