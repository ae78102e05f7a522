package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// stateChecks are of the lattice's bucket (8), read and written directly as old clients do.
var stateChecks = []check{
	{"bucket", "8.1", "the lattice's data is in the bucket LATTICEDATA_{lattice}, with history 1",
		func(s *suite) (string, error) {
			kv, err := s.kv()
			if err != nil {
				return "", err
			}
			status, err := kv.Status()
			if err == nil && status.History() != 1 {
				err = fmt.Errorf("the history is %d", status.History())
			}
			return "", err
		}},
	{"link.key", "8.2", "a link is stored under the hash of actor, contract and link name",
		func(s *suite) (string, error) {
			if id := linkHash("Mbob", "wasmcloud:testy",
				"default"); id != "B40411AD09B70A2C83D59923584F66BA2C5A3C274DC4F19416DA49CCD6531F9C" {
				return "", fmt.Errorf("this program computes %s", id)
			}
			kv, err := s.kv()
			if err != nil {
				return "", err
			}
			link := newLink("key")
			if err := s.do("linkdefs.put", link); err != nil {
				return "", err
			}
			defer s.dropLink(link)
			entry, err := kv.Get(linkKey(link))
			if err != nil {
				return "", fmt.Errorf("after the ack: %w", err)
			}
			var stored object
			var p problems
			p.want(json.Unmarshal(entry.Value(), &stored) == nil, "the value is %q", entry.Value())
			p.shape("the value", stored, "actor_id:str provider_id:str link_name:str contract_id:str values:strmap")
			for key, v := range link {
				p.want(fmt.Sprint(stored[key]) == fmt.Sprint(v), "%s is %v", key, stored[key])
			}
			return "", p.err()
		}},
	{"link.put.direct", "8.5", "a link that is put into the bucket counts: get.links, and linkdef_set from each host",
		func(s *suite) (string, error) {
			return s.direct(newLink("direct"), func(link object, mark, rpcMark int) error {
				data := object{"actor_id": link["actor_id"], "id": linkHash(link["actor_id"], link["contract_id"],
					link["link_name"])}
				if err := s.fromEach(mark, "linkdef_set", data); err != nil {
					return err
				}
				e, _ := s.event(mark, eventTime, "linkdef_set", data)
				var p problems
				p.shape("linkdef_set", e.data(),
					"id:text actor_id:str provider_id:str link_name:str contract_id:str values:strmap")
				p.want(fmt.Sprint(e.data()["values"]) == fmt.Sprint(link["values"]), "values are %v",
					e.data()["values"])
				m, ok := s.rpc.await(rpcMark, eventTime, linkMessage(link, "put"))
				p.want(ok, "8.5: no linkdefs.put for the provider")
				if ok {
					checkLinkMessage(&p, m, link)
				}
				return p.err()
			})
		}},
	{"link.del.direct", "8.5", "a KV delete removes the link: linkdef_deleted and linkdefs.del with the remembered " +
		"definition", func(s *suite) (string, error) {
		return s.removal("del", func(kv nats.KeyValue, key string) error { return kv.Delete(key) })
	}},
	{"link.purge.direct", "8.5", "a KV purge does the same", func(s *suite) (string, error) {
		return s.removal("purge", func(kv nats.KeyValue, key string) error { return kv.Purge(key) })
	}},
	{"link.hash", "8.2", "a link under a key that is not its hash is ignored", func(s *suite) (string, error) {
		kv, err := s.kv()
		if err != nil {
			return "", err
		}
		link := newLink("hash")
		key := "LINKDEF_" + strings.Repeat("AB", 32)
		if _, err := kv.Put(key, payload(link)); err != nil {
			return "", err
		}
		defer kv.Purge(key) //nolint:errcheck // tidying
		return "", s.fence(func(links []object) error {
			if find(links, object{"actor_id": link["actor_id"]}) != nil {
				return fmt.Errorf("the link is listed")
			}
			return nil
		})
	}},
	{"garbage", "8.5", "unknown keys and values that are no JSON are ignored", func(s *suite) (string, error) {
		kv, err := s.kv()
		if err != nil {
			return "", err
		}
		for key, value := range map[string]string{"CONFORMANCE_x": "?", "nothing": "",
			"LINKDEF_" + strings.Repeat("00", 32): "{", "CLAIMS_Mx": "[]", "CLAIMS_": "null", "LINKDEF_": "{}"} {
			if _, err := kv.Put(key, []byte(value)); err != nil {
				return "", err
			}
			defer kv.Purge(key) //nolint:errcheck // tidying
		}
		return "", s.fence(func([]object) error { return nil })
	}},
	{"link.id", "8.2", "a stored link may carry the id that OTP adds", func(s *suite) (string, error) {
		link := newLink("otp")
		link["id"] = linkHash(link["actor_id"], link["contract_id"], link["link_name"])
		return s.direct(link, func(object, int, int) error { return nil })
	}},
	{"link.changed", "10.6 #14", "when values change, providers get linkdefs.del and then linkdefs.put",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			link := newLink("changed")
			link["provider_id"], link["contract_id"] = h.key, probeContract
			return s.direct(link, func(object, int, int) error {
				changed := object{}
				for k, v := range link {
					changed[k] = v
				}
				changed["values"] = object{"URL": "redis://127.0.0.1:2"}
				mark := s.rpc.mark()
				if err := s.do("linkdefs.put", changed); err != nil {
					return err
				}
				del, ok := s.rpc.await(mark, eventTime, linkMessage(link, "del"))
				if !ok {
					return fmt.Errorf("no linkdefs.del")
				}
				put, ok := s.rpc.await(mark, eventTime, func(r recorded) bool {
					return linkMessage(link, "put")(r) &&
						!r.at.Before(del.at)
				})
				if !ok {
					return fmt.Errorf("no linkdefs.put after linkdefs.del")
				}
				var p problems
				checkLinkMessage(&p, put, changed)
				return p.err()
			})
		}},
	{"claims.actor.value", "8.3", "an actor's claims are stored flat, in the short spelling, without null or lists",
		func(s *suite) (string, error) {
			a, err := s.probe()
			if err != nil {
				return "", err
			}
			return s.storedClaims(a.id, "call_alias:str caps:str contract_id:str iss:account name:text rev:str "+
				"sub:actor tags:str version:str", nil)
		}},
	{"claims.provider.value", "8.3",
		"a provider's claims are stored without the keys that make hosts take it for an actor",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			return s.storedClaims(h.key, "contract_id:text iss:account name:text rev:str sub:provider version:str",
				[]string{"call_alias", "caps", "tags"})
		}},
	{"claims.forms", "8.3", "claims of all four forms are taken from the bucket", func(s *suite) (string, error) {
		kv, err := s.kv()
		if err != nil {
			return "", err
		}
		forms := map[string]object{
			newKey(kindModule): {"call_alias": "", "caps": "a:b,c:d", "contract_id": "", "iss": s.account.public,
				"name": "flat actor", "rev": "1", "tags": "", "version": "1"},
			newKey(kindModule): {"call_alias": "", "capabilities": []string{"a:b", "c:d"}, "issuer": s.account.public,
				"name": "long actor", "revision": "1", "tags": []string{"t"}, "version": "1"},
			newKey(kindProvider): {"call_alias": "", "caps": "", "contract_id": "a:b", "iss": s.account.public,
				"name": "flat provider", "rev": "1", "tags": "", "version": "1"},
			newKey(kindProvider): {"contract_id": "a:b", "issuer": s.account.public, "name": "long provider",
				"revision": "1", "version": "1", "config_schema": nil},
		}
		for key, form := range forms {
			subject := map[bool]string{true: "sub", false: "subject"}[form["iss"] != nil]
			form[subject] = key
			if _, err := kv.Put("CLAIMS_"+key, payload(form)); err != nil {
				return "", err
			}
			defer kv.Delete("CLAIMS_" + key) //nolint:errcheck // tidying
		}
		return "", eventually(eventTime, func() error {
			o, err := s.request("get.claims", nil)
			if err != nil {
				return err
			}
			var p problems
			for key, form := range forms {
				got := find(list(o["claims"]), object{"sub": key})
				p.want(got != nil, "%v of %s is not listed", form["name"], key)
				if got != nil {
					p.want(got["name"] == form["name"] && got["subject"] == key && got["rev"] == "1",
						"%v is listed as %v", form["name"], got)
					p.want(key[0] == 'V' || got["caps"] == "a:b,c:d" || got["caps"] == "", "caps are %v", got["caps"])
					p.want(key[0] == 'M' || got["contract_id"] == "a:b", "contract_id is %v", got["contract_id"])
				}
			}
			return p.err()
		})
	}},
	{"claims.deleted", "8.5", "deleted claims are gone from get.claims", func(s *suite) (string, error) {
		kv, err := s.kv()
		if err != nil {
			return "", err
		}
		listed := func(key string, want bool) error {
			return eventually(eventTime, func() error {
				o, err := s.request("get.claims", nil)
				if err == nil && (find(list(o["claims"]), object{"sub": key}) != nil) != want {
					err = fmt.Errorf("listed: %v", !want)
				}
				return err
			})
		}
		for i, remove := range []func(string) error{func(k string) error { return kv.Delete(k) },
			func(k string) error { return kv.Purge(k) }} {
			key := newKey(kindModule)
			if _, err := kv.Put("CLAIMS_"+key, payload(flatClaims(key, "deleted", "", s.account.public))); err != nil {
				return "", err
			}
			if err := listed(key, true); err != nil {
				return "", err
			}
			if err := remove("CLAIMS_" + key); err != nil {
				return "", err
			}
			if err := listed(key, false); err != nil {
				return "", fmt.Errorf("after %s: %w", []string{"DEL", "PURGE"}[i], err)
			}
		}
		return "", nil
	}},
	{"claims.subject", "8.3", "claims under another subject's key are ignored", func(s *suite) (string, error) {
		kv, err := s.kv()
		if err != nil {
			return "", err
		}
		key, other := newKey(kindModule), newKey(kindModule)
		if _, err := kv.Put("CLAIMS_"+key, payload(flatClaims(other, "mismatch", "", s.account.public))); err != nil {
			return "", err
		}
		defer kv.Purge("CLAIMS_" + key) //nolint:errcheck // tidying
		return "", s.fence(func([]object) error {
			o, err := s.request("get.claims", nil)
			if err == nil && (find(list(o["claims"]), object{"sub": other}) != nil ||
				find(list(o["claims"]), object{"sub": key}) != nil) {
				err = fmt.Errorf("they are listed")
			}
			return err
		})
	}},
	{"claims.alias", "8.3", "call aliases come from claims in the bucket; the last one wins",
		func(s *suite) (string, error) {
			caller, err := s.probe()
			if err != nil {
				return "", err
			}
			target, err := s.start(spec{name: "aliased"})
			if err != nil {
				return "", err
			}
			kv, err := s.kv()
			if err != nil {
				return "", err
			}
			nobody := newKey(kindModule)
			for _, key := range []string{nobody, target.id} {
				if _, err := kv.Put("CLAIMS_"+key,
					payload(flatClaims(key, "aliased", "conformance/clash", s.account.public))); err != nil {
					return "", err
				}
			}
			defer kv.Delete("CLAIMS_" + nobody) //nolint:errcheck // tidying
			return "", eventually(eventTime, func() error {
				out, err := s.through(caller.id, "C", "", "conformance/clash", "Raise.R", []byte("hello"))
				if err == nil && (out.code != 1 || string(out.body) != "hello") {
					err = fmt.Errorf("the call by alias gives %d %q", out.code, out.body)
				}
				return err
			})
		}},
}

