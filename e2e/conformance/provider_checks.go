package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// startProviderChecks are of how a host starts a provider (5.1-5.3). The provider is this program.
var startProviderChecks = []check{
	{"provider.start", "5.1", "lp starts a provider from an archive and emits provider_started",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", unwrapped(err)
			}
			var p problems
			data := h.began.data()
			p.shape("provider_started", data,
				"host_id:host public_key:provider image_ref:text link_name:text contract_id:text instance_id:text "+
					"annotations:strmap claims:map")
			p.want(data["public_key"] == h.key && data["contract_id"] == probeContract, "it is %v", data)
			p.want(data["image_ref"] == h.ref, "image_ref is %v, not as sent", data["image_ref"])
			notes, _ := data["annotations"].(object)
			p.want(notes["conformance"] == "yes", "annotations are %v", notes)
			claims, _ := data["claims"].(object)
			p.shape("claims", claims, "issuer:account name:text tags?~:str version:str not_before_human:text "+
				"expires_human:text")
			return "", p.err()
		}},
	{"provider.inventory", "6.5", "the provider is in the inventory", func(s *suite) (string, error) {
		h, err := s.helper("default")
		if err != nil {
			return "", err
		}
		inv, err := s.inventory(s.host())
		if err != nil {
			return "", err
		}
		var p problems
		checkInventory(&p, inv)
		v := find(list(inv["providers"]), object{"id": h.key, "link_name": "default"})
		p.want(v["contract_id"] == probeContract && v["image_ref"] == h.ref, "it is listed as %v", v)
		return short(v), p.err()
	}},
	{"hostdata.line", "5.1", "host data is one line of padded base64, and there are no arguments",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			var p problems
			p.want(strings.HasSuffix(h.told.Line, "\n") && strings.Count(h.told.Line, "\n") == 1,
				"the line ends with %q",
				h.told.Line[max(0, len(h.told.Line)-4):])
			p.want(len(h.told.Args) == 0, "the arguments are %q", h.told.Args)
			return "", p.err()
		}},
	{"hostdata.fields", "5.3", "host data has every field, of the right type", func(s *suite) (string, error) {
		h, err := s.helper("default")
		if err != nil {
			return "", err
		}
		var p problems
		d := h.data
		p.shape("host data", d, "host_id:host lattice_rpc_prefix:text link_name:text lattice_rpc_user_jwt:str "+
			"lattice_rpc_user_seed:str lattice_rpc_url:str provider_key:provider invocation_seed:text "+
			"env_values:strmap instance_id:text link_definitions:list cluster_issuers:strs config_json?~:str "+
			"default_rpc_timeout_ms:int structured_logging:bool log_level?:str otel_config:map js_domain?~:str")
		p.want(d["host_id"] == s.host(), "host_id is %v", d["host_id"])
		p.want(d["lattice_rpc_prefix"] == s.lattice && d["link_name"] == "default" && d["provider_key"] == h.key,
			"it is %v", d)
		p.want(isUUID.MatchString(fmt.Sprint(d["instance_id"])), "instance_id is %v", d["instance_id"])
		p.want(d["instance_id"] == h.began.data()["instance_id"], "instance_id is %v, in the event %v",
			d["instance_id"], h.began.data()["instance_id"])
		seed, err := signerFromSeed(fmt.Sprint(d["invocation_seed"]))
		p.want(err == nil && seed.public[0] == 'C', "invocation_seed is no cluster's seed")
		if err == nil {
			issuers, _ := d["cluster_issuers"].([]any)
			p.want(slices.Contains(issuers, any(seed.public)), "cluster_issuers are %v, without the host's own",
				issuers)
		}
		p.want(d["log_level"] == nil || isOneOf(d["log_level"], "error", "warn", "info", "debug", "trace"),
			"log_level is %v", d["log_level"])
		otel, _ := d["otel_config"].(object)
		p.shape("otel_config", otel, "traces_exporter?~:str exporter_otlp_endpoint?~:str")
		return strings.Join(keys(d), " "), p.err()
	}},
	{"hostdata.config", "5.3", "configuration of the command arrives as config_json, unchanged",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			if h.data["config_json"] != probeConfig {
				return "", fmt.Errorf("config_json is %q, not %q", h.data["config_json"], probeConfig)
			}
			return "", nil
		}},
	{"hostdata.no.config", "5.3", "without configuration there is none; another link name is another instance",
		func(s *suite) (string, error) {
			h, err := s.helper("second")
			if err != nil {
				return "", unwrapped(err)
			}
			if config := h.data["config_json"]; config != nil && config != "" {
				return "", fmt.Errorf("config_json is %q", config)
			}
			if h.data["link_name"] != "second" {
				return "", fmt.Errorf("link_name is %v", h.data["link_name"])
			}
			return "", nil
		}},
	{"hostdata.links", "5.3", "links that were there before the provider are in link_definitions",
		func(s *suite) (string, error) {
			link := newLink("links")
			link["provider_id"], link["link_name"], link["contract_id"] = providerKey, "linked", probeContract
			other := newLink("links")
			other["provider_id"], other["contract_id"] = providerKey, probeContract
			return s.direct(other, func(object, int, int) error {
				_, err := s.direct(link, func(object, int, int) error {
					h, err := s.helper("linked")
					if err != nil {
						return unwrapped(err)
					}
					links := list(h.data["link_definitions"])
					if len(links) != 1 {
						return fmt.Errorf("link_definitions are %s", short(h.data["link_definitions"]))
					}
					var p problems
					p.shape("the link", links[0],
						"actor_id:str provider_id:str link_name:str contract_id:str values:strmap")
					p.want(fmt.Sprint(links[0]["values"]) == fmt.Sprint(link["values"]) &&
						links[0]["actor_id"] == link["actor_id"], "it is %v", links[0])
					return p.err()
				})
				return err
			})
		}},
	{"environment", "5.2", "the environment is cleared but for a few names", func(s *suite) (string, error) {
		h, err := s.helper("default")
		if err != nil {
			return "", err
		}
		allowed := []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "RUST_LOG", "SYSTEMROOT", "PATH",
			"HOME"}
		var names []string
		var p problems
		for _, e := range h.told.Env {
			name, _, _ := strings.Cut(e, "=")
			names = append(names, name)
			p.want(slices.Contains(allowed, name), "it has %s", name)
		}
		return strings.Join(names, " "), p.err()
	}},
	{"provider.twice", "5.1", "a provider that runs under the link name is refused, with provider_start_failed",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			mark := s.events.mark()
			text, err := s.refused("", s.cmd("lp"), object{"provider_ref": h.ref, "link_name": "default",
				"host_id": s.host()})
			if err != nil {
				return text, err
			}
			e, err := s.event(mark, eventTime, "provider_start_failed", object{"provider_ref": h.ref})
			if err != nil {
				return text, err
			}
			var p problems
			p.shape("provider_start_failed", e.data(), "provider_ref:text link_name:text error:text")
			return text, p.err()
		}},
	{"auction.provider.runs", "6.3", "a host where (reference, link name) runs does not bid",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			for _, m := range s.gather("auction.provider", object{"provider_ref": h.ref, "link_name": "default",
				"constraints": object{}}, time.Second) {
				var bid object
				if json.Unmarshal(m.Data, &bid) == nil && bid["host_id"] == s.host() {
					return "", fmt.Errorf("it bids: %v", bid)
				}
			}
			return "", nil
		}},
	{"provider.missing", "7.5", "an archive that is not there: provider_start_failed", func(s *suite) (string, error) {
		return s.providerFails("file://"+s.dir+"/nothing.par", "")
	}},
	{"provider.health", "5.6", "the first health check comes about 5 s after the start, as a request, " +
		"with an empty payload", func(s *suite) (string, error) {
		h, err := s.helper("default")
		if err != nil {
			return "", err
		}
		own := func(r recorded) bool { return strings.HasSuffix(r.subject, "."+h.key+".default.health") }
		r, ok := s.rpc.await(0, 8*time.Second, own)
		if !ok {
			return "", fmt.Errorf("none within %v", 8*time.Second)
		}
		var p problems
		p.want(r.reply != "", "it has no reply subject")
		p.want(len(r.raw) == 0, "its payload is %x", r.raw)
		e, err := s.event(0, 8*time.Second, "health_check_passed", object{"public_key": h.key, "link_name": "default"})
		if err != nil {
			p.addf("%v", err)
		} else {
			p.shape("health_check_passed", e.data(), "public_key:provider contract_id:text link_name:text")
		}
		return fmt.Sprintf("%.1f s after provider_started", r.at.Sub(h.began.at).Seconds()), p.err()
	}},
}

