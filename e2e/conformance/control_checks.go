package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// controlChecks are of the control interface, apart from actors and providers.
var controlChecks = []check{
	{"ping.shape", "6.4", "every host answers ping.hosts with all keys", func(s *suite) (string, error) {
		var p problems
		for _, h := range s.hosts {
			p.shape("the answer", h, "id:host issuer:cluster labels:strmap friendly_name:text uptime_seconds:int "+
				"uptime_human:text version:text cluster_issuers:text js_domain?~:str ctl_host:text rpc_host:text "+
				"prov_rpc_host?:text lattice_prefix:text lattice:text")
			version, _ := h["version"].(string)
			p.want(semver.MatchString(version), "version %q is no semver", version)
			p.want(h["lattice"] == s.lattice && h["lattice_prefix"] == s.lattice,
				"lattice is %v and lattice_prefix %v", h["lattice"], h["lattice_prefix"])
			for issuer := range strings.SplitSeq(fmt.Sprint(h["cluster_issuers"]), ",") {
				p.want(isType(issuer, "cluster"), "cluster_issuers has %q", issuer)
			}
		}
		return fmt.Sprintf("%d hosts", len(s.hosts)), p.err()
	}},
	{"ping.version", "0.2", "hosts report version 0.81.0 or newer", func(s *suite) (string, error) {
		var p problems
		for _, h := range s.hosts {
			var major, minor int
			_, err := fmt.Sscanf(fmt.Sprint(h["version"]), "%d.%d.", &major, &minor)
			p.want(err == nil && (major > 0 || minor >= 81), "version is %v", h["version"])
		}
		return short(s.hosts[0]["version"]), p.err()
	}},
	{"ping.labels", "9.1", "core labels are there in their known spelling", func(s *suite) (string, error) {
		var p problems
		for _, h := range s.hosts {
			labels, _ := h["labels"].(object)
			p.shape("labels", labels, "hostcore.arch:text hostcore.os:text hostcore.osfamily:text")
			p.want(isOneOf(labels["hostcore.osfamily"], "unix", "windows"), "hostcore.osfamily is %v",
				labels["hostcore.osfamily"])
			p.want(isOneOf(labels["hostcore.os"], "linux", "macos", "windows", "freebsd", "android", "ios"),
				"hostcore.os is %v", labels["hostcore.os"])
			p.want(!isOneOf(labels["hostcore.arch"], "amd64", "arm64"), "hostcore.arch is %v", labels["hostcore.arch"])
		}
		return short(s.hosts[0]["labels"]), p.err()
	}},
	{"inventory.shape", "6.5", "each host answers get.{host}.inv", func(s *suite) (string, error) {
		var p problems
		for _, id := range s.hostIDs() {
			inv, err := s.inventory(id)
			if err != nil {
				return "", err
			}
			checkInventory(&p, inv)
			p.want(inv["host_id"] == id, "host_id is %v", inv["host_id"])
		}
		return "", p.err()
	}},
	{"inventory.body", "6.1", "a request without fields may have any body: {} is as good as none",
		func(s *suite) (string, error) {
			inv, err := s.request("get."+s.host()+".inv", "{}")
			if err == nil && inv["host_id"] != s.host() {
				err = fmt.Errorf("answer %v", inv)
			}
			return "", err
		}},
	{"inventory.other", "6.2", "nobody answers for a host that is not there", func(s *suite) (string, error) {
		return "", s.silent("get."+newKey(kindHost)+".inv", nil)
	}},
	{"command.other", "6.2", "nobody answers a command for a host that is not there", func(s *suite) (string, error) {
		other := newKey(kindHost)
		return "", s.silent("cmd."+other+".scale", scaleBody("file:///nowhere.wasm", other, 1))
	}},
	{"claims.once", "6.2", "one host of the lattice answers get.claims",
		func(s *suite) (string, error) { return s.once("get.claims", nil) }},
	{"links.once", "6.2", "one host of the lattice answers get.links",
		func(s *suite) (string, error) { return s.once("get.links", nil) }},
	{"linkdefs.once", "6.2", "one host of the lattice answers linkdefs.put and linkdefs.del",
		func(s *suite) (string, error) {
			link := newLink("once")
			seen, err := s.once("linkdefs.put", link)
			if err != nil {
				return seen, err
			}
			return s.once("linkdefs.del", object{"actor_id": link["actor_id"], "contract_id": link["contract_id"],
				"link_name": link["link_name"]})
		}},
	{"links.shape", "6.6", "get.links lists link definitions", func(s *suite) (string, error) {
		link := newLink("shape")
		if err := s.do("linkdefs.put", link); err != nil {
			return "", err
		}
		defer s.dropLink(link)
		var found object
		err := eventually(eventTime, func() error {
			o, err := s.request("get.links", nil)
			if err != nil {
				return err
			}
			links := list(o["links"])
			if links == nil {
				return fmt.Errorf("the answer is %s", short(o))
			}
			if found = find(links, object{"actor_id": link["actor_id"]}); found == nil {
				return fmt.Errorf("the link is not in %s", short(o))
			}
			return nil
		})
		var p problems
		if err == nil {
			p.shape("the link", found, "actor_id:str provider_id:str link_name:str contract_id:str values:strmap")
			p.want(fmt.Sprint(found["values"]) == fmt.Sprint(link["values"]), "values are %v", found["values"])
			err = p.err()
		}
		return "", err
	}},
	{"linkdefs.del.full", "6.3", "linkdefs.del also takes a whole definition with an empty provider_id",
		func(s *suite) (string, error) {
			link := newLink("full")
			if err := s.do("linkdefs.put", link); err != nil {
				return "", err
			}
			full := object{"actor_id": link["actor_id"], "contract_id": link["contract_id"],
				"link_name": link["link_name"], "provider_id": "", "values": object{}}
			if err := s.do("linkdefs.del", full); err != nil {
				return "", err
			}
			return "", s.gone(link)
		}},
	{"linkdefs.del.absent", "6.3", "deleting a link that is not there is answered", func(s *suite) (string, error) {
		_, text, err := s.ack("linkdefs.del", newLink("absent"))
		return text, err
	}},
	{"unsupported", "6.1", "an unknown command is answered by an ack that says so", func(s *suite) (string, error) {
		return s.refused("unsupported subject", s.cmd("nonsense"), nil)
	}},
	{"unsupported.get", "6.1", "an unknown query is answered once", func(s *suite) (string, error) {
		seen, err := s.once("get.nonsense", nil)
		if err == nil && !strings.Contains(seen, "unsupported subject") {
			err = fmt.Errorf("the answer is %s", seen)
		}
		return seen, err
	}},
	{"malformed", "6.1", "what is no JSON is refused, by an ack", func(s *suite) (string, error) {
		var p problems
		for _, subject := range []string{s.cmd("la"), s.cmd("scale"), s.cmd("sa"), s.cmd("upd"), s.cmd("lp"),
			s.cmd("sp"), "labels." + s.host() + ".put", "labels." + s.host() + ".del", "linkdefs.put", "linkdefs.del"} {
			for _, body := range []string{`{"actor_ref":`, `[]`, `"text"`, ``, `null`, "\xff\x00"} {
				ok, _, err := s.ack(subject, body)
				p.want(err == nil, "%v", err)
				p.want(err != nil || !ok, "%s with %q is accepted", subject, body)
			}
		}
		return "", p.err()
	}},
	{"error.json", "6.1", "an error text with quotes and controls is encoded as JSON", func(s *suite) (string, error) {
		return s.refused("", s.cmd("sa"), object{"actor_ref": "M\"}\\\n\x01", "host_id": s.host()})
	}},
	{"unknown.keys", "6.3", "unknown keys and null annotations in a command are ignored",
		func(s *suite) (string, error) {
			return s.refused("not running", s.cmd("sa"), object{"actor_ref": newKey(kindModule), "host_id": s.host(),
				"annotations": nil, "from_the_future": object{"a": 1}})
		}},
	{"host.subject", "6.3", "the host of the subject counts, not the one in the body", func(s *suite) (string, error) {
		return s.refused("not running", s.cmd("sa"), object{"actor_ref": newKey(kindModule), "host_id": "",
			"annotations": object{}})
	}},
	{"trace.header", "6.1", "a request may carry headers", func(s *suite) (string, error) {
		return s.traced()
	}},
	{"auction.actor", "6.3", "hosts bid for an actor when the constraints are their labels",
		func(s *suite) (string, error) {
			arch := s.hosts[0]["labels"].(object)["hostcore.arch"]
			var p problems
			for _, constraints := range []object{{}, {"hostcore.arch": arch}} {
				ref := "registry.example.com/echo:0.3.8"
				bids := s.gather("auction.actor", object{"actor_ref": ref, "constraints": constraints}, time.Second)
				p.want(len(bids) == len(s.hosts), "%d bids of %d hosts with %v", len(bids), len(s.hosts), constraints)
				for _, m := range bids {
					var bid object
					p.want(json.Unmarshal(m.Data, &bid) == nil, "a bid is %q", m.Data)
					p.shape("the bid", bid, "actor_ref:str host_id:host constraints:strmap")
					p.want(bid["actor_ref"] == ref, "actor_ref is %v", bid["actor_ref"])
					p.want(fmt.Sprint(bid["constraints"]) == fmt.Sprint(constraints), "constraints are %v",
						bid["constraints"])
				}
			}
			return "", p.err()
		}},
	{"auction.actor.constraints", "6.3", "a host whose labels differ sends nothing at all",
		func(s *suite) (string, error) {
			var p problems
			for _, constraints := range []object{{"conformance.nobody": "has this"}, {"hostcore.arch": "pdp11"}} {
				if err := s.silent("auction.actor", object{"actor_ref": "registry.example.com/echo:0.3.8",
					"constraints": constraints}); err != nil {
					p.addf("%v with %v", err, constraints)
				}
			}
			return "", p.err()
		}},
	{"auction.provider", "6.3", "hosts bid for a provider, and not with other labels", func(s *suite) (string, error) {
		var p problems
		ref := "registry.example.com/kvredis:0.22.0"
		bids := s.gather("auction.provider", object{"provider_ref": ref, "link_name": "default",
			"constraints": object{}}, time.Second)
		p.want(len(bids) == len(s.hosts), "%d bids of %d hosts", len(bids), len(s.hosts))
		for _, m := range bids {
			var bid object
			p.want(json.Unmarshal(m.Data, &bid) == nil, "a bid is %q", m.Data)
			p.shape("the bid", bid, "provider_ref:str link_name:str host_id:host constraints:strmap")
		}
		err := s.silent("auction.provider", object{"provider_ref": ref, "link_name": "default",
			"constraints": object{"conformance.nobody": "x"}})
		p.want(err == nil, "%v", err)
		return "", p.err()
	}},
	{"auction.malformed", "6.3", "a malformed auction is not answered, which would end a client's gathering",
		func(s *suite) (string, error) {
			return "", s.silent("auction.actor", `{"actor_ref":`)
		}},
	{"labels", "6.3", "labels can be put and deleted, and count in auctions", func(s *suite) (string, error) {
		put, del := "labels."+s.host()+".put", "labels."+s.host()+".del"
		label := object{"key": "conformance", "value": "on, \"yes\""}
		if err := s.do(put, label); err != nil {
			return "", err
		}
		var p problems
		labels := func() object {
			inv, err := s.inventory(s.host())
			p.want(err == nil, "%v", err)
			m, _ := inv["labels"].(object)
			return m
		}
		p.want(labels()["conformance"] == label["value"], "after put the labels are %v", labels())
		bids := s.gather("auction.actor", object{"actor_ref": "registry.example.com/echo:0.3.8",
			"constraints": object{"conformance": label["value"]}}, time.Second)
		p.want(len(bids) == 1, "%d hosts bid for the label", len(bids))
		if err := s.do(del, label); err != nil {
			return "", err
		}
		p.want(labels()["conformance"] == nil, "after del the labels are %v", labels())
		return "", p.err()
	}},
	{"labels.core", "6.3", "labels that describe the machine cannot be overwritten", func(s *suite) (string, error) {
		return s.refused("", "labels."+s.host()+".put", object{"key": "hostcore.os", "value": "plan9"})
	}},
	{"registries.put", "6.2", "registry credentials are acknowledged by every host, in all forms",
		func(s *suite) (string, error) {
			answers := s.gather("registries.put", object{"127.0.0.1:1": object{"registryType": "oci", "username": "u",
				"password": "p"},
				"registry.example.com": object{"registryType": "oci", "username": "u", "token": "t"},
				"open.example.com":     object{"registryType": "oci"}}, time.Second)
			var p problems
			p.want(len(answers) == len(s.hosts), "%d answers of %d hosts", len(answers), len(s.hosts))
			for _, m := range answers {
				var ack object
				p.want(json.Unmarshal(m.Data, &ack) == nil && ack["accepted"] == true, "an answer is %q", m.Data)
			}
			return "", p.err()
		}},
	{"config", "6.2", "configuration of actors and providers is kept (experimental in the dialect)",
		func(s *suite) (string, error) {
			entity := newKey(kindModule)
			ok, text, err := s.ack("config.put."+entity+".key", "value")
			if err != nil || !ok {
				return "", notApplicable("config.put is not served: %s %v", text, err)
			}
			var p problems
			got, err := s.request("get.config."+entity+".key", nil)
			p.want(err == nil && got["found"] == true, "get.config answers %v %v", got, err)
			p.want(s.do("config.del."+entity+".key", nil) == nil, "config.del is refused")
			return "", p.err()
		}},
}

