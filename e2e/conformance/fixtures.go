package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// running is a probe actor that was started.
type running struct {
	id, ref string
	err     error
}

// probeCaps is what probes may use unless a check says otherwise.
var probeCaps = []string{probeContract, "wasmcloud:builtin:logging", "wasmcloud:builtin:numbergen"}

// spec is a probe actor to be signed.
type spec struct {
	name  string
	key   string // "" makes one
	probe probe
	caps  []string
	rev   int
	alias string
}

// write signs the probe and writes it to a file; ref is its file reference.
func (s *suite) write(sp spec) (ref, key string, err error) {
	if sp.key == "" {
		sp.key = newKey(kindModule)
	}
	if sp.probe.imports == "" {
		sp.probe.imports = "wasmbus"
	}
	if sp.caps == nil {
		sp.caps = probeCaps
	}
	if sp.rev == 0 {
		sp.rev = 1
	}
	sp.probe.filler = fmt.Sprint(sp.name, sp.rev)
	wascap := object{"name": "conformance " + sp.name, "tags": []string{"conformance"}, "caps": sp.caps, "rev": sp.rev,
		"ver": fmt.Sprintf("0.0.%d", sp.rev)}
	if sp.alias != "" {
		wascap["call_alias"] = sp.alias
	}
	path, err := s.file(fmt.Sprintf("%s-%d.wasm", sp.name, sp.rev), signModule(sp.probe.module(), s.account, sp.key,
		wascap))
	return "file://" + path, sp.key, err
}

// scaleBody is a scale command of the newest clients.
func scaleBody(ref, host string, count any) object {
	return object{"actor_ref": ref, "host_id": host, "count": count}
}

// start signs a probe and runs it on the first host; once per name.
func (s *suite) start(sp spec) (*running, error) {
	if r := s.probes[sp.name]; r != nil {
		return r, r.err
	}
	r := &running{}
	s.probes[sp.name] = r
	r.err = func() (err error) {
		if r.ref, r.id, err = s.write(sp); err != nil {
			return err
		}
		return s.startOn(s.host(), r.ref, 4)
	}()
	if r.err != nil {
		r.err = notApplicable("the probe actor %s could not be started, see scale.start: %v", sp.name, r.err)
	}
	return r, r.err
}

// startOn runs a reference on a host and waits until it runs.
func (s *suite) startOn(host, ref string, count int) error {
	mark := s.events.mark()
	if err := s.do("cmd."+host+".scale", scaleBody(ref, host, count)); err != nil {
		return err
	}
	s.later(func() { _, _, _ = s.ack("cmd."+host+".scale", scaleBody(ref, host, 0)) })
	r, ok := s.events.await(mark, eventTime, func(r recorded) bool {
		return r.data()["image_ref"] == ref && (r.name() == "actor_scaled" || r.name() == "actor_started") ||
			r.data()["actor_ref"] == ref
	})
	if !ok {
		return fmt.Errorf("no event says that it started")
	}
	if text, failed := r.data()["error"]; failed {
		return fmt.Errorf("%v", text)
	}
	return nil
}

// probe is the actor that most checks use.
func (s *suite) probe() (*running, error) {
	return s.start(spec{name: "probe", alias: "conformance/probe"})
}

// call makes an invocation of an actor from another one and reads the answer.
func (s *suite) call(target entity, op string, msg []byte, change ...func(*invocation)) (answer, error) {
	issuer, err := s.issuer()
	if err != nil {
		return answer{}, err
	}
	i := invocation{origin: actorEntity(newKey(kindModule)), target: target, op: op, msg: msg, issuer: issuer}
	for _, f := range change {
		f(&i)
	}
	data, id := i.encode()
	subject := "wasmbus.rpc." + s.lattice + "." + target.key
	if target.link != "" {
		subject += "." + target.link
	}
	a, err := s.send(subject, data)
	if err == nil && a.id != id {
		return a, fmt.Errorf("3.4: invocation_id is %q, not the id of the request %q", a.id, id)
	}
	return a, err
}