func keys(o object) []string {
	var names []string
	for k := range o {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// providerFails starts what must not start.
func (s *suite) providerFails(ref, words string) (string, error) {
	mark := s.events.mark()
	if _, _, err := s.ack(s.cmd("lp"), object{"provider_ref": ref, "link_name": "default",
		"host_id": s.host()}); err != nil {
		return "", err
	}
	e, err := s.event(mark, eventTime, "provider_start_failed", object{"provider_ref": ref})
	if err != nil {
		return "", err
	}
	var p problems
	p.shape("provider_start_failed", e.data(), "provider_ref:text link_name:text error:text")
	text := fmt.Sprint(e.data()["error"])
	p.want(strings.Contains(strings.ToLower(text), words), "the error is %q, without %q", text, words)
	return text, p.err()
}

// playedChecks are of what hosts send to a running provider and how they take its answers.
var playedChecks = []check{
	{"provider.linkdefs", "5.5", "linkdefs.put and linkdefs.del are msgpack maps without a reply subject",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			link := newLink("played")
			link["provider_id"], link["contract_id"] = h.key, probeContract
			var p problems
			for _, verb := range []string{"put", "del"} {
				mark := s.rpc.mark()
				if err := s.do("linkdefs."+verb, link); err != nil {
					return "", err
				}
				r, ok := s.rpc.await(mark, eventTime, linkMessage(link, verb))
				p.want(ok, "no linkdefs.%s", verb)
				if ok {
					checkLinkMessage(&p, r, link)
				}
			}
			return "", p.err()
		}},
	{"provider.call", "3.3", "a host's call to a provider has all keys, types, claims and the right hash",
		func(s *suite) (string, error) {
			return s.answering(func(m *nats.Msg, id string) { _ = m.Respond(reply(id, []byte("answer"), nil)) },
				func(from string, ask func() (outcome, error), calls <-chan *nats.Msg) error {
					out, err := ask()
					if err != nil || out.code != 1 || string(out.body) != "answer" {
						return fmt.Errorf("the actor gets %#x %q, %v", out.code, out.body, err)
					}
					var p problems
					inv, msg := checkInvocation((<-calls).Data, &p)
					origin, _ := inv["origin"].(object)
					target, _ := inv["target"].(object)
					p.want(origin["public_key"] == from && origin["link_name"] == "" && origin["contract_id"] == "",
						"3.2: origin is %v", origin)
					p.want(target["public_key"] == providerKey && target["link_name"] == "default" &&
						target["contract_id"] == probeContract, "3.2: target is %v", target)
					p.want(inv["operation"] == "Probe.Do", "3.2: operation is %v", inv["operation"])
					p.want(inv["host_id"] == s.host(), "10.6 #18: host_id is %v", inv["host_id"])
					p.want(string(msg) == "question", "msg is %q", msg)
					return p.err()
				})
		}},
	{"provider.error.bare", "3.4", "an error answer without content_length is read, and its text reaches the actor",
		answered(func(id string) []byte {
			return pack(object{"msg": []byte{}, "invocation_id": id, "error": "the provider's reason"})
		}, 0, "the provider's reason")},
	{"provider.error.empty.id", "3.4", "an error answer with an empty invocation_id is read",
		answered(func(string) []byte {
			return pack(object{"msg": []byte{}, "invocation_id": "", "error": "deser error: x", "content_length": 0})
		}, 0, "deser error: x")},
	{"provider.answer.bare", "3.4", "an answer without content_length and with error nil is read",
		answered(func(id string) []byte {
			return pack(object{"msg": []byte("fine"), "invocation_id": id, "error": nil, "instance_id": "otp"})
		}, 1, "fine")},
	{"provider.answer.nil", "2.1", "an answer of nil (SDK82) is passed on",
		answered(func(id string) []byte { return reply(id, []byte{0xc0}, nil) }, 1, "\xc0")},
	{"provider.answer.other", "3.4", "an answer to another invocation is an error",
		answered(func(string) []byte { return reply("another", []byte("x"), nil) }, 0, "")},
	{"provider.answer.garbage", "3.4", "an answer that is no response is an error",
		answered(func(string) []byte { return []byte("garbage") }, 0, "")},
	{"provider.answer.chunked", "3.6", "an answer of 1 MB that is in the object store is fetched and deleted there",
		func(s *suite) (string, error) {
			big := bytes.Repeat([]byte("x"), 1<<20)
			store, err := s.store()
			if err != nil {
				return "", err
			}
			var name string
			return s.answering(func(m *nats.Msg, id string) {
				name = id + "-r"
				if _, err := store.PutBytes(name, big); err == nil {
					_ = m.Respond(pack(object{"msg": []byte{}, "invocation_id": id, "content_length": len(big)}))
				}
			}, func(_ string, ask func() (outcome, error), calls <-chan *nats.Msg) error {
				// the probe's answer is as large, so that it is in the store as well
				err := s.largeAnswer(big)
				if err != nil {
					return err
				}
				<-calls
				return eventually(answerTime, func() error {
					if _, err := store.GetInfo(name); err == nil {
						return fmt.Errorf("%s is still in the store", name)
					}
					return nil
				})
			})
		}},
	{"provider.timeout", "3.8", "a provider that does not answer ends the call after about 2 s",
		func(s *suite) (string, error) {
			return s.answering(func(*nats.Msg, string) {}, func(_ string, ask func() (outcome, error),
				_ <-chan *nats.Msg) error {
				begun := time.Now()
				out, err := ask()
				took := time.Since(begun)
				if took < time.Second || took > 5*time.Second || err == nil && out.code != 0 {
					return fmt.Errorf("after %v the actor gets %#x %q, %v", took, out.code, out.body, err)
				}
				return nil
			})
		}},
	{"invoke.patient", "3.8", "a caller that waits longer than 2 s gets its answer: its timeout is its own",
		func(s *suite) (string, error) {
			return s.answering(func(m *nats.Msg, id string) {
				time.AfterFunc(1500*time.Millisecond, func() { _ = m.Respond(reply(id, []byte("late"), nil)) })
			}, func(_ string, ask func() (outcome, error), _ <-chan *nats.Msg) error {
				results := make(chan error, 8)
				for range cap(results) { // the probe has four instances, so half of them wait for the others
					go func() {
						out, err := ask()
						if err == nil && string(out.body) != "late" {
							err = fmt.Errorf("the actor gets %#x %q", out.code, out.body)
						}
						results <- err
					}()
				}
				var bad problems
				for range cap(results) {
					err := <-results
					bad.want(err == nil, "%v", err)
				}
				return bad.err()
			})
		}},
	{"provider.calls.actor", "3.3", "a call that is signed with the host data's seed reaches an actor",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			r, err := s.probe()
			if err != nil {
				return "", err
			}
			seed, err := signerFromSeed(fmt.Sprint(h.data["invocation_seed"]))
			if err != nil {
				return "", err
			}
			a, err := s.call(actorEntity(r.id), "R", []byte("from a provider"), func(i *invocation) {
				i.issuer, i.origin = seed, entity{h.key, "default", probeContract}
				i.envelope = func(e object) { e["host_id"] = h.data["host_id"] }
			})
			if err == nil && (a.err != "" || string(a.msg) != "from a provider") {
				err = fmt.Errorf("the answer is %v", a.raw)
			}
			return "", err
		}},
	{"provider.caps", "1.5", "a provider whose contract is not in the actor's caps is denied",
		func(s *suite) (string, error) {
			r, err := s.probe()
			if err != nil {
				return "", err
			}
			a, err := s.call(actorEntity(r.id), "R", nil, func(i *invocation) {
				i.origin = entity{providerKey, "default",
					"conformance:other"}
			})
			if err == nil && (a.err == "" || !strings.Contains(a.err, "conformance:other")) {
				err = fmt.Errorf("the answer is %v", a.raw)
			}
			return a.err, err
		}},
	{"sp.other.link", "6.3", "sp for a link name that does not run is refused", func(s *suite) (string, error) {
		h, err := s.helper("default")
		if err != nil {
			return "", err
		}
		return s.refused("provider with that link name is not running", s.cmd("sp"),
			object{"provider_ref": h.key, "link_name": "nobody", "contract_id": probeContract, "host_id": s.host()})
	}},
	{"sp.unknown", "6.3", "sp for a provider that does not run is accepted", func(s *suite) (string, error) {
		return "", s.do(s.cmd("sp"), object{"provider_ref": newKey(kindProvider), "link_name": "default",
			"contract_id": probeContract, "host_id": s.host()})
	}},
	{"sp", "5.7", "sp asks the provider to end, lets it end by itself, and emits provider_stopped",
		func(s *suite) (string, error) {
			h, err := s.helper("second")
			if err != nil {
				return "", err
			}
			endings, err := s.nc.SubscribeSync(backChannel(s.lattice, h.key, "second", "ending"))
			if err != nil {
				return "", err
			}
			defer endings.Unsubscribe() //nolint:errcheck // tidying
			mark, rpcMark := s.events.mark(), s.rpc.mark()
			if err := s.do(s.cmd("sp"), object{"provider_ref": h.key, "link_name": "second",
				"contract_id": probeContract,
				"host_id":     s.host(), "annotations": object{}}); err != nil {
				return "", err
			}
			e, err := s.event(mark, eventTime, "provider_stopped", object{"public_key": h.key, "link_name": "second"})
			if err != nil {
				return "", err
			}
			var p problems
			p.shape("provider_stopped", e.data(),
				"host_id:host public_key:provider link_name:text contract_id:text instance_id:text "+
					"annotations:strmap reason:text")
			asked, ok := s.rpc.await(rpcMark, time.Second,
				func(r recorded) bool { return strings.HasSuffix(r.subject, ".second.shutdown") })
			p.want(ok, "no request on the shutdown subject")
			if ok {
				var body object
				p.want(json.Unmarshal(asked.raw, &body) == nil && body["host_id"] == s.host(), "the request is %q",
					asked.raw)
				p.want(asked.reply != "", "the request has no reply subject")
			}
			if m, err := endings.NextMsg(2 * time.Second); err != nil {
				p.addf("it was killed right after its reply")
			} else {
				p.want(string(m.Data) == "ended by itself", "it was %s 150 ms after its reply", m.Data)
			}
			inv, err := s.inventory(s.host())
			p.want(err == nil && find(list(inv["providers"]), object{"id": h.key, "link_name": "second"}) == nil,
				"it is still in the inventory")
			return fmt.Sprintf("reason %v", e.data()["reason"]), p.err()
		}},
	{"provider.crash", "5.8", "a provider that dies: provider_stopped with a reason", func(s *suite) (string, error) {
		h, err := s.helper("linked")
		if err != nil {
			return "", err
		}
		mark := s.events.mark()
		if err := s.nc.Publish(backChannel(s.lattice, h.key, "linked", "crash"), nil); err != nil {
			return "", err
		}
		e, err := s.event(mark, eventTime, "provider_stopped", object{"public_key": h.key, "link_name": "linked"})
		if err != nil {
			return "", err
		}
		var p problems
		p.shape("provider_stopped", e.data(),
			"host_id:host public_key:provider link_name:text contract_id:text instance_id:text annotations:strmap "+
				"reason:text")
		p.want(!isOneOf(e.data()["reason"], "normal", "stop"), "the reason is %v", e.data()["reason"])
		seen := fmt.Sprintf("reason %v", e.data()["reason"])
		if _, again := s.events.await(mark, 3*time.Second,
			s.evented("provider_started", object{"public_key": h.key, "link_name": "linked"})); again {
			return seen + "; the host starts it again", p.err()
		}
		inv, err := s.inventory(s.host())
		p.want(err == nil && find(list(inv["providers"]), object{"id": h.key, "link_name": "linked"}) == nil,
			"it is still in the inventory")
		return seen, p.err()
	}},
}

