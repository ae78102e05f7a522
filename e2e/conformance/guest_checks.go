package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// guestChecks are of what a host offers to an actor's code (1), asked through the probe.
var guestChecks = []check{
	{"guest.operation", "1.3", "the guest gets the operation as it was called, with dots or without",
		func(s *suite) (string, error) {
			return s.guest(func(id string, p *problems) {
				for _, op := range []string{"O", "Only", "O.a.b.c", "Oß.x"} {
					msg, err := s.ask(id, op, nil)
					p.want(err == nil && string(msg) == op, "%q arrives as %q, %v", op, msg, err)
				}
			})
		}},
	{"guest.no.response", "1.3", "a guest that returns 1 without a response answers with nothing",
		func(s *suite) (string, error) {
			return s.guest(func(id string, p *problems) {
				msg, err := s.ask(id, "r", []byte("x"))
				p.want(err == nil && len(msg) == 0, "the answer is %q, %v", msg, err)
			})
		}},
	{"guest.error", "1.3", "the text of __guest_error comes back", func(s *suite) (string, error) {
		return s.guestFails("E", []byte("the ä cause"), "the ä cause")
	}},
	{"guest.error.silent", "1.3", "a guest that returns 0 without a text is an error with some text",
		func(s *suite) (string, error) { return s.guestFails("e", nil, "") }},
	{"guest.error.and.response", "1.3", "what a guest returns decides, not whether it has set an error",
		func(s *suite) (string, error) {
			return s.guest(func(id string, p *problems) {
				msg, err := s.ask(id, "B", []byte("both"))
				p.want(err == nil && string(msg) == "both", "the answer is %q, %v", msg, err)
			})
		}},
	{"guest.trap", "1.3", "a trap fails the call and not the next one", func(s *suite) (string, error) {
		seen, err := s.guestFails("T", nil, "")
		if err != nil {
			return seen, err
		}
		return s.stillServes()
	}},
	{"guest.console", "1.1", "__console_log is there", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			msg, err := s.ask(id, "L", []byte("from the conformance suite"))
			p.want(err == nil && string(msg) == "logged", "the answer is %q, %v", msg, err)
		})
	}},
	{"guest.wapc", "1.1", "the imports are there under wapc, too", func(s *suite) (string, error) {
		r, err := s.start(spec{name: "wapc", probe: probe{imports: "wapc"}})
		if err != nil {
			return "", fmt.Errorf("1.1: %w", unwrapped(err))
		}
		msg, err := s.ask(r.id, "R", []byte("x"))
		if err == nil && string(msg) != "x" {
			err = fmt.Errorf("the answer is %q", msg)
		}
		return "", err
	}},
	{"guest.initialize", "1.2", "_initialize runs, then wapc_init, and not _start",
		initialised("initialize", probe{initialize: true, start: true, wapcInit: true}, 5)},
	{"guest.start", "1.2", "without _initialize, _start runs, and its proc_exit(0) is success",
		initialised("command", probe{start: true, wapcInit: true}, 6)},
	{"guest.wapc_init", "1.2", "wapc_init runs alone", initialised("wapcinit", probe{wapcInit: true}, 4)},
	{"guest.bare", "1.2", "a module without initialisers runs", initialised("bare", probe{}, 0)},
	{"call.actor", "1.5", "a call to an actor's key reaches it",
		func(s *suite) (string, error) { return s.callsActor(false) }},
	{"call.alias", "1.5", "a call to a call alias reaches its actor",
		func(s *suite) (string, error) { return s.callsActor(true) }},
	{"call.error", "1.4", "a failed call is 0 to the guest, and the error can be read", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			out, err := s.through(id, "C", "", id, "E.Fail", []byte("inner cause"))
			p.want(err == nil && out.code == 0, "__host_call returns %#x, %v", out.code, err)
			p.want(strings.Contains(string(out.body), "inner cause"), "the error is %q", out.body)
		})
	}},
	{"call.empty", "1.4", "__host_response of nothing is no trap", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			out, err := s.through(id, "C", "", id, "r", nil)
			p.want(err == nil && out.code == 1 && len(out.body) == 0, "the call gives %#x %q, %v", out.code, out.body,
				err)
		})
	}},
	{"call.read.twice", "1.4", "response and error can be read again", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			out, err := s.through(id, "D", "", id, "R", []byte("again"))
			p.want(err == nil && out.code == 1 && string(out.body) == "again", "the second reading gives %q, %v",
				out.body, err)
			out, err = s.through(id, "D", "", id, "E", []byte("again"))
			p.want(err == nil && out.code == 0 && strings.Contains(string(out.body), "again"),
				"the second reading of the error gives %q, %v", out.body, err)
		})
	}},
	{"call.unread", "1.3", "an error that the guest has not read does not fail its own call",
		func(s *suite) (string, error) {
			return s.guest(func(id string, p *problems) {
				msg, err := s.ask(id, "U", callPayload("", id, "E", []byte("unread")))
				p.want(err == nil && string(msg) == "unread", "the answer is %q, %v", msg, err)
			})
		}},
	{"call.unlinked", "1.5", "a call without a link fails and names the contract", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			out, err := s.through(id, "C", "nobody", probeContract, "Probe.Do", nil)
			p.want(err == nil && out.code == 0 && strings.Contains(string(out.body), probeContract),
				"the call gives %#x %q, %v", out.code, out.body, err)
		})
	}},
	{"call.unknown", "1.5", "a call to nothing known fails", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			for _, namespace := range []string{"no/such/alias", newKey(kindModule), ""} {
				out, err := s.through(id, "C", "", namespace, "R", nil)
				p.want(err == nil && out.code == 0 && len(out.body) > 0, "a call to %q gives %#x %q, %v", namespace,
					out.code, out.body, err)
			}
		})
	}},
	{"builtin.logging", "1.6", "Logging.WriteLog answers with nothing, whatever the binding",
		func(s *suite) (string, error) {
			return s.guest(func(id string, p *problems) {
				for _, level := range []string{"debug", "info", "warn", "error", "trace", "critical"} {
					out, err := s.through(id, "C", "default", "wasmcloud:builtin:logging", "Logging.WriteLog",
						pack(object{"level": level, "text": "conformance"}))
					p.want(err == nil && out.code == 1 && len(out.body) == 0, "level %s gives %#x %q, %v", level,
						out.code,
						out.body, err)
				}
			})
		}},
	{"builtin.guid", "1.6", "NumberGen.GenerateGuid answers with a UUID of version 4", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			out, err := s.through(id, "C", "default", "wasmcloud:builtin:numbergen", "NumberGen.GenerateGuid", nil)
			v, _ := unpack(out.body)
			guid, _ := v.(string)
			p.want(err == nil && out.code == 1 && isGUID4.MatchString(guid), "it gives %#x %q, %v", out.code, out.body,
				err)
		})
	}},
	{"builtin.random", "1.6", "NumberGen.RandomInRange is inclusive, in unsigned formats",
		func(s *suite) (string, error) {
			return s.guest(func(id string, p *problems) {
				for _, bounds := range [][2]uint32{{0, 0}, {7, 7}, {100, 101}, {0, 4294967295},
					{4294967295, 4294967295}} {
					out, err := s.through(id, "C", "", "wasmcloud:builtin:numbergen", "NumberGen.RandomInRange",
						pack(object{"min": bounds[0], "max": bounds[1]}))
					p.want(err == nil && out.code == 1 && unsigned(out.body, bounds[0], bounds[1]),
						"%v gives %#x %x, %v",
						bounds, out.code, out.body, err)
				}
				out, err := s.through(id, "C", "", "wasmcloud:builtin:numbergen", "NumberGen.Random32", nil)
				p.want(err == nil && out.code == 1 && unsigned(out.body, 0, 4294967295), "Random32 gives %#x %x, %v",
					out.code, out.body, err)
			})
		}},
	{"builtin.random.signed", "2.2", "integers of arguments are taken in any format", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			arg := append(append([]byte{0x82, 0xa3}, "min"...), 0xd3, 0, 0, 0, 0, 0, 0, 0, 5)
			arg = append(append(append(arg, 0xa3), "max"...), 0xcd, 0, 5)
			out, err := s.through(id, "C", "", "wasmcloud:builtin:numbergen", "NumberGen.RandomInRange", arg)
			p.want(err == nil && out.code == 1 && bytes.Equal(out.body, []byte{5}), "it gives %#x %x, %v", out.code,
				out.body, err)
		})
	}},
	{"caps", "1.5", "an actor without the capability is denied, and calls to actors need none",
		func(s *suite) (string, error) {
			r, err := s.start(spec{name: "unpriv", caps: []string{"wasmcloud:httpserver"}})
			if err != nil {
				return "", err
			}
			var p problems
			for _, contract := range []string{probeContract, "wasmcloud:builtin:logging"} {
				out, err := s.through(r.id, "C", "default", contract, "Logging.WriteLog",
					pack(object{"level": "info", "text": "denied"}))
				p.want(err == nil && out.code == 0 && strings.Contains(string(out.body), contract),
					"a call to %s gives %#x %q, %v", contract, out.code, out.body, err)
			}
			out, err := s.through(r.id, "C", "", r.id, "R", []byte("self"))
			p.want(err == nil && out.code == 1 && string(out.body) == "self", "a call to an actor gives %#x %q, %v",
				out.code, out.body, err)
			return "", p.err()
		}},
	{"call.chunk", "3.6", "a call of 1.5 MB from actor to actor arrives, both ways", func(s *suite) (string, error) {
		return s.guest(func(id string, p *problems) {
			big := bytes.Repeat([]byte("big "), 384<<10)
			out, err := s.throughChunked(id, id, "R", big)
			p.want(err == nil && out.code == 1 && bytes.Equal(out.body, big), "it gives %#x and %d bytes, %v",
				out.code, len(out.body), err)
		})
	}},
}