func flatClaims(key, name, alias, issuer string) object {
	return object{"call_alias": alias, "caps": "", "contract_id": "", "iss": issuer, "name": name, "rev": "1",
		"sub": key, "tags": "", "version": "1"}
}

func (s *suite) kv() (nats.KeyValue, error) { return s.js.KeyValue("LATTICEDATA_" + s.lattice) }

func linkHash(actor, contract, link any) string {
	return upperSHA256([]byte(fmt.Sprint(actor, contract, link)))
}

func linkKey(link object) string {
	return "LINKDEF_" + linkHash(link["actor_id"], link["contract_id"], link["link_name"])
}

// linkMessage wants what hosts tell a link's provider: put or del.
func linkMessage(link object, verb string) func(recorded) bool {
	return func(r recorded) bool {
		return strings.HasSuffix(r.subject, fmt.Sprintf(".%v.%v.linkdefs.%s", link["provider_id"], link["link_name"],
			verb))
	}
}

// checkLinkMessage holds a message to 5.5.
func checkLinkMessage(p *problems, r recorded, link object) {
	got, err := unpackMap(r.raw)
	if err != nil {
		p.addf("5.5: %v", err)
		return
	}
	p.shape("5.5: the link definition", got, "actor_id:str provider_id:str link_name:str contract_id:str values:strmap")
	p.want(r.reply == "", "5.5: the message has a reply subject")
	for _, key := range []string{"actor_id", "provider_id", "link_name", "contract_id", "values"} {
		p.want(fmt.Sprint(got[key]) == fmt.Sprint(link[key]), "5.5: %s is %v, not %v", key, got[key], link[key])
	}
}