// traced pings with trace headers.
func (s *suite) traced() (string, error) {
	inv, err := s.requestWithHeader("get."+s.host()+".inv",
		map[string][]string{"traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
			"tracestate": {"a=b"}})
	if err == nil && inv["host_id"] != s.host() {
		err = fmt.Errorf("answer %v", inv)
	}
	return "", err
}

// checkInventory holds an inventory to 6.5.
func checkInventory(p *problems, inv object) {
	p.shape("the inventory", inv, "host_id:host issuer:cluster friendly_name:text labels:strmap actors:list "+
		"providers:list version:text uptime_human:text uptime_seconds:int")
	for _, a := range list(inv["actors"]) {
		p.shape("an actor", a, "id:actor image_ref?:str name?:str instances:list")
		p.want(a["public_key"] == nil, "6.5: an actor has id and public_key")
		for _, i := range list(a["instances"]) {
			p.shape("an instance", i, "annotations?:strmap instance_id:text revision:int image_ref?:str "+
				"max_instances:int max_concurrent:int")
		}
	}
	for _, v := range list(inv["providers"]) {
		p.shape("a provider", v, "id:provider image_ref?:str contract_id:str link_name:str name?:str "+
			"annotations?:strmap revision:int")
		p.want(v["public_key"] == nil, "6.5: a provider has id and public_key")
	}
}