// guest runs a check with the probe.
func (s *suite) guest(run func(id string, p *problems)) (string, error) {
	r, err := s.probe()
	if err != nil {
		return "", err
	}
	var p problems
	run(r.id, &p)
	return "", p.err()
}

// stillServes calls the probe some times, on every instance that there may be.
func (s *suite) stillServes() (string, error) {
	return s.guest(func(id string, p *problems) {
		for range 8 {
			msg, err := s.ask(id, "R", []byte("alive"))
			p.want(err == nil && string(msg) == "alive", "afterwards the answer is %q, %v", msg, err)
		}
	})
}

// guestFails makes a call that must fail with these words.
func (s *suite) guestFails(op string, msg []byte, words string) (string, error) {
	r, err := s.probe()
	if err != nil {
		return "", err
	}
	a, err := s.call(actorEntity(r.id), op, msg)
	switch {
	case err != nil:
	case a.err == "":
		err = fmt.Errorf("it succeeds with %q", a.msg)
	case !strings.Contains(a.err, words):
		err = fmt.Errorf("the error is %q, without %q", a.err, words)
	}
	return a.err, err
}

// initialised starts a probe and asks it which initialisers ran.
func initialised(name string, module probe, want byte) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		r, err := s.start(spec{name: "init-" + name, probe: module})
		if err != nil {
			return "", unwrapped(err)
		}
		for range 2 {
			msg, err := s.ask(r.id, "I", nil)
			if err != nil {
				return "", err
			}
			if !bytes.Equal(msg, []byte{want, 0, 0, 0}) {
				return "", fmt.Errorf("the initialisers that ran are %x, not %x", msg, want)
			}
		}
		return "", nil
	}
}

