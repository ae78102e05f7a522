package subject

import (
	"errors"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

const (
	actor    = "MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR"
	provider = "VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW"
	host     = "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"
)

func TestSubjects(t *testing.T) {
	c := Control{Lattice: "edge"}
	for want, got := range map[string]string{
		"wasmbus.rpc.edge." + actor:                                 Actor("edge", actor),
		"wasmbus.rpc.edge." + provider + ".default":                 Provider("edge", provider, "default"),
		"wasmbus.rpc.edge." + provider + ".default.linkdefs.put":    LinkPut("edge", provider, "default"),
		"wasmbus.rpc.edge." + provider + ".default.linkdefs.del":    LinkDel("edge", provider, "default"),
		"wasmbus.rpc.edge." + provider + ".default.health":          Health("edge", provider, "default"),
		"wasmbus.rpc.edge." + provider + ".default.shutdown":        Shutdown("edge", provider, "default"),
		"wasmbus.rpc.edge." + provider + ".default.metrics." + host: ProviderMetrics("edge", provider, "default", host),
		"wasmbus.rpc.edge." + host:                                  Host("edge", host),
		"wasmbus.rpc.edge." + provider + ".default." + host:         ProviderAt("edge", provider, "default", host),
		"wasmbus.evt.edge":                                          Event("edge"),
		"wasmbus.evt.edge.actor_scaled":                             EventTyped("edge", "actor_scaled"),
		"wasmbus.ctl.edge.ping.hosts":                               c.PingHosts(),
		"wasmbus.ctl.edge.get.claims":                               c.GetClaims(),
		"wasmbus.ctl.edge.get." + host + ".inv":                     c.Inventory(host),
		"wasmbus.ctl.edge.cmd." + host + ".scale":                   c.Command(host, CmdScaleActor),
		"wasmbus.ctl.edge.labels." + host + ".put":                  c.LabelPut(host),
		"my.ctl.edge.linkdefs.del":                                  Control{"my.ctl", "edge"}.LinkDel(),
		"wadm.api.edge.model.>":                                     AppRequests("edge").Subject,
		"LATTICEDATA_edge":                                          KVLattice("edge"),
		"REFMAP_d2FzbWNsb3VkLmF6dXJlY3IuaW8vZWNobzowLjMuOA":         KVRefKey("wasmcloud.azurecr.io/echo:0.3.8"),
		"CLAIMS_" + actor:                                           KVClaimsKey(actor),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestParseRPC(t *testing.T) {
	for _, r := range []RPC{
		{Lattice: "edge", Actor: actor},
		{Lattice: "edge", Host: host},
		{Lattice: "edge", Provider: provider, Link: "default"},
		{Lattice: "edge", Provider: provider, Link: "l", Verb: "linkdefs.put"},
	} {
		s := Actor(r.Lattice, r.Actor)
		if r.Host != "" {
			s = Host(r.Lattice, r.Host)
		}
		if r.Provider != "" {
			s = Provider(r.Lattice, r.Provider, r.Link)
			if r.Verb != "" {
				s += "." + r.Verb
			}
		}
		got, err := ParseRPC(s)
		if err != nil || got != r {
			t.Errorf("ParseRPC(%s) = %+v, %v; want %+v", s, got, err, r)
		}
	}
	for _, s := range []string{"", "wasmbus.rpc.", "wasmbus.rpc.edge", "wasmbus.rpc.edge.M", "wasmbus.rpc.*." + actor,
		"wasmbus.rpc.edge." + provider, "wasmbus.rpc.edge." + provider + ".", "wasmbus.rpc.edge." + actor + ".default",
		"wasmbus.rpc.edge." + provider + ".default."} {
		if _, err := ParseRPC(s); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("ParseRPC(%q) = %v, want ErrInvalid", s, err)
		}
	}
}

func TestControlParse(t *testing.T) {
	c := Control{Lattice: "edge"}
	got, err := c.Parse(c.Command(host, CmdStopHost))
	if err != nil || strings.Join(got, " ") != "cmd "+host+" stop" {
		t.Fatalf("got %v, %v", got, err)
	}
	for _, s := range []string{"", "wasmbus.ctl.edge", "wasmbus.ctl.edge.", "wasmbus.ctl.other.ping.hosts",
		"wasmbus.ctl.edge.cmd..x"} {
		if _, err := c.Parse(s); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("Parse(%q) = %v, want ErrInvalid", s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	c := Control{Lattice: "edge"}
	f.Add(Actor("edge", actor))
	f.Add(LinkPut("edge", provider, "default"))
	f.Add(c.PingHosts())
	f.Add(Beat("edge", host))
	for _, s := range []string{"", ".", "*", ">", ">>", "wasmbus.rpc..", KVLinkKey("x")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRPC(s); err == nil {
			back := Actor(r.Lattice, r.Actor)
			if r.Provider != "" {
				back = Provider(r.Lattice, r.Provider, r.Link)
			}
			if r.Verb != "" {
				back += "." + r.Verb
			}
			if back != s {
				t.Fatalf("%q parsed as %+v, which builds %q", s, r, back)
			}
		}
		if tokens, err := c.Parse(s); err == nil && c.join(tokens...) != s {
			t.Fatalf("control: %q gave %v", s, tokens)
		}
		if l, h, err := parseBeat(s); err == nil && Beat(l, h) != s {
			t.Fatalf("beat: %q gave %s %s", s, l, h)
		}
	})
}
