package main

import (
	"fmt"
	"strings"
	"time"
)

// scaleChecks are of starting, scaling and stopping actors, and of the events that follow.
var scaleChecks = []check{
	{"scale.start", "7.4", "scale starts an actor and emits actor_started, actors_started, actor_scaled",
		func(s *suite) (string, error) {
			return s.scaling("start", func(b *bench) error {
				return b.step(b.scale(2), "actor_started", "actors_started/2",
					"actor_scaled/2")
			})
		}},
	{"scale.up", "7.4", "scaling up emits what was added", func(s *suite) (string, error) {
		return s.scaling("up", func(b *bench) error {
			return b.steps(b.step(b.scale(1), "actor_scaled/1"), func() error {
				return b.step(b.scale(5), "actor_started", "actors_started/4", "actor_scaled/5")
			})
		})
	}},
	{"scale.down", "7.4", "scaling down emits actors_stopped with count and remaining, " +
		"and actor_scaled with the new maximum", func(s *suite) (string, error) {
		return s.scaling("down", func(b *bench) error {
			return b.steps(b.step(b.scale(5), "actor_scaled/5"), func() error {
				return b.step(b.scale(2), "actors_stopped/3/2", "actor_scaled/2")
			})
		})
	}},
	{"scale.same", "6.7", "a scale that changes nothing still emits actor_scaled", func(s *suite) (string, error) {
		return s.scaling("same", func(b *bench) error {
			return b.steps(b.step(b.scale(3), "actor_scaled/3"), func() error {
				return b.steps(b.step(b.scale(3), "actor_scaled/3"), func() error {
					if got := s.names(b.mark, object{"public_key": b.id}); len(got) != 1 {
						return fmt.Errorf("7.4: unchanged emits %v", got)
					}
					return nil
				})
			})
		})
	}},
	{"scale.zero", "6.3", "scale with count 0 stops the actor", func(s *suite) (string, error) {
		return s.scaling("zero", func(b *bench) error {
			return b.steps(b.step(b.scale(2), "actor_scaled/2"), func() error {
				return b.steps(b.step(b.scale(0), "actor_stopped", "actors_stopped/2/0", "actor_scaled/0"),
					func() error { return b.absent() })
			})
		})
	}},
	{"scale.null", "6.3", "scale with count null (CTL 0.30-0.32) is unbounded", func(s *suite) (string, error) {
		return s.scaling("null", func(b *bench) error {
			return b.steps(b.step(b.scale(nil), "actor_started", "actors_started", "actor_scaled"), func() error {
				return b.max(func(n int64) bool { return n >= 65535 }, "unbounded")
			})
		})
	}},
	{"scale.unbounded", "10.1", "scale to 4294967295 allocates nothing and is reported so",
		func(s *suite) (string, error) {
			return s.scaling("unbounded", func(b *bench) error {
				return b.steps(b.step(b.scale(uint32(4294967295)), "actor_scaled/4294967295"), func() error {
					return b.max(func(n int64) bool { return n == 4294967295 }, "4294967295")
				})
			})
		}},
	{"scale.missing", "6.3", "scale without count means stop (CTL 0.33)", func(s *suite) (string, error) {
		return s.scaling("missing", func(b *bench) error {
			return b.steps(b.step(b.scale(2), "actor_scaled/2"), func() error {
				return b.step(func() error {
					return s.do(s.cmd("scale"),
						object{"actor_ref": b.ref, "host_id": s.host()})
				}, "actor_scaled/0")
			})
		})
	}},
	{"scale.max_instances", "6.3", "scale takes the number as max_instances or max_concurrent, too",
		func(s *suite) (string, error) {
			return s.scaling("max", func(b *bench) error {
				as := func(key string, n int) func() error {
					return func() error {
						return s.do(s.cmd("scale"), object{"actor_ref": b.ref, "host_id": s.host(),
							key: n})
					}
				}
				return b.steps(b.step(as("max_instances", 2), "actor_scaled/2"),
					func() error { return b.step(as("max_concurrent", 3), "actor_scaled/3") })
			})
		}},
	{"scale.old", "6.3", "scale with actor_id and without annotations (CTL 0.28 and older)",
		func(s *suite) (string, error) {
			return s.scaling("old", func(b *bench) error {
				return b.step(func() error {
					return s.do(s.cmd("scale"), object{"actor_id": b.id, "actor_ref": b.ref, "count": 2,
						"host_id": s.host()})
				}, "actor_started", "actors_started/2", "actor_scaled/2")
			})
		}},
	{"scale.path", "6.7", "an absolute path is a file reference and comes back in events as it was sent",
		func(s *suite) (string, error) {
			return s.scaling("path", func(b *bench) error {
				b.ref = strings.TrimPrefix(b.ref, "file://")
				return b.step(b.scale(1), "actor_started", "actors_started/1", "actor_scaled/1")
			})
		}},
	{"scale.annotations", "10.1", "each set of annotations is an entry of its own", func(s *suite) (string, error) {
		return s.scaling("notes", func(b *bench) error {
			with := func(note string, n int) func() error {
				return func() error {
					body := scaleBody(b.ref, s.host(), n)
					body["annotations"] = object{"wasmcloud.dev/scaler": note}
					return s.do(s.cmd("scale"), body)
				}
			}
			if err := b.step(with("a", 2), "actors_started/2", "actor_scaled/2"); err != nil {
				return err
			}
			if err := b.step(with("b", 3), "actors_started/3", "actor_scaled/3"); err != nil {
				return err
			}
			entries, err := b.entries()
			if err != nil || len(entries) != 2 {
				return fmt.Errorf("there are %d entries, %v", len(entries), err)
			}
			if err := b.step(with("a", 0), "actors_stopped/2", "actor_scaled/0"); err != nil {
				return err
			}
			entries, err = b.entries()
			if err != nil || len(entries) != 1 {
				return fmt.Errorf("after one was stopped there are %d entries, %v", len(entries), err)
			}
			notes, _ := entries[0]["annotations"].(object)
			if notes["wasmcloud.dev/scaler"] != "b" {
				return fmt.Errorf("the other entry is left: %v", notes)
			}
			return b.step(with("b", 0), "actor_scaled/0")
		})
	}},
	{"la", "6.3", "la (wash 0.24 and older) starts an actor; a missing count and 0 mean 1; again, it adds",
		func(s *suite) (string, error) {
			return s.scaling("la", func(b *bench) error {
				la := func(count any) func() error {
					return func() error {
						body := object{"actor_ref": b.ref, "host_id": s.host(), "annotations": object{}}
						if count != nil {
							body["count"] = count
						}
						return s.do(s.cmd("la"), body)
					}
				}
				if err := b.step(la(nil), "actor_started", "actors_started/1", "actor_scaled/1"); err != nil {
					return err
				}
				if err := b.step(la(0), "actors_started/1", "actor_scaled/2"); err != nil {
					return err
				}
				return b.step(la(3), "actors_started/3", "actor_scaled/5")
			})
		}},
	{"sa", "6.3", "sa without count stops everything", func(s *suite) (string, error) {
		return s.scaling("sa", func(b *bench) error {
			return b.steps(b.step(b.scale(3), "actor_scaled/3"), func() error {
				return b.steps(b.step(b.stop(nil, nil), "actor_stopped", "actors_stopped/3/0", "actor_scaled/0"),
					b.absent)
			})
		})
	}},
	{"sa.count", "6.3", "sa with a count (CTL 0.28 and older) stops so many; 0 means all",
		func(s *suite) (string, error) {
			return s.scaling("sacount", func(b *bench) error {
				if err := b.step(b.scale(3), "actor_scaled/3"); err != nil {
					return err
				}
				if err := b.step(b.stop(1, nil), "actors_stopped/1/2", "actor_scaled/2"); err != nil {
					return err
				}
				return b.steps(b.step(b.stop(0, nil), "actors_stopped/2/0", "actor_scaled/0"), b.absent)
			})
		}},
	{"sa.annotations", "6.3", "the annotations of sa are a filter", func(s *suite) (string, error) {
		return s.scaling("sanotes", func(b *bench) error {
			body := scaleBody(b.ref, s.host(), 2)
			body["annotations"] = object{"a": "1", "b": "2"}
			if err := b.step(func() error { return s.do(s.cmd("scale"), body) }, "actor_scaled/2"); err != nil {
				return err
			}
			if _, err := s.refused("no actors with matching annotations found to stop", s.cmd("sa"),
				object{"actor_ref": b.id, "host_id": s.host(), "annotations": object{"a": "2"}}); err != nil {
				return err
			}
			return b.steps(b.step(b.stop(nil, object{"a": "1"}), "actors_stopped/2/0", "actor_scaled/0"), b.absent)
		})
	}},
	{"sa.absent", "6.3", "sa for an actor that does not run is refused", func(s *suite) (string, error) {
		return s.refused("actor is not running on this host", s.cmd("sa"), object{"actor_ref": newKey(kindModule),
			"host_id": s.host(), "annotations": object{}})
	}},
	{"start.missing", "6.7", "a file that is not there: failure events with actor_ref, image_ref and error",
		func(s *suite) (string, error) {
			return s.failing(s.cmd("scale"), "file://"+s.dir+"/nothing.wasm")
		}},
	{"start.la.missing", "6.7", "the same for la", func(s *suite) (string, error) {
		return s.failing(s.cmd("la"), "file://"+s.dir+"/nothing-again.wasm")
	}},
	{"start.unsigned", "4.6", "a module without claims is refused, with failure events",
		func(s *suite) (string, error) {
			path, err := s.file("unsigned.wasm", probe{imports: "wasmbus"}.module())
			if err != nil {
				return "", err
			}
			return s.failing(s.cmd("scale"), "file://"+path)
		}},
	{"start.tampered", "4.4", "a module of revision 3 whose hash differs is refused", func(s *suite) (string, error) {
		ref, _, err := s.write(spec{name: "tampered"})
		if err != nil {
			return "", err
		}
		return s.failing(s.cmd("scale"), ref, func(module []byte) []byte { return append(module, 0, 2, 1, 'x') })
	}},
	{"start.signature", "4.5", "a module whose token has a wrong signature is refused", func(s *suite) (string, error) {
		ref, _, err := s.write(spec{name: "forged"})
		if err != nil {
			return "", err
		}
		return s.failing(s.cmd("scale"), ref, func(module []byte) []byte {
			module[len(module)-20] = map[bool]byte{true: 'B', false: 'A'}[module[len(module)-20] == 'A']
			return module
		})
	}},
	{"start.garbage", "7.4", "what is no module is refused, with failure events", func(s *suite) (string, error) {
		path, err := s.file("garbage.wasm", []byte("not a module at all"))
		if err != nil {
			return "", err
		}
		return s.failing(s.cmd("scale"), "file://"+path)
	}},
	{"start.latest", "9.4", "a reference that ends in :latest is refused, with failure events",
		func(s *suite) (string, error) {
			return s.failing(s.cmd("scale"), "127.0.0.1:1/conformance/echo:latest")
		}},
	{"start.untagged", "9.4", "a registry reference without a tag is refused, with failure events",
		func(s *suite) (string, error) {
			return s.failing(s.cmd("scale"), "127.0.0.1:1/conformance/echo")
		}},
	{"start.other.image", "10.2", "another reference of a running actor is refused, with failure events",
		func(s *suite) (string, error) {
			p, err := s.probe()
			if err != nil {
				return "", err
			}
			ref, _, err := s.write(spec{name: "other-image", key: p.id, rev: 2})
			if err != nil {
				return "", err
			}
			return s.failing(s.cmd("scale"), ref)
		}},
	{"claims.object", "7.4", "events of actors have the claims object that observers need",
		func(s *suite) (string, error) {
			p, err := s.probe()
			if err != nil {
				return "", err
			}
			var bad problems
			for _, name := range []string{"actor_started", "actors_started", "actor_scaled"} {
				e, err := s.event(0, eventTime, name, object{"public_key": p.id})
				if err != nil {
					return "", err
				}
				claims, _ := e.data()["claims"].(object)
				bad.shape("claims of "+name, claims,
					"call_alias~:str caps:strs issuer:account tags~:strs name:text version~:str revision~:int "+
						"not_before_human:text expires_human:text")
				bad.want(claims["name"] == "conformance probe", "name is %v", claims["name"])
			}
			return "", bad.err()
		}},
	{"claims.stored", "6.6", "get.claims has flat strings in both spellings", func(s *suite) (string, error) {
		p, err := s.probe()
		if err != nil {
			return "", err
		}
		var found object
		err = eventually(eventTime, func() error {
			o, err := s.request("get.claims", nil)
			if err != nil {
				return err
			}
			if found = find(list(o["claims"]), object{"sub": p.id}); found == nil {
				return fmt.Errorf("the claims of %s are not in %s", p.id, short(o))
			}
			return nil
		})
		var bad problems
		if err == nil {
			bad.shape("the claims", found,
				"call_alias:str caps:str capabilities:str iss:account issuer:account name:text rev:str revision:str "+
					"sub:actor subject:actor tags:str version:str")
			for key, v := range found {
				_, ok := v.(string)
				bad.want(ok, "%s is %v, not a string", key, v)
			}
			bad.want(found["call_alias"] == "conformance/probe", "call_alias is %v", found["call_alias"])
			bad.want(found["caps"] == strings.Join(probeCaps, ","), "caps is %v", found["caps"])
			err = bad.err()
		}
		return short(found), err
	}},
}

