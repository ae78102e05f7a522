package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Waiting times.
const (
	answerTime = 2 * time.Second        // a request's answer, as control clients wait
	silence    = 400 * time.Millisecond // how long nobody must answer
	eventTime  = 15 * time.Second       // what follows from a command
)

// suite is one run against one lattice.
type suite struct {
	o       options
	nc      *nats.Conn
	js      nats.JetStreamContext
	lattice string
	dir     string
	cluster *signer // an issuer that the hosts accept; nil when none is known
	account *signer // of the modules and archives made here
	hosts   []object
	events  *recorder
	rpc     *recorder // what hosts tell providers
	begun   time.Time
	undo    []func()

	probes  map[string]*running
	helpers map[string]*helper
}

// newSuite connects and finds the hosts.
func newSuite(o options) (*suite, error) {
	s := &suite{o: o, lattice: o.lattice, begun: time.Now(), probes: map[string]*running{},
		helpers: map[string]*helper{}}
	ready := false
	defer func() {
		if !ready {
			s.close()
		}
	}()
	var err error
	if s.dir, err = os.MkdirTemp("", "conformance-"); err != nil {
		return nil, err
	}
	s.later(func() { os.RemoveAll(s.dir) })
	if s.account, err = newSigner(nkeys.PrefixByteAccount); err != nil {
		return nil, err
	}
	if o.seedFile != "" {
		seed, err := os.ReadFile(o.seedFile)
		if err != nil {
			return nil, err
		}
		if s.cluster, err = signerFromSeed(string(seed)); err != nil {
			return nil, fmt.Errorf("%s: %w", o.seedFile, err)
		}
	}
	if s.nc, err = nats.Connect(o.nats, nats.Name("conformance"), nats.Timeout(5*time.Second)); err != nil {
		return nil, fmt.Errorf("%s: %w", o.nats, err)
	}
	s.later(s.nc.Close)
	if s.js, err = s.nc.JetStream(); err != nil {
		return nil, err
	}
	if s.events, err = record(s.nc, "wasmbus.evt."+s.lattice, "wasmbus.evt."+s.lattice+".*"); err != nil {
		return nil, err
	}
	if s.rpc, err = record(s.nc, "wasmbus.rpc."+s.lattice+".*.*.>"); err != nil {
		return nil, err
	}
	for _, m := range s.gather("ping.hosts", nil, time.Second) {
		var h object
		if json.Unmarshal(m.Data, &h) == nil && h["id"] != nil {
			s.hosts = append(s.hosts, h)
		}
	}
	if len(s.hosts) == 0 && o.only != "provider" {
		return nil, fmt.Errorf("no host answers in lattice %s at %s", s.lattice, o.nats)
	}
	ready = true
	return s, nil
}

// later remembers what has to be undone at the end, last first.
func (s *suite) later(undo func()) { s.undo = append(s.undo, undo) }

func (s *suite) close() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
	s.undo = nil
}

// checks are those that were asked for.
func (s *suite) checks() []check {
	var list []check
	want := func(group string) bool { return s.o.only == "" || s.o.only == group }
	if want("host") {
		list = append(list, controlChecks...)
		list = append(list, scaleChecks...)
		list = append(list, updateChecks...)
		list = append(list, stateChecks...)
		list = append(list, invokeChecks...)
		list = append(list, guestChecks...)
		list = append(list, startProviderChecks...)
		list = append(list, playedChecks...)
		list = append(list, archiveChecks...)
	}
	if want("actor") {
		for _, path := range strings.FieldsFunc(s.o.actor, func(r rune) bool { return r == ',' }) {
			list = append(list, actorChecks(path)...)
		}
	}
	if want("provider") {
		if command := s.o.providers.command("keyvalue"); command != nil {
			list = append(list, keyvalueChecks(command)...)
		}
		if command := s.o.providers.command("httpserver"); command != nil {
			list = append(list, httpserverChecks(command)...)
		}
	}
	if want("host") {
		list = append(list, lateChecks...)
	}
	return list
}