// reply is a provider's response (3.4).
func reply(id string, msg []byte, failure any) []byte {
	o := object{"msg": msg, "invocation_id": id, "content_length": len(msg)}
	if failure != nil {
		o["error"] = failure
	}
	return pack(o)
}

// answering links the probe to the played provider, and answers its calls, while a check asks.
func (s *suite) answering(answer func(m *nats.Msg, id string), run func(from string, ask func() (outcome, error),
	calls <-chan *nats.Msg) error) (string, error) {
	h, err := s.helper("default")
	if err != nil {
		return "", err
	}
	r, err := s.probe()
	if err != nil {
		return "", err
	}
	link := object{"actor_id": r.id, "provider_id": h.key, "link_name": "default", "contract_id": probeContract,
		"values": object{}}
	calls := make(chan *nats.Msg, 16)
	sub, err := s.nc.QueueSubscribe("wasmbus.rpc."+s.lattice+"."+h.key+".default", "rpc", func(m *nats.Msg) {
		inv, err := unpackMap(m.Data)
		id, _ := inv["id"].(string)
		if err == nil {
			answer(m, id)
		}
		calls <- m
	})
	if err != nil {
		return "", err
	}
	defer sub.Unsubscribe() //nolint:errcheck // tidying
	_, err = s.direct(link, func(object, int, int) error {
		if err := s.fence(func([]object) error { return nil }); err != nil {
			return err
		}
		return run(r.id, func() (outcome, error) {
			return s.through(r.id, "C", "default", probeContract, "Probe.Do", []byte("question"))
		}, calls)
	})
	return "", err
}

