package main

import "fmt"

// updateChecks are of live update (10.3).
var updateChecks = []check{
	{"upd", "10.3", "an update to a greater revision swaps the code, acknowledged afterwards, with events",
		func(s *suite) (string, error) {
			return s.scaling("upd", func(b *bench) error {
				if err := b.step(b.scale(2), "actor_scaled/2"); err != nil {
					return err
				}
				old := b.ref
				var err error
				if b.ref, _, err = s.write(spec{name: "scale-upd", key: b.id, rev: 2}); err != nil {
					return err
				}
				b.mark = s.events.mark()
				if err := s.do(s.cmd("upd"), object{"actor_id": b.id, "new_actor_ref": b.ref,
					"host_id": s.host()}); err != nil {
					return err
				}
				entries, err := b.entries()
				if err != nil || len(entries) != 1 {
					return fmt.Errorf("after the ack there are %d entries, %v", len(entries), err)
				}
				revision, _ := number(entries[0]["revision"])
				var p problems
				p.want(revision == 2 && entries[0]["image_ref"] == b.ref, "after the ack the inventory has %v",
					entries[0])
				for _, name := range []string{"actors_started", "actors_stopped", "actor_scaled", "actor_updated"} {
					e, err := s.event(b.mark, eventTime, name, object{"public_key": b.id})
					if err != nil {
						return err
					}
					if name == "actors_started" || name == "actor_scaled" {
						p.want(e.data()["image_ref"] == b.ref, "image_ref of %s is %v", name, e.data()["image_ref"])
					}
					if name == "actors_stopped" {
						p.want(isOneOf(e.data()["image_ref"], old, b.ref), "image_ref of %s is %v", name,
							e.data()["image_ref"])
					}
					if name == "actor_updated" {
						p.shape(name, e.data(), "public_key:actor revision:int instance_id:text")
					}
				}
				return p.err()
			})
		}},
	{"upd.without.id", "6.3", "an update needs only new_actor_ref (OTP)", func(s *suite) (string, error) {
		return s.scaling("updbare", func(b *bench) error {
			if err := b.step(b.scale(1), "actor_scaled/1"); err != nil {
				return err
			}
			var err error
			if b.ref, _, err = s.write(spec{name: "scale-updbare", key: b.id, rev: 2}); err != nil {
				return err
			}
			return s.do(s.cmd("upd"), object{"new_actor_ref": b.ref, "host_id": s.host()})
		})
	}},
	{"upd.same", "10.3", "an update to a revision that is not greater is refused", func(s *suite) (string, error) {
		return s.scaling("updsame", func(b *bench) error {
			if err := b.step(b.scale(1), "actor_scaled/1"); err != nil {
				return err
			}
			ref, _, err := s.write(spec{name: "updsame-other", key: b.id, rev: 1})
			if err == nil {
				_, err = s.refused("", s.cmd("upd"), object{"actor_id": b.id, "new_actor_ref": ref,
					"host_id": s.host()})
			}
			return err
		})
	}},
	{"upd.other.key", "10.3", "an update to another actor is refused", func(s *suite) (string, error) {
		return s.scaling("updkey", func(b *bench) error {
			if err := b.step(b.scale(1), "actor_scaled/1"); err != nil {
				return err
			}
			ref, _, err := s.write(spec{name: "updkey-other", rev: 2})
			if err == nil {
				_, err = s.refused("", s.cmd("upd"), object{"actor_id": b.id, "new_actor_ref": ref,
					"host_id": s.host()})
			}
			return err
		})
	}},
	{"upd.absent", "10.3", "an update of an actor that does not run is refused", func(s *suite) (string, error) {
		ref, key, err := s.write(spec{name: "upd-absent", rev: 2})
		if err != nil {
			return "", err
		}
		return s.refused("", s.cmd("upd"), object{"actor_id": key, "new_actor_ref": ref, "host_id": s.host()})
	}},
}
