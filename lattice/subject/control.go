package subject

import (
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// DefaultControlPrefix is the topic prefix of the control interface.
const DefaultControlPrefix = "wasmbus.ctl"

// The commands that one host obeys. They are the last token of Control.Command.
const (
	CmdStartActor    = "la" // the spelling of clients before scale
	CmdScaleActor    = "scale"
	CmdStopActor     = "sa"
	CmdUpdateActor   = "upd"
	CmdStartProvider = "lp"
	CmdStopProvider  = "sp"
	CmdStopHost      = "stop"
	CmdDrainHost     = "drain"  // weft
	CmdReloadHost    = "reload" // weft
)

// Control builds the subjects of the control interface of one lattice. The zero Prefix means DefaultControlPrefix.
type Control struct {
	Prefix  string
	Lattice lattice.Name
}

func (c Control) join(tokens ...string) string {
	p := c.Prefix
	if p == "" {
		p = DefaultControlPrefix
	}
	return p + "." + string(c.Lattice) + "." + strings.Join(tokens, ".")
}

// All is a pattern that matches every request.
func (c Control) All() string { return c.join(">") }

// Requests that all hosts answer.
func (c Control) PingHosts() string       { return c.join("ping", "hosts") }
func (c Control) AuctionActor() string    { return c.join("auction", "actor") }
func (c Control) AuctionProvider() string { return c.join("auction", "provider") }
func (c Control) RegistriesPut() string   { return c.join("registries", "put") }

// Requests that one host of the lattice answers for all.
func (c Control) GetClaims() string { return c.join("get", "claims") }
func (c Control) GetLinks() string  { return c.join("get", "links") }
func (c Control) LinkPut() string   { return c.join("linkdefs", "put") }
func (c Control) LinkDel() string   { return c.join("linkdefs", "del") }

// Requests to a named host.
func (c Control) Inventory(h lattice.HostID) string { return c.join("get", string(h), "inv") }
func (c Control) LabelPut(h lattice.HostID) string  { return c.join("labels", string(h), "put") }
func (c Control) LabelDel(h lattice.HostID) string  { return c.join("labels", string(h), "del") }

// Command is the subject of one of the Cmd constants for a host.
func (c Control) Command(h lattice.HostID, cmd string) string { return c.join("cmd", string(h), cmd) }

// Logs asks a host for the buffered log lines of an actor (weft).
func (c Control) Logs(h lattice.HostID, a lattice.ActorID) string {
	return c.join("get", string(h), "logs", string(a))
}

// Failures asks a host for the failed calls that it remembers (weft).
func (c Control) Failures(h lattice.HostID) string { return c.join("get", string(h), "errors") }

// Lost asks a host for the hosts that it misses (weft).
func (c Control) Lost(h lattice.HostID) string { return c.join("get", string(h), "lost") }

// Pattern is a subscription that a host makes: a subject with wildcards, and the queue group in which only one host
// of the lattice answers ("" when all do).
type Pattern struct{ Subject, Queue string }

// HostPatterns lists what a host subscribes to. Queue groups are those of hosts since 0.80.
func (c Control) HostPatterns(h lattice.HostID) []Pattern {
	host := string(h)
	return []Pattern{
		{c.join("registries", "put"), ""},
		{c.join("ping", "hosts"), ""},
		{c.join("linkdefs", "*"), c.join("linkdefs")},
		{c.join("get", "*"), c.join("get")},
		{c.join("auction", ">"), ""},
		{c.join("cmd", host, "*"), ""},
		{c.join("get", host, "inv"), ""},
		{c.join("get", host, "logs", "*"), ""},
		{c.join("get", host, "errors"), ""},
		{c.join("get", host, "lost"), ""},
		{c.join("labels", host, "*"), ""},
		{c.join("config", ">"), c.join("config")},
		{c.join("get", "config", ">"), c.join("get", "config")},
	}
}

// Parse returns the tokens after prefix and lattice: "cmd.{N}.scale" gives [cmd {N} scale]. A subject of another
// prefix or lattice, or one with an empty token, is lattice.ErrInvalid.
func (c Control) Parse(s string) ([]string, error) {
	rest, ok := strings.CutPrefix(s, c.join(""))
	if ok && rest != "" {
		tokens := strings.Split(rest, ".")
		for _, t := range tokens {
			ok = ok && t != ""
		}
		if ok {
			return tokens, nil
		}
	}
	return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "parse control subject", Entity: lattice.Printable(s)}
}