// direct puts a link into the bucket, waits until it is listed, and tidies up after then.
func (s *suite) direct(link object, then func(link object, mark, rpcMark int) error) (string, error) {
	kv, err := s.kv()
	if err != nil {
		return "", err
	}
	mark, rpcMark := s.events.mark(), s.rpc.mark()
	if _, err := kv.Put(linkKey(link), payload(link)); err != nil {
		return "", err
	}
	defer kv.Delete(linkKey(link)) //nolint:errcheck // tidying
	err = eventually(eventTime, func() error {
		o, err := s.request("get.links", nil)
		if err == nil && find(list(o["links"]), object{"actor_id": link["actor_id"]}) == nil {
			err = fmt.Errorf("the link is not listed")
		}
		return err
	})
	if err == nil {
		err = then(link, mark, rpcMark)
	}
	return "", err
}

// removal puts a link and removes it directly.
func (s *suite) removal(name string, remove func(nats.KeyValue, string) error) (string, error) {
	return s.direct(newLink(name), func(link object, _, _ int) error {
		kv, err := s.kv()
		if err != nil {
			return err
		}
		mark, rpcMark := s.events.mark(), s.rpc.mark()
		if err := remove(kv, linkKey(link)); err != nil {
			return err
		}
		if err := s.gone(link); err != nil {
			return err
		}
		if err := s.fromEach(mark, "linkdef_deleted", object{"actor_id": link["actor_id"]}); err != nil {
			return err
		}
		e, _ := s.event(mark, eventTime, "linkdef_deleted", object{"actor_id": link["actor_id"]})
		var p problems
		p.shape("linkdef_deleted", e.data(),
			"id:text actor_id:str provider_id:str link_name:str contract_id:str values:strmap")
		m, ok := s.rpc.await(rpcMark, eventTime, linkMessage(link, "del"))
		p.want(ok, "no linkdefs.del for the provider")
		if ok {
			checkLinkMessage(&p, m, link)
		}
		return p.err()
	})
}

