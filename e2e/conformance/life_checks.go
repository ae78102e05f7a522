package main

import (
	"fmt"
	"strings"
	"time"
)

// boxes keeps the process that several checks share.
type boxes struct {
	command  []string
	contract string
	box      *box
	err      error
}

func (b *boxes) get(s *suite) (*box, error) {
	if b.box == nil && b.err == nil {
		b.box, b.err = s.box(b.command, b.contract, boxOptions{})
		if b.err != nil {
			b.err = notApplicable("the process does not start: %v", b.err)
		}
	}
	return b.box, b.err
}

// lifeChecks are what every provider's process must pass (5.4-5.7).
func lifeChecks(prefix string, shared *boxes) []check {
	start := func(o boxOptions) func(*suite) (string, error) {
		return func(s *suite) (string, error) {
			b, err := s.box(shared.command, shared.contract, o)
			if err != nil {
				return "", err
			}
			defer b.kill()
			time.Sleep(silence) // one that ends with its input does so now
			if _, err := b.health(nil); err != nil || !b.alive() {
				return "", fmt.Errorf("it has started and ended: %w", err)
			}
			return "", nil
		}
	}
	return []check{
		{prefix + ".start", "5.4", "the process reads host data, connects and answers health requests",
			start(boxOptions{})},
		{prefix + ".crlf", "5.1", "the line may end with \\r\\n and standard input be closed after it (H78 and later)",
			start(boxOptions{end: "\r\n", close: true})},
		{prefix + ".url.bare", "5.3", "lattice_rpc_url may have no scheme (OTP), and unknown fields are ignored",
			func(s *suite) (string, error) {
				return start(boxOptions{change: func(d object) {
					d["lattice_rpc_url"] = strings.TrimPrefix(s.o.nats, "nats://")
					d["js_domain"], d["lattice_rpc_tls"], d["from_the_future"], d["config_json"] = nil, 0, object{}, ""
				}})(s)
			}},
		{prefix + ".minimal", "5.3", "optional fields may be missing", start(boxOptions{change: func(d object) {
			for _, k := range []string{"default_rpc_timeout_ms", "structured_logging", "otel_config",
				"lattice_rpc_user_jwt", "lattice_rpc_user_seed", "instance_id"} {
				delete(d, k)
			}
		}})},
		{prefix + ".health", "5.6", "health is a map with healthy, whatever the request's payload",
			func(s *suite) (string, error) {
				b, err := shared.get(s)
				if err != nil {
					return "", err
				}
				var p problems
				for _, payload := range [][]byte{nil, pack(object{"placeholder": true}), {0x80}} {
					o, err := b.health(payload)
					p.want(err == nil && o["healthy"] == true, "with %x it answers %v, %v", payload, o, err)
					p.shape("health", o, "healthy:bool message?~:str")
				}
				return "", p.err()
			}},
		{prefix + ".shutdown", "5.7", "it ends for its own host alone, with the reply \"shutting down\", " +
			"and exits with 0", func(s *suite) (string, error) {
			b, err := s.box(shared.command, shared.contract, boxOptions{})
			if err != nil {
				return "", err
			}
			defer b.kill()
			var p problems
			if m, err := b.shutdown(newKey(kindHost)); err == nil {
				p.addf("another host is answered %q", m.Data)
			}
			p.want(b.alive(), "it has ended for another host")
			m, err := b.shutdown(b.host)
			if err != nil {
				return "", err
			}
			p.want(string(m.Data) == "shutting down", "the reply is %q", m.Data)
			select {
			case <-b.ended:
				p.want(b.cmd.ProcessState.ExitCode() == 0, "it exits with %v", b.cmd.ProcessState)
			case <-time.After(3 * time.Second):
				p.addf("it is still there after 3 s")
			}
			return "", p.err()
		}},
	}
}