// send requests an answer to encoded bytes.
func (s *suite) send(subject string, data []byte) (answer, error) {
	m, err := s.nc.Request(subject, data, 8*time.Second)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", subject, err)
	}
	a, err := readAnswer(m.Data)
	if err != nil {
		return a, fmt.Errorf("3.4: %w", err)
	}
	if a.size < 0 {
		return a, fmt.Errorf("3.4: content_length is missing in %v", a.raw)
	}
	if a.err != "" && len(a.msg) > 0 {
		return a, fmt.Errorf("3.4: an error answer has a payload of %d bytes", len(a.msg))
	}
	return a, nil
}

// ask calls a probe, which must succeed.
func (s *suite) ask(id, op string, msg []byte) ([]byte, error) {
	a, err := s.call(actorEntity(id), op, msg)
	if err == nil && a.err != "" {
		err = fmt.Errorf("%s fails: %s", op, a.err)
	}
	return a.msg, err
}

// outcome is what a call out of a probe came to.
type outcome struct {
	code uint32
	body []byte
}

// through lets a probe make a call.
func (s *suite) through(id, op, binding, namespace, operation string, msg []byte) (outcome, error) {
	b, err := s.ask(id, op, callPayload(binding, namespace, operation, msg))
	if err != nil {
		return outcome{}, err
	}
	if len(b) < 4 {
		return outcome{}, fmt.Errorf("the probe answered %x", b)
	}
	return outcome{uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24, b[4:]}, nil
}

// helper is the played provider as a host has started it.
type helper struct {
	key, link, ref string
	config         string
	began          recorded // provider_started
	told           description
	data           object // host data
	err            error
}

// providerKey is the key of the played provider.
var providerKey = newKey(kindProvider)

// probeConfig is handed to the default instance of the played provider.
const probeConfig = `{"text":"ä \"quoted\"\n"}`

// archiveRef writes the played provider's archive once.
func (s *suite) archiveRef() (string, error) {
	data, err := archive{key: providerKey, mark: "first", rev: 1}.build(s.account)
	if err != nil {
		return "", err
	}
	path, err := s.file("probe.par", data)
	return "file://" + path, err
}

// helper starts the played provider under a link name, once.
func (s *suite) helper(link string) (*helper, error) {
	if h := s.helpers[link]; h != nil {
		return h, h.err
	}
	h := &helper{key: providerKey, link: link}
	s.helpers[link] = h
	if link == "default" {
		h.config = probeConfig
	}
	if h.ref, h.err = s.archiveRef(); h.err == nil {
		h.err = s.launch(h)
	}
	if h.err != nil {
		h.err = notApplicable("the played provider could not be started, see provider.start: %v", h.err)
	}
	return h, h.err
}

// launch starts a provider and lets it describe itself.
func (s *suite) launch(h *helper) error {
	if s.cluster == nil && len(s.hosts) == 0 {
		return fmt.Errorf("there is no host")
	}
	mark := s.events.mark()
	body := object{"provider_ref": h.ref, "link_name": h.link, "host_id": s.host(),
		"annotations": object{"conformance": "yes"}}
	if h.config != "" {
		body["configuration"] = h.config
	}
	if err := s.do(s.cmd("lp"), body); err != nil {
		return err
	}
	s.later(func() {
		_, _, _ = s.ack(s.cmd("sp"), object{"provider_ref": h.key, "link_name": h.link, "contract_id": probeContract,
			"host_id": s.host()})
	})
	r, ok := s.events.await(mark, eventTime, func(r recorded) bool {
		return s.evented("provider_started", object{"image_ref": h.ref, "link_name": h.link})(r) ||
			s.evented("provider_start_failed", object{"provider_ref": h.ref, "link_name": h.link})(r)
	})
	if !ok {
		return fmt.Errorf("no event says that it started")
	}
	if r.name() == "provider_start_failed" {
		return fmt.Errorf("%v", r.data()["error"])
	}
	h.began = r
	return eventually(eventTime, func() error {
		m, err := s.nc.Request(backChannel(s.lattice, h.key, h.link, "describe"), nil, time.Second)
		if err != nil {
			return fmt.Errorf("the provider's process does not talk: %w", err)
		}
		if err := json.Unmarshal(m.Data, &h.told); err != nil {
			return err
		}
		h.data, err = readHostData(h.told.Line)
		return err
	})
}