// unwrapped makes a failure of what is only not applicable elsewhere.
func unwrapped(err error) error { return fmt.Errorf("%s", err.Error()) }

// callsActor has the probe call another actor.
func (s *suite) callsActor(alias bool) (string, error) {
	from, err := s.start(spec{name: "aliased"})
	if err != nil {
		return "", err
	}
	return s.guest(func(id string, p *problems) {
		namespace := id
		if alias {
			namespace = "conformance/probe"
		}
		out, err := s.through(from.id, "C", "", namespace, "Raise.R", []byte("hello"))
		p.want(err == nil && out.code == 1 && string(out.body) == "hello", "it gives %#x %q, %v", out.code, out.body,
			err)
		out, err = s.through(from.id, "C", "any", namespace, "Raise.R", []byte("hello"))
		p.want(err == nil && out.code == 1, "with a binding it gives %#x %q, %v", out.code, out.body, err)
	})
}

// unsigned says whether an encoded integer has an unsigned format and lies within bounds (2.2).
func unsigned(b []byte, low, high uint32) bool {
	if len(b) == 0 || b[0] > 0x7f && (b[0] < 0xcc || b[0] > 0xcf) {
		return false
	}
	var n uint64
	return msgpack.Unmarshal(b, &n) == nil && n >= uint64(low) && n <= uint64(high)
}

// throughChunked is through with payloads that go through the object store.
func (s *suite) throughChunked(id, namespace, operation string, msg []byte) (outcome, error) {
	issuer, err := s.issuer()
	if err != nil {
		return outcome{}, err
	}
	whole := callPayload("", namespace, operation, msg)
	data, call := invocation{origin: actorEntity(newKey(kindModule)), target: actorEntity(id), op: "C", msg: whole,
		issuer:   issuer,
		envelope: func(e object) { e["msg"] = []byte{} }}.encode()
	store, err := s.store()
	if err != nil {
		return outcome{}, err
	}
	if _, err := store.PutBytes(call, whole); err != nil {
		return outcome{}, err
	}
	a, err := s.send("wasmbus.rpc."+s.lattice+"."+id, data)
	if err != nil || a.err != "" {
		return outcome{}, fmt.Errorf("%v %s", err, a.err)
	}
	b, err := store.GetBytes(call + "-r")
	if err != nil || len(b) < 4 {
		return outcome{}, fmt.Errorf("%s-r: %w", call, err)
	}
	_ = store.Delete(call + "-r")
	return outcome{uint32(b[0]), b[4:]}, nil
}
