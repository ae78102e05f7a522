package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nuid"
	"github.com/vmihailenco/msgpack/v5"
)

// object is a decoded map of JSON or msgpack.
type object = map[string]any

// entity is one end of an invocation (3.2).
type entity struct{ key, link, contract string }

func actorEntity(key string) entity { return entity{key: key} }

func (e entity) wire() object {
	return object{"public_key": e.key, "link_name": e.link, "contract_id": e.contract}
}

func (e entity) url() string {
	if strings.HasPrefix(strings.ToUpper(e.key), "M") {
		return "wasmbus://" + e.key
	}
	contract := strings.ToLower(strings.NewReplacer(":", "/", " ", "_").Replace(e.contract))
	return "wasmbus://" + contract + "/" + strings.ToLower(strings.ReplaceAll(e.link, " ", "_")) + "/" + e.key
}

// someHostID is a valid host key that belongs to no host.
var someHostID = newKey(kindHost)

// invocation is a call to be made, with what it should have wrong.
type invocation struct {
	origin, target entity
	op             string
	msg            []byte
	issuer         *signer
	header         string       // of the token; "" is the right one
	claims         func(object) // changes the claims before they are signed
	envelope       func(object) // changes the message before it is encoded
}

// encode signs and encodes the call; id is also the claims' subject.
func (i invocation) encode() (data []byte, id string) {
	u := uuid.New()
	id = hex.EncodeToString(u[:])
	target := i.target.url() + "/" + i.op
	wascap := object{"target_url": target, "origin_url": i.origin.url(),
		"hash": upperSHA256([]byte(i.origin.url()), []byte(target), []byte(i.op), i.msg)}
	claims := object{"jti": nuid.Next(), "iat": time.Now().Unix(), "iss": i.issuer.public, "sub": id, "wascap": wascap,
		"wascap_revision": 3}
	if i.claims != nil {
		i.claims(claims)
	}
	header := i.header
	if header == "" {
		header = tokenHeader
	}
	msg := i.msg
	if msg == nil {
		msg = []byte{}
	}
	envelope := object{"origin": i.origin.wire(), "target": i.target.wire(), "operation": i.op, "msg": msg, "id": id,
		"encoded_claims": i.issuer.token(header, claims), "host_id": someHostID, "content_length": uint64(len(msg))}
	if i.envelope != nil {
		i.envelope(envelope)
	}
	return pack(envelope), id
}

// pack encodes what this program has made itself, which cannot fail.
func pack(v any) []byte {
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.UseCompactInts(true)
	enc.SetSortMapKeys(true)
	if err := enc.Encode(v); err != nil {
		return nil
	}
	return buf.Bytes()
}

func unpack(data []byte) (any, error) {
	r := bytes.NewReader(data)
	v, err := msgpack.NewDecoder(r).DecodeInterface()
	if err != nil {
		return nil, fmt.Errorf("msgpack %x: %w", clip(data), err)
	}
	if r.Len() > 0 {
		return nil, fmt.Errorf("msgpack: %d bytes follow the value", r.Len())
	}
	return v, nil
}

func unpackMap(data []byte) (object, error) {
	v, err := unpack(data)
	if err != nil {
		return nil, err
	}
	m, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("msgpack %x is no map with string keys", clip(data))
	}
	return m, nil
}

func clip(b []byte) []byte { return b[:min(len(b), 64)] }

// number reads any integer of msgpack or JSON.
func number(v any) (int64, bool) {
	switch n := v.(type) {
	case int8:
		return int64(n), true
	case int16:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case uint8:
		return int64(n), true
	case uint16:
		return int64(n), true
	case uint32:
		return int64(n), true
	case uint64:
		return int64(n), true
	case float64:
		return int64(n), n == float64(int64(n))
	}
	return 0, false
}

// answer is a decoded response (3.4).
type answer struct {
	raw   object
	msg   []byte
	id    string
	err   string
	size  int64 // content_length, -1 when missing
	chunk bool  // the payload is in the object store
}

func readAnswer(data []byte) (answer, error) {
	m, err := unpackMap(data)
	if err != nil {
		return answer{}, err
	}
	a := answer{raw: m, size: -1}
	var ok bool
	if a.msg, ok = m["msg"].([]byte); !ok && m["msg"] != nil {
		return a, fmt.Errorf("msg is %T, not bin", m["msg"])
	}
	if a.id, ok = m["invocation_id"].(string); !ok {
		return a, errors.New("invocation_id is missing")
	}
	a.err, _ = m["error"].(string)
	if n, ok := number(m["content_length"]); ok {
		a.size = n
	}
	a.chunk = a.err == "" && a.size > int64(len(a.msg))
	return a, nil
}

// checkInvocation looks at a call that somebody else has made; the first result describes it.
func checkInvocation(data []byte, p *problems) (inv object, msg []byte) {
	inv, err := unpackMap(data)
	if err != nil {
		p.addf("3.3: %v", err)
		return nil, nil
	}
	str := func(m object, key string) string {
		s, ok := m[key].(string)
		p.want(ok, "3.3: %s is %T, not a string", key, m[key])
		return s
	}
	id, op, claimed, host := str(inv, "id"), str(inv, "operation"), str(inv, "encoded_claims"), str(inv, "host_id")
	_, err = decodeKey(host, kindHost)
	p.want(err == nil, "3.3: host_id %q is no host key", host)
	msg, ok := inv["msg"].([]byte)
	p.want(ok, "3.3: msg is %T, not bin", inv["msg"])
	size, ok := number(inv["content_length"])
	p.want(ok, "3.3: content_length is missing")
	if trace, there := inv["traceContext"]; there {
		m, ok := trace.(object)
		p.want(ok, "3.3: traceContext is %T", trace)
		p.want(len(m) > 0, "0.2: traceContext is empty instead of omitted")
	}
	ends := map[string]entity{}
	for _, end := range []string{"origin", "target"} {
		m, ok := inv[end].(object)
		p.want(ok, "3.3: %s is %T", end, inv[end])
		ends[end] = entity{str(m, "public_key"), str(m, "link_name"), str(m, "contract_id")}
	}
	claims, err := readToken(claimed, 'C')
	if err != nil {
		p.addf("3.5: %v", err)
		return inv, msg
	}
	wascap, _ := claims["wascap"].(object)
	target := ends["target"].url() + "/" + op
	p.want(claims["sub"] == id, "3.5: sub is %v, the id %v", claims["sub"], id)
	p.want(wascap["target_url"] == target, "3.5: target_url is %v, not %v", wascap["target_url"], target)
	p.want(wascap["origin_url"] == ends["origin"].url(), "3.5: origin_url is %v, not %v", wascap["origin_url"],
		ends["origin"].url())
	jti, _ := claims["jti"].(string)
	p.want(len(jti) == 22, "3.5: jti %q has not 22 characters", jti)
	revision, _ := number(claims["wascap_revision"])
	p.want(revision == 3, "3.5: wascap_revision is %v", claims["wascap_revision"])
	if size == int64(len(msg)) {
		hash := upperSHA256([]byte(ends["origin"].url()), []byte(target), []byte(op), msg)
		p.want(wascap["hash"] == hash, "3.5: hash is %v, not %v", wascap["hash"], hash)
	}
	return inv, msg
}