// fromEach waits for an event of every host.
func (s *suite) fromEach(mark int, name string, data object) error {
	for _, id := range s.hostIDs() {
		if _, ok := s.events.await(mark, eventTime, func(r recorded) bool {
			return r.event["source"] == id &&
				s.evented(name, data)(r)
		}); !ok {
			return fmt.Errorf("7.5: no %s of host %s", name, id)
		}
	}
	return nil
}

// fence puts a link behind what was written before, waits until it is listed, and then looks at the links.
func (s *suite) fence(look func([]object) error) error {
	_, err := s.direct(newLink("fence"), func(object, int, int) error {
		time.Sleep(50 * time.Millisecond) // the hosts that did not answer may be a little behind
		o, err := s.request("get.links", nil)
		if err != nil {
			return err
		}
		return look(list(o["links"]))
	})
	return err
}

// storedClaims holds claims in the bucket to a shape.
func (s *suite) storedClaims(key, shape string, without []string) (string, error) {
	kv, err := s.kv()
	if err != nil {
		return "", err
	}
	entry, err := kv.Get("CLAIMS_" + key)
	if err != nil {
		return "", fmt.Errorf("CLAIMS_%s: %w", key, err)
	}
	var stored object
	var p problems
	p.want(json.Unmarshal(entry.Value(), &stored) == nil, "the value is %q", entry.Value())
	p.shape("the value", stored, shape)
	for _, k := range append(without, "issuer", "subject", "revision", "capabilities") {
		_, there := stored[k]
		p.want(!there, "the value has %s", k)
	}
	for k, v := range stored {
		_, ok := v.(string)
		p.want(ok, "%s is %v, not a string", k, v)
	}
	return string(entry.Value()), p.err()
}