// bench is an actor for one check.
type bench struct {
	s       *suite
	id, ref string
	mark    int
}

// scaling makes an actor, lets a check scale it, and stops it.
func (s *suite) scaling(name string, run func(*bench) error) (string, error) {
	ref, id, err := s.write(spec{name: "scale-" + name})
	if err != nil {
		return "", err
	}
	b := &bench{s: s, id: id, ref: ref}
	defer func() {
		_, _, _ = s.ack(s.cmd("sa"), object{"actor_ref": id, "host_id": s.host(), "annotations": object{}})
	}()
	return "", run(b)
}

func (b *bench) scale(count any) func() error {
	return func() error { return b.s.do(b.s.cmd("scale"), scaleBody(b.ref, b.s.host(), count)) }
}

func (b *bench) stop(count, annotations any) func() error {
	body := object{"actor_ref": b.id, "host_id": b.s.host()}
	if count != nil {
		body["count"] = count
	}
	if annotations != nil {
		body["annotations"] = annotations
	}
	return func() error { return b.s.do(b.s.cmd("sa"), body) }
}

// steps goes on when the first step went well.
func (b *bench) steps(err error, next func() error) error {
	if err != nil {
		return err
	}
	return next()
}

// step gives a command and waits for its events, written as name, name/count, or name/count/remaining.
func (b *bench) step(command func() error, events ...string) error {
	b.mark = b.s.events.mark()
	if err := command(); err != nil {
		return err
	}
	var names []string
	for _, e := range events {
		names = append(names, strings.Split(e, "/")[0])
	}
	found, err := b.s.plan(b.mark, eventTime, object{"public_key": b.id}, names...)
	if err != nil {
		return err
	}
	var p problems
	for i, data := range found {
		parts := strings.Split(events[i], "/")
		b.fields(&p, parts[0], data)
		for j, key := range []string{map[bool]string{true: "max_instances",
			false: "count"}[parts[0] == "actor_scaled"], "remaining"} {
			if j+1 < len(parts) {
				n, ok := number(data[key])
				p.want(ok && fmt.Sprint(n) == parts[j+1], "%s of %s is %v, not %s", key, parts[0], data[key],
					parts[j+1])
			}
		}
	}
	return p.err()
}

