package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// inlineLimit is what travels in a message; more goes through the object store (3.6).
const inlineLimit = 900 << 10

// invokeChecks are of invocations that come to an actor in a host (3).
var invokeChecks = []check{
	{"invoke", "3.4", "an invocation is answered with msg, invocation_id and content_length",
		func(s *suite) (string, error) {
			return s.invoking(func(*invocation) {})
		}},
	{"invoke.no.length", "3.3", "content_length may be missing",
		func(s *suite) (string, error) { return s.invoking(without("content_length")) }},
	{"invoke.no.trace", "3.3", "traceContext may be there, empty, or nil", func(s *suite) (string, error) {
		for _, trace := range []any{object{}, nil,
			object{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
			object{"traceparent": "garbage"}} {
			if _, err := s.invoking(func(i *invocation) {
				i.envelope = func(e object) { e["traceContext"] = trace }
			}); err != nil {
				return "", fmt.Errorf("with %v: %w", trace, err)
			}
		}
		return "", nil
	}},
	{"invoke.unknown.keys", "2.1", "unknown keys in an invocation are ignored", func(s *suite) (string, error) {
		return s.invoking(func(i *invocation) {
			i.envelope = func(e object) {
				e["instance_id"], e["from_the_future"] = "x", object{"a": []any{1, nil}}
				e["origin"].(object)["more"] = true
			}
		})
	}},
	{"invoke.hyphened.id", "3.3", "ids are opaque: a hyphenated UUID is as good", func(s *suite) (string, error) {
		id := uuid.NewString()
		return s.invokingAs(id, func(i *invocation) {
			i.claims = func(c object) { c["sub"] = id }
			i.envelope = func(e object) { e["id"] = id }
		})
	}},
	{"invoke.cluster.host", "3.7", "host_id may be a cluster key, as OTP sends it", func(s *suite) (string, error) {
		return s.invoking(func(i *invocation) { i.envelope = func(e object) { e["host_id"] = i.issuer.public } })
	}},
	{"invoke.wash.old", "3.9", "wash call up to 0.22: origin __WASH__ and a host_id that is no key",
		func(s *suite) (string, error) {
			return s.invoking(func(i *invocation) {
				i.origin = entity{key: "__WASH__"}
				i.envelope = func(e object) {
					e["host_id"] = "NwashHostCallerId000000000000000000000000000000000000000"
				}
			})
		}},
	{"invoke.wash.new", "3.9", "wash call 0.23-0.26: the actor itself is the origin", func(s *suite) (string, error) {
		return s.invoking(func(i *invocation) {
			i.origin = i.target
			i.envelope = func(e object) { e["host_id"] = "NAWASHVALZUZPZNXPIF6HGQ4OMJYLXQ4B2WZZ5AMBCXKWEQPYXDOIWMA" }
		})
	}},
	{"invoke.unknown.origin", "3.7", "calls of entities that the host has never seen are taken",
		func(s *suite) (string, error) {
			return s.invoking(func(i *invocation) { i.origin = actorEntity(newKey(kindModule)) })
		}},
	{"invoke.revision", "3.5", "wascap_revision may be 2 or missing, and exp and nbf may be there",
		func(s *suite) (string, error) {
			now := time.Now().Unix()
			for _, f := range []func(object){func(c object) { c["wascap_revision"] = 2 },
				func(c object) { delete(c, "wascap_revision") },
				func(c object) { c["exp"], c["nbf"] = now+60, now-60 }, func(c object) {
					c["exp"], c["nbf"] = nil,
						nil
				}} {
				if _, err := s.invoking(func(i *invocation) { i.claims = f }); err != nil {
					return "", err
				}
			}
			return "", nil
		}},
	{"invoke.empty", "1.3", "an empty payload reaches the actor as such", func(s *suite) (string, error) {
		p, err := s.probe()
		if err != nil {
			return "", err
		}
		msg, err := s.ask(p.id, "Raise.Empty", nil)
		if err == nil && len(msg) != 0 {
			err = fmt.Errorf("the answer is %x", msg)
		}
		return "", err
	}},
	{"refuse.expired", "3.7", "an expired token is refused",
		refusing("expired", func(i *invocation) { i.claims = func(c object) { c["exp"] = time.Now().Unix() - 60 } })},
	{"refuse.early", "3.7", "a token whose nbf lies ahead is refused",
		refusing("", func(i *invocation) { i.claims = func(c object) { c["nbf"] = time.Now().Unix() + 3600 } })},
	{"refuse.signature", "3.7", "a wrong signature is refused", refusing("signature", func(i *invocation) {
		i.envelope = func(e object) {
			token := e["encoded_claims"].(string)
			last := map[bool]string{true: "B", false: "A"}[token[len(token)-10] == 'A']
			e["encoded_claims"] = token[:len(token)-10] + last + token[len(token)-9:]
		}
	})},
	{"refuse.issuer", "3.7", "an unknown cluster is refused",
		refusing("Issuer of this invocation is not among the list of valid issuers", func(i *invocation) {
			if other, err := newSigner(nkeys.PrefixByteCluster); err == nil {
				i.issuer = other
			}
		})},
	{"refuse.account", "3.7", "a token signed by an account is refused", func(s *suite) (string, error) {
		return refusing("", func(i *invocation) { i.issuer = s.account })(s)
	}},
	{"refuse.target", "3.7", "a token for another target_url is refused", refusing("", func(i *invocation) {
		i.claims = func(c object) {
			c["wascap"].(object)["target_url"] = "wasmbus://" + newKey(kindModule) +
				"/Raise.R"
		}
	})},
	{"refuse.origin", "3.7", "a token of another origin_url is refused", refusing("", func(i *invocation) {
		i.claims = func(c object) { c["wascap"].(object)["origin_url"] = "wasmbus://" + newKey(kindModule) }
	})},
	{"refuse.operation", "3.7", "another operation than the signed one is refused",
		refusing("", func(i *invocation) { i.envelope = func(e object) { e["operation"] = "Other.R" } })},
	{"refuse.hash", "3.7", "another payload than the signed one is refused",
		refusing("Invocation hash does not match signed claims hash", func(i *invocation) {
			i.envelope = func(e object) { e["msg"] = []byte("other") }
		})},
	{"refuse.hash.empty", "3.7", "the hash is checked for an empty payload, too", refusing("hash", func(i *invocation) {
		i.envelope = func(e object) { e["msg"], e["content_length"] = []byte{}, uint64(0) }
	})},
	{"refuse.local", "3.7", "a target.public_key that is not the actor of the subject is refused",
		func(s *suite) (string, error) {
			return refusing("", func(i *invocation) { i.target = actorEntity(newKey(kindModule)) })(s)
		}},
	{"refuse.wascap", "3.7", "a token without wascap is refused",
		refusing("", func(i *invocation) { i.claims = func(c object) { delete(c, "wascap") } })},
	{"refuse.token", "3.7", "no token is refused",
		refusing("", func(i *invocation) { i.envelope = func(e object) { e["encoded_claims"] = "" } })},
	{"refuse.header", "3.5", "another algorithm in the token's header is refused",
		refusing("", func(i *invocation) { i.header = `{"typ":"jwt","alg":"none"}` })},
	{"refuse.undecodable", "3.4", "what is no invocation is answered by an error", func(s *suite) (string, error) {
		p, err := s.probe()
		if err != nil {
			return "", err
		}
		var bad problems
		for _, data := range [][]byte{{}, {0xc1}, []byte("text"), pack(object{}), pack([]any{1, 2}),
			{0xdf, 0xff, 0xff, 0xff, 0xff}} {
			a, err := s.send("wasmbus.rpc."+s.lattice+"."+p.id, data)
			bad.want(err == nil, "%x: %v", data, err)
			bad.want(err != nil || a.err != "", "%x is answered by %v", data, a.raw)
		}
		return "", bad.err()
	}},
	{"chunk.request", "3.6", "a request of 1.5 MB comes through the object store and is deleted there",
		func(s *suite) (string, error) {
			return s.chunked(1500<<10, 0)
		}},
	{"chunk.request.otp", "3.6", "a chunked request of 800 KiB (OTP) is taken, too",
		func(s *suite) (string, error) { return s.chunked(800<<10, 1) }},
	{"chunk.response", "3.6", "an answer of more than 900 KiB comes as {id}-r",
		func(s *suite) (string, error) { return s.chunked(inlineLimit+1, 0) }},
	{"chunk.inline", "3.6", "900 KiB travel in the message, both ways", func(s *suite) (string, error) {
		p, err := s.probe()
		if err != nil {
			return "", err
		}
		msg := bytes.Repeat([]byte("x"), inlineLimit)
		a, err := s.call(actorEntity(p.id), "Raise.R", msg)
		if err == nil && (a.err != "" || a.chunk || !bytes.Equal(a.msg, msg)) {
			err = fmt.Errorf("the answer has %d bytes, error %q", len(a.msg), a.err)
		}
		return "", err
	}},
	{"chunk.missing", "3.6", "a chunked request whose object is not there is answered by an error",
		refusing("", func(i *invocation) {
			i.envelope = func(e object) { e["msg"], e["content_length"] = []byte{}, uint64(5<<20) }
		})},
	{"chunk.hash", "10.6 #9", "the hash of a chunked payload is checked", func(s *suite) (string, error) {
		p, err := s.probe()
		if err != nil {
			return "", err
		}
		issuer, err := s.issuer()
		if err != nil {
			return "", err
		}
		msg := bytes.Repeat([]byte("y"), 1<<20)
		i := invocation{origin: actorEntity(newKey(kindModule)), target: actorEntity(p.id), op: "Raise.R", msg: msg,
			issuer:   issuer,
			envelope: func(e object) { e["msg"] = []byte{} }}
		data, id := i.encode()
		store, err := s.store()
		if err != nil {
			return "", err
		}
		if _, err := store.PutBytes(id, bytes.Repeat([]byte("z"), len(msg))); err != nil {
			return "", err
		}
		a, err := s.send("wasmbus.rpc."+s.lattice+"."+p.id, data)
		if err == nil && a.err == "" {
			err = errors.New("it is accepted")
		}
		return a.err, err
	}},
	{"queue", "3.1", "when two hosts run an actor, one of them answers each call, and both get some",
		func(s *suite) (string, error) {
			if len(s.hosts) < 2 {
				return "", notApplicable("there is one host")
			}
			p, err := s.probe()
			if err != nil {
				return "", err
			}
			second := s.hostIDs()[1]
			if err := s.startOn(second, p.ref, 4); err != nil {
				return "", notApplicable("the second host does not start the probe: %v", err)
			}
			issuer, err := s.issuer()
			if err != nil {
				return "", err
			}
			inbox := nats.NewInbox()
			sub, err := s.nc.SubscribeSync(inbox)
			if err != nil {
				return "", err
			}
			defer sub.Unsubscribe() //nolint:errcheck // tidying
			const calls = 40
			for range calls {
				data, _ := invocation{origin: actorEntity(newKey(kindModule)), target: actorEntity(p.id), op: "Raise.R",
					msg: []byte("q"), issuer: issuer}.encode()
				if err := s.nc.PublishRequest("wasmbus.rpc."+s.lattice+"."+p.id, inbox, data); err != nil {
					return "", err
				}
			}
			answers := 0
			for wait := eventTime; ; wait = silence {
				if _, err := sub.NextMsg(wait); err != nil {
					break
				}
				if answers++; answers > calls {
					break
				}
			}
			if answers != calls {
				return "", fmt.Errorf("%d answers to %d calls", answers, calls)
			}
			return "", s.do("cmd."+second+".scale", scaleBody(p.ref, second, 0))
		}},
	{"concurrent", "3.1", "calls beyond max_instances wait, they are not lost", func(s *suite) (string, error) {
		p, err := s.probe()
		if err != nil {
			return "", err
		}
		var wait sync.WaitGroup
		var mu sync.Mutex
		var bad problems
		for i := range 40 {
			wait.Go(func() {
				msg, err := s.ask(p.id, "Raise.R", []byte(fmt.Sprint(i)))
				mu.Lock()
				defer mu.Unlock()
				bad.want(err == nil && string(msg) == fmt.Sprint(i), "call %d: %q %v", i, msg, err)
			})
		}
		wait.Wait()
		return "", bad.err()
	}},
	{"no.responders", "10.4", "nobody is subscribed for an actor that does not run any more",
		func(s *suite) (string, error) {
			ref, id, err := s.write(spec{name: "gone"})
			if err != nil {
				return "", err
			}
			if err := s.startOn(s.host(), ref, 1); err != nil {
				return "", notApplicable("it does not start: %v", err)
			}
			mark := s.events.mark()
			if err := s.do(s.cmd("scale"), scaleBody(ref, s.host(), 0)); err != nil {
				return "", err
			}
			if _, err := s.event(mark, eventTime, "actors_stopped", object{"public_key": id}); err != nil {
				return "", err
			}
			if _, err := s.call(actorEntity(id), "Raise.R", nil); !errors.Is(err, nats.ErrNoResponders) {
				return "", fmt.Errorf("the call ends with %v", err)
			}
			return "", nil
		}},
}

func without(key string) func(*invocation) {
	return func(i *invocation) { i.envelope = func(e object) { delete(e, key) } }
}

// raise is a call of the probe, after a change, with its subject and its id.
func (s *suite) raise(change func(*invocation)) (subject string, data []byte, id string, err error) {
	p, err := s.probe()
	if err != nil {
		return "", nil, "", err
	}
	issuer, err := s.issuer()
	if err != nil {
		return "", nil, "", err
	}
	i := invocation{origin: actorEntity(newKey(kindModule)), target: actorEntity(p.id), op: "Raise.R",
		msg: []byte("hello"), issuer: issuer}
	change(&i)
	data, id = i.encode()
	return "wasmbus.rpc." + s.lattice + "." + p.id, data, id, nil
}

// invoking makes a call that must succeed although it is unusual.
func (s *suite) invoking(change func(*invocation)) (string, error) { return s.invokingAs("", change) }

// invokingAs is invoking for a call with an id of its own.
func (s *suite) invokingAs(id string, change func(*invocation)) (string, error) {
	subject, data, made, err := s.raise(change)
	if err != nil {
		return "", err
	}
	if id == "" {
		id = made
	}
	a, err := s.send(subject, data)
	switch {
	case err != nil:
	case a.err != "":
		err = errors.New(a.err)
	case a.id != id:
		err = fmt.Errorf("invocation_id is %q, not %q", a.id, id)
	case string(a.msg) != "hello" || a.size != 5:
		err = fmt.Errorf("the answer is %v", a.raw)
	}
	return "", err
}

// refusing makes a call that must be refused with these words.
func refusing(words string, change func(*invocation)) func(*suite) (string, error) {
	return func(s *suite) (string, error) {
		subject, data, _, err := s.raise(change)
		if err != nil {
			return "", err
		}
		return s.rejects(subject, data, words)
	}
}

// rejects sends what must be answered by an error with these words.
func (s *suite) rejects(subject string, data []byte, words string) (string, error) {
	a, err := s.send(subject, data)
	switch {
	case err != nil:
	case a.err == "":
		err = errors.New("it is accepted")
	case !strings.Contains(strings.ToLower(a.err), strings.ToLower(words)):
		err = fmt.Errorf("the error is %q, not %q", a.err, words)
	}
	return a.err, err
}

// store is the lattice's object store.
func (s *suite) store() (nats.ObjectStore, error) { return openStore(s.js, s.lattice) }

func openStore(js nats.JetStreamContext, bucket string) (nats.ObjectStore, error) {
	store, err := js.ObjectStore(bucket)
	if errors.Is(err, nats.ErrStreamNotFound) || errors.Is(err, nats.ErrBucketNotFound) {
		return js.CreateObjectStore(&nats.ObjectStoreConfig{Bucket: bucket})
	}
	return store, err
}

// chunked has the probe echo a payload through the object store; atLeast is 1 when the answer may be inline.
func (s *suite) chunked(size, inline int) (string, error) {
	p, err := s.probe()
	if err != nil {
		return "", err
	}
	issuer, err := s.issuer()
	if err != nil {
		return "", err
	}
	msg := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
	i := invocation{origin: actorEntity(newKey(kindModule)), target: actorEntity(p.id), op: "Raise.R", msg: msg,
		issuer:   issuer,
		envelope: func(e object) { e["msg"] = []byte{} }}
	data, id := i.encode()
	store, err := s.store()
	if err != nil {
		return "", err
	}
	if _, err := store.PutBytes(id, msg); err != nil {
		return "", err
	}
	a, err := s.send("wasmbus.rpc."+s.lattice+"."+p.id, data)
	if err != nil {
		return "", err
	}
	var bad problems
	bad.want(a.err == "", "the call fails: %s", a.err)
	bad.want(a.size == int64(size), "content_length is %d, not %d", a.size, size)
	bad.want(a.chunk == (inline == 0), "the answer is chunked: %v", a.chunk)
	got := a.msg
	if a.chunk {
		if got, err = store.GetBytes(id + "-r"); err != nil {
			bad.addf("%s-r: %v", id, err)
		}
		_ = store.Delete(id + "-r") // as receivers do
	}
	bad.want(bytes.Equal(got, msg), "the answer has %d bytes, not the %d that were sent", len(got), size)
	err = eventually(answerTime, func() error {
		if _, err := store.GetInfo(id); !errors.Is(err, nats.ErrObjectNotFound) {
			return fmt.Errorf("the object of the request is still there: %v", err)
		}
		return nil
	})
	bad.want(err == nil, "%v", err)
	return "", bad.err()
}
