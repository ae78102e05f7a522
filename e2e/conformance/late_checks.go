package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// heartbeatEvery is the dialect's interval (7.2).
const heartbeatEvery = 30 * time.Second

// lateChecks look at what came during all other checks, and at what takes its time.
var lateChecks = []check{
	{"host.life", "7.2", "a host says host_started and host_stopped, and stop is answered before it exits",
		func(s *suite) (string, error) {
			if s.o.startHost == "" {
				return "", notApplicable("no --start-host")
			}
			words := strings.Fields(s.o.startHost)
			cmd := exec.Command(words[0], words[1:]...)
			mark, rpcMark := s.events.mark(), s.rpc.mark()
			link := newLink("life")
			if err := s.do("linkdefs.put", link); err != nil {
				return "", err
			}
			defer s.dropLink(link)
			if _, ok := s.rpc.await(rpcMark, eventTime, linkMessage(link, "put")); !ok {
				return "", fmt.Errorf("no linkdefs.put of the running hosts")
			}
			if err := cmd.Start(); err != nil {
				return "", notApplicable("%v", err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			defer func() { _ = cmd.Process.Signal(syscall.SIGKILL) }()
			e, err := s.event(mark, 30*time.Second, "host_started", nil)
			if err != nil {
				return "", err
			}
			var p problems
			id, _ := e.event["source"].(string)
			p.shape("host_started", e.data(), "labels:strmap friendly_name:text uptime_seconds:int version:text")
			replayed, ok := s.rpc.await(rpcMark, eventTime, func(r recorded) bool {
				return linkMessage(link, "put")(r) &&
					r.at.After(e.at.Add(-10*time.Second))
			})
			p.want(ok, "8.5: the new host does not send linkdefs.put of the links that it found")
			if ok {
				checkLinkMessage(&p, replayed, link)
			}
			_, set := s.events.await(mark, silence, func(r recorded) bool {
				return r.event["source"] == id && s.evented("linkdef_set", object{"actor_id": link["actor_id"]})(r)
			})
			p.want(!set, "8.5: the replay of the bucket is told to observers")
			if err := s.do("cmd."+id+".stop", object{"host_id": id, "timeout": 2000}); err != nil {
				return "", err
			}
			stopped, ok := s.events.await(mark, eventTime, func(r recorded) bool {
				return r.event["source"] == id &&
					s.evented("host_stopped", nil)(r)
			})
			p.want(ok, "no host_stopped")
			if ok {
				p.shape("host_stopped", stopped.data(), "labels:strmap")
			}
			select {
			case <-ended:
			case <-time.After(eventTime):
				p.addf("the process is still there")
			}
			return "", p.err()
		}},
	{"health.failed", "5.6", "healthy: false is health_check_failed, and the event of no change is health_check_status",
		func(s *suite) (string, error) {
			h, err := s.helper("default")
			if err != nil {
				return "", err
			}
			if s.o.quick {
				return "", notApplicable("--quick")
			}
			if _, err := s.event(0, time.Second, "health_check_passed",
				object{"public_key": h.key, "link_name": "default"}); err != nil {
				return "", notApplicable("it never passed")
			}
			mark := s.events.mark()
			if _, err := s.nc.Request(backChannel(s.lattice, h.key, "default", "health"), []byte("sick"),
				answerTime); err != nil {
				return "", err
			}
			e, err := s.event(mark, heartbeatEvery+5*time.Second, "health_check_failed",
				object{"public_key": h.key, "link_name": "default"})
			var p problems
			if err != nil {
				return "", err
			}
			p.shape("health_check_failed", e.data(), "public_key:provider contract_id:text link_name:text")
			return fmt.Sprintf("%.1f s after the first check", e.at.Sub(h.began.at).Seconds()-5), p.err()
		}},
	{"heartbeat", "7.2", "every host sends a heartbeat at least each 30 s, with its inventory",
		func(s *suite) (string, error) {
			if wait := heartbeatEvery + 2*time.Second - time.Since(s.begun); wait > 0 {
				if s.o.quick {
					return "", notApplicable("--quick")
				}
				time.Sleep(wait)
			}
			var p problems
			form := ""
			for _, id := range s.hostIDs() {
				beats := s.events.since(0, func(r recorded) bool {
					return r.event["source"] == id &&
						s.evented("host_heartbeat", nil)(r)
				})
				if len(beats) == 0 {
					p.addf("none of %s", id)
					continue
				}
				d := beats[0].data()
				p.shape("the heartbeat", d, "labels:strmap friendly_name:text version:text uptime_seconds:int "+
					"uptime_human:text")
				p.want(semver.MatchString(fmt.Sprint(d["version"])), "version %v is no semver", d["version"])
				if _, old := d["actors"].(object); old {
					form = "the form of 0.81 and older"
					p.shape("the heartbeat", d, "actors:map providers:list")
				} else {
					form = "the form of 0.82"
					checkInventory(&p, d)
				}
			}
			return form, p.err()
		}},
	{"event.envelope", "7.1", "every event of the run is a CloudEvent", func(s *suite) (string, error) {
		var p problems
		ids := map[string]bool{}
		all := s.events.since(0, func(r recorded) bool { return r.subject == "wasmbus.evt."+s.lattice })
		for _, r := range all {
			if r.event == nil {
				p.addf("%q is no JSON object", clip(r.raw))
				continue
			}
			p.shape("an event", r.event, "specversion:text id:text type:text source:text time:text "+
				"datacontenttype:text data:map")
			p.want(r.event["specversion"] == "1.0", "specversion is %v", r.event["specversion"])
			p.want(r.event["datacontenttype"] == "application/json", "datacontenttype is %v",
				r.event["datacontenttype"])
			id, typ := fmt.Sprint(r.event["id"]), fmt.Sprint(r.event["type"])
			p.want(isUUID.MatchString(id) && !ids[id], "id %q is no UUID, or not unique", id)
			ids[id] = true
			p.want(strings.HasPrefix(typ, eventPrefix), "type is %q", typ)
			_, err := time.Parse(time.RFC3339, fmt.Sprint(r.event["time"]))
			p.want(err == nil, "time is %v", r.event["time"])
			p.want(r.event["source"] == "n/a" || isType(r.event["source"], "host"), "source is %v", r.event["source"])
			if len(p) > 10 {
				break
			}
		}
		return fmt.Sprintf("%d events", len(all)), p.err()
	}},
	{"event.subjects", "7.1", "every event comes on the general and on its typed subject, as the same bytes",
		func(s *suite) (string, error) {
			var p problems
			typed := map[string]string{}
			for _, r := range s.events.since(0,
				func(r recorded) bool { return r.subject != "wasmbus.evt."+s.lattice }) {
				typed[string(r.raw)] = r.subject
			}
			general := s.events.since(0, func(r recorded) bool { return r.subject == "wasmbus.evt."+s.lattice })
			for i, r := range general {
				want := "wasmbus.evt." + s.lattice + "." + r.name()
				got, ok := typed[string(r.raw)]
				p.want(ok && got == want || i > len(general)-4 && !ok, "%s is on %q, not on %q", r.name(), got, want)
				delete(typed, string(r.raw))
				if len(p) > 10 {
					break
				}
			}
			return fmt.Sprintf("%d events", len(general)), p.err()
		}},
	{"event.annotations", "7.5", "annotations in events are never null", func(s *suite) (string, error) {
		var p problems
		n := 0
		for _, r := range s.events.since(0, func(r recorded) bool { return r.data() != nil }) {
			if v, there := r.data()["annotations"]; there {
				n++
				_, ok := v.(object)
				p.want(ok, "annotations of %s are %v", r.name(), v)
			}
		}
		return fmt.Sprintf("%d events with annotations", n), p.err()
	}},
	{"event.actor_ref", "6.7", "actor_ref and error are strings in every failure of an actor",
		func(s *suite) (string, error) {
			var p problems
			failed := s.events.since(0, func(r recorded) bool {
				return isOneOf(r.name(), "actor_start_failed",
					"actor_scale_failed")
			})
			for _, r := range failed {
				p.shape(r.name(), r.data(), "actor_ref:text error:text")
			}
			return fmt.Sprintf("%d failures", len(failed)), p.err()
		}},
	{"store.clean", "3.6", "no object of a chunked call is left in the object store", func(s *suite) (string, error) {
		store, err := s.js.ObjectStore(s.lattice)
		if err != nil {
			return "", notApplicable("there is no object store: %v", err)
		}
		var left []string
		err = eventually(5*time.Second, func() error {
			left = nil
			objects, err := store.List()
			if err != nil {
				return nil // an empty one is an error of the client
			}
			for _, o := range objects {
				left = append(left, fmt.Sprintf("%s (%d bytes)", o.Name, o.Size))
			}
			if len(left) > 0 {
				return fmt.Errorf("there are %d: %s", len(left), short(left))
			}
			return nil
		})
		return "", err
	}},
	{"alive", "10", "all hosts are still there and well", func(s *suite) (string, error) {
		found := map[any]bool{}
		for _, m := range s.gather("ping.hosts", nil, time.Second) {
			var h object
			if json.Unmarshal(m.Data, &h) == nil {
				found[h["id"]] = true
			}
		}
		var p problems
		for _, id := range s.hostIDs() {
			p.want(found[id], "host %s is gone", id)
		}
		return "", p.err()
	}},
}