func (s *suite) hostIDs() []string {
	var ids []string
	for _, h := range s.hosts {
		id, _ := h["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

// host is the id of the host that single commands go to.
func (s *suite) host() string { return s.hostIDs()[0] }

// ctl is a control subject.
func (s *suite) ctl(rest string) string { return s.o.prefix + "." + s.lattice + "." + rest }

// body encodes a request; strings and bytes stay as they are.
func payload(v any) []byte {
	switch b := v.(type) {
	case nil:
		return nil
	case []byte:
		return b
	case string:
		return []byte(b)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// gather collects all answers to a control request that arrive in time.
func (s *suite) gather(rest string, v any, wait time.Duration) []*nats.Msg {
	inbox := nats.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends soon
	if err := s.nc.PublishRequest(s.ctl(rest), inbox, payload(v)); err != nil {
		return nil
	}
	var list []*nats.Msg
	for end := time.Now().Add(wait); time.Now().Before(end); {
		m, err := sub.NextMsg(time.Until(end))
		if err != nil {
			break
		}
		if m.Header.Get("Status") == "503" {
			continue
		}
		list = append(list, m)
	}
	return list
}

// request makes a control request and returns the JSON object of the answer.
func (s *suite) request(rest string, v any) (object, error) {
	wait := answerTime
	if strings.HasSuffix(rest, ".upd") {
		wait = eventTime // which is answered when it is done
	}
	m, err := s.nc.Request(s.ctl(rest), payload(v), wait)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rest, err)
	}
	var o object
	if err := json.Unmarshal(m.Data, &o); err != nil {
		return nil, fmt.Errorf("%s is answered by %q: %w", rest, m.Data, err)
	}
	return o, nil
}

// ack makes a request that is answered by an ack (6.1).
func (s *suite) ack(rest string, v any) (accepted bool, text string, err error) {
	o, err := s.request(rest, v)
	if err != nil {
		return false, "", err
	}
	accepted, ok := o["accepted"].(bool)
	text, ok2 := o["error"].(string)
	if !ok || !ok2 {
		return accepted, text, fmt.Errorf("6.1: the ack of %s is %v: accepted must be a bool and error a string", rest,
			o)
	}
	if accepted != (text == "") {
		return accepted, text, fmt.Errorf("6.1: the ack of %s is %v", rest, o)
	}
	return accepted, text, nil
}

// do makes a request that must be accepted.
func (s *suite) do(rest string, v any) error {
	ok, text, err := s.ack(rest, v)
	if err == nil && !ok {
		err = fmt.Errorf("%s is refused: %s", rest, text)
	}
	return err
}

// cmd is the subject of a command for the first host.
func (s *suite) cmd(verb string) string { return "cmd." + s.host() + "." + verb }

// inventory asks a host for what runs there.
func (s *suite) inventory(host string) (object, error) { return s.request("get."+host+".inv", nil) }

// list reads a list of objects; nil when it is something else.
func list(v any) []object {
	items, ok := v.([]any)
	if !ok {
		return nil
	}
	out := []object{}
	for _, item := range items {
		o, ok := item.(object)
		if !ok {
			return nil
		}
		out = append(out, o)
	}
	return out
}

// find is the first object whose keys have the given values.
func find(items []object, want object) object {
next:
	for _, item := range items {
		for key, value := range want {
			if item[key] != value {
				continue next
			}
		}
		return item
	}
	return nil
}

// eventually waits until f succeeds.
func eventually(wait time.Duration, f func() error) error {
	var err error
	for end := time.Now().Add(wait); ; {
		if err = f(); err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// file writes a file that hosts can read and returns its path.
func (s *suite) file(name string, data []byte) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, data, 0o755)
}

var errNoIssuer = errors.New("no cluster seed is known")

// issuer is a signer that the hosts accept.
func (s *suite) issuer() (*signer, error) {
	if s.cluster != nil {
		return s.cluster, nil
	}
	h, err := s.helper("default")
	if err != nil {
		return nil, notApplicable("no --cluster-seed-file, and none could be learnt from a host: %v", err)
	}
	seed, _ := h.data["invocation_seed"].(string)
	if s.cluster, err = signerFromSeed(seed); err != nil {
		return nil, notApplicable("%v", errNoIssuer)
	}
	return s.cluster, nil
}

// requestWithHeader is request with headers and without a body.
func (s *suite) requestWithHeader(rest string, header nats.Header) (object, error) {
	m, err := s.nc.RequestMsg(&nats.Msg{Subject: s.ctl(rest), Header: header}, answerTime)
	if err != nil {
		return nil, err
	}
	var o object
	err = json.Unmarshal(m.Data, &o)
	return o, err
}