// answered has the provider answer in some way, and looks at what the actor gets.
func answered(response func(id string) []byte, code uint32, words string) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		var seen string
		_, err := s.answering(func(m *nats.Msg, id string) { _ = m.Respond(response(id)) },
			func(_ string, ask func() (outcome, error), _ <-chan *nats.Msg) error {
				out, err := ask()
				seen = fmt.Sprintf("%#x %q", out.code, out.body)
				if err != nil || out.code != code || code == 1 && string(out.body) != words ||
					!strings.Contains(string(out.body), words) {
					return fmt.Errorf("the actor gets %s, %v", seen, err)
				}
				return nil
			})
		return seen, err
	}
}

// largeAnswer has the probe call the provider, whose answer comes back through the store.
func (s *suite) largeAnswer(want []byte) error {
	issuer, err := s.issuer()
	if err != nil {
		return err
	}
	r, err := s.probe()
	if err != nil {
		return err
	}
	data, id := invocation{origin: actorEntity(newKey(kindModule)), target: actorEntity(r.id), op: "C", issuer: issuer,
		msg: callPayload("default", probeContract, "Probe.Do", []byte("large"))}.encode()
	a, err := s.send("wasmbus.rpc."+s.lattice+"."+r.id, data)
	if err != nil {
		return err
	}
	if a.err != "" || !a.chunk {
		return fmt.Errorf("the answer is %s", short(a.raw))
	}
	store, err := s.store()
	if err != nil {
		return err
	}
	got, err := store.GetBytes(id + "-r")
	if err != nil || !bytes.Equal(got[min(4, len(got)):], want) {
		return fmt.Errorf("%s-r has %d bytes, %w", id, len(got), err)
	}
	return store.Delete(id + "-r")
}