// fields holds the data of an event to 7.4.
func (b *bench) fields(p *problems, name string, data object) {
	shapes := map[string]string{
		"actor_started": "public_key:actor image_ref:str api_version:str instance_id:text annotations:strmap " +
			"claims:map",
		"actor_stopped":  "public_key:actor instance_id:text annotations:strmap",
		"actors_started": "public_key:actor image_ref:str annotations:strmap host_id:host claims:map count:int",
		"actors_stopped": "public_key:actor image_ref:str annotations:strmap host_id:host count:int remaining:int",
		"actor_scaled":   "public_key:actor image_ref:str annotations:strmap host_id:host claims:map max_instances:int",
	}
	p.shape(name, data, shapes[name])
	if _, there := data["image_ref"]; there {
		p.want(data["image_ref"] == b.ref, "image_ref of %s is %v, not as sent: %s", name, data["image_ref"], b.ref)
	}
}

// entries are the actor's instances in the inventory.
func (b *bench) entries() ([]object, error) {
	inv, err := b.s.inventory(b.s.host())
	if err != nil {
		return nil, err
	}
	var p problems
	checkInventory(&p, inv)
	a := find(list(inv["actors"]), object{"id": b.id})
	return list(a["instances"]), p.err()
}

func (b *bench) absent() error {
	inv, err := b.s.inventory(b.s.host())
	if err == nil && find(list(inv["actors"]), object{"id": b.id}) != nil {
		err = fmt.Errorf("6.5: the actor is still in the inventory")
	}
	return err
}