func isOneOf(v any, words ...string) bool {
	for _, w := range words {
		if v == w {
			return true
		}
	}
	return false
}

// newLink is a link that nobody uses.
func newLink(name string) object {
	return object{"actor_id": newKey(kindModule), "provider_id": newKey(kindProvider), "link_name": "default",
		"contract_id": "conformance:" + name,
		"values":      object{"URL": "redis://127.0.0.1:1", "empty": "", "quote": `"ä"`}}
}

// dropLink deletes a link, whatever became of it.
func (s *suite) dropLink(link object) { _, _, _ = s.ack("linkdefs.del", link) }

// gone waits until a link is in get.links no more.
func (s *suite) gone(link object) error {
	return eventually(eventTime, func() error {
		o, err := s.request("get.links", nil)
		if err == nil && find(list(o["links"]), object{"actor_id": link["actor_id"],
			"contract_id": link["contract_id"]}) != nil {
			err = fmt.Errorf("the link is still listed")
		}
		return err
	})
}

// once makes a request that one host must answer.
func (s *suite) once(rest string, v any) (string, error) {
	answers := s.gather(rest, v, silence+300*time.Millisecond)
	if len(answers) != 1 {
		return "", fmt.Errorf("%d answers to %s of %d hosts", len(answers), rest, len(s.hosts))
	}
	if !json.Valid(answers[0].Data) {
		return "", fmt.Errorf("the answer is %q", answers[0].Data)
	}
	return short(string(answers[0].Data)), nil
}

// silent makes a request that nobody must answer.
func (s *suite) silent(rest string, v any) error {
	if answers := s.gather(rest, v, silence); len(answers) > 0 {
		return fmt.Errorf("%s is answered by %d, with %s", rest, len(answers), short(string(answers[0].Data)))
	}
	return nil
}

// refused makes a request that must be refused with a text that has these words.
func (s *suite) refused(words, rest string, v any) (string, error) {
	ok, text, err := s.ack(rest, v)
	switch {
	case err != nil:
	case ok:
		err = fmt.Errorf("%s with %s is accepted", rest, short(v))
	case !strings.Contains(text, words):
		err = fmt.Errorf("the error is %q, not %q", text, words)
	}
	return text, err
}