func (b *bench) max(ok func(int64) bool, want string) error {
	entries, err := b.entries()
	if err != nil {
		return err
	}
	if len(entries) != 1 {
		return fmt.Errorf("there are %d entries", len(entries))
	}
	if n, _ := number(entries[0]["max_instances"]); !ok(n) {
		return fmt.Errorf("max_instances in the inventory is %v, not %s", entries[0]["max_instances"], want)
	}
	return nil
}

// failing starts an actor that must not start and looks at the events; change spoils its file first.
func (s *suite) failing(subject, ref string, change ...func([]byte) []byte) (string, error) {
	for _, f := range change {
		if err := spoil(strings.TrimPrefix(ref, "file://"), f); err != nil {
			return "", err
		}
	}
	mark := s.events.mark()
	if _, _, err := s.ack(subject, scaleBody(ref, s.host(), 1)); err != nil {
		return "", err
	}
	first, err := s.event(mark, eventTime, "actor_start_failed", object{"actor_ref": ref})
	if err != nil {
		return "", err
	}
	var p problems
	p.shape("actor_start_failed", first.data(), "actor_ref:text error:text")
	if e, err := s.event(mark, time.Second, "actors_start_failed", object{"image_ref": ref}); err != nil {
		p.addf("%v", err)
	} else {
		p.shape("actors_start_failed", e.data(),
			"public_key:str image_ref:text annotations:strmap host_id:host error:text")
	}
	if e, err := s.event(mark, time.Second, "actor_scale_failed", object{"image_ref": ref}); err != nil {
		p.addf("%v", err)
	} else {
		p.shape("actor_scale_failed", e.data(),
			"public_key:str image_ref:text actor_ref:text annotations:strmap host_id:host max_instances:int error:text")
	}
	started := s.events.since(mark, func(r recorded) bool {
		return strings.HasSuffix(r.name(), "_started") &&
			r.data()["image_ref"] == ref
	})
	p.want(len(started) == 0, "it was started")
	return fmt.Sprint(first.data()["error"]), p.err()
}
