// Package permit asks whether something may be started or called, besides what claims and links grant: it asks the
// rules first, then a policy service.
package permit

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/host/internal/policyclient"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// Settings say what decides. The zero value permits everything.
type Settings struct {
	Rules        *policy.Rules // default: none
	RulesFile    string        // the file of Rules, which is followed: it replaces them when it changes; default: none
	Topic        string        // subject of a policy service; default: none
	ChangesTopic string        // subject on which the service changes its decisions; default: none
	Timeout      time.Duration // for a decision of the service; default policy.DefaultTimeout
}

// Validate accepts settings without a service.
func (s Settings) Validate() error {
	if s.Topic == "" && s.ChangesTopic == "" {
		return nil
	}
	return s.client(nil).Validate()
}

func (s Settings) client(log *slog.Logger) policyclient.Config {
	return policyclient.Config{Topic: s.Topic, Changes: s.ChangesTopic, Timeout: s.Timeout, Logger: log}
}

// Config is what a Policy needs. All fields but Settings are necessary.
type Config struct {
	Settings

	Conn    *nats.Conn                      // over which a service is asked
	Asker   func() policy.Host              // this host, as it is told to those that decide
	Known   func(key string) control.Claims // what the lattice knows of an actor or a provider; zero: nothing
	Metrics *metrics.Metrics
	Logger  *slog.Logger
}

// Policy decides what may be started and called on a host. Make it with New, then Start it once. It is safe for
// concurrent use.
type Policy struct {
	cfg     Config
	rules   atomic.Pointer[policy.Rules] // nil: none
	service *policyclient.Client         // nil: none
	file    *rulesFile                   // nil: it is not followed
}

// New makes a Policy that permits everything until it is started.
func New(cfg Config) *Policy { return &Policy{cfg: cfg} }

// Start reads the rules and begins to listen to the policy service, if there is one.
func (p *Policy) Start(context.Context) (err error) {
	p.rules.Store(p.cfg.Rules)
	if p.cfg.RulesFile != "" {
		if p.file, err = p.follow(p.cfg.RulesFile); err != nil {
			return err
		}
	}
	if p.cfg.Topic == "" {
		return nil
	}
	service, err := policyclient.New(p.cfg.Conn, p.cfg.client(p.cfg.Logger))
	if err != nil {
		return err
	}
	if err := service.Start(); err != nil {
		return err
	}
	p.service = service
	return nil
}

// Stop ends what Start began.
func (p *Policy) Stop(context.Context) (err error) {
	if p.service != nil {
		p.service.Close()
	}
	if p.file != nil {
		err = p.file.close()
	}
	return err
}

// HasService reports whether a service is asked over NATS.
func (p *Policy) HasService() bool { return p.service != nil }

// asks reports whether there are rules or a service to ask.
func (p *Policy) asks() bool { return p.service != nil || p.rules.Load() != nil }

// permit asks the rules, then the service. What is not permitted is lattice.ErrDenied, with the rule or service that
// denied it and the reason.
func (p *Policy) permit(ctx context.Context, op string, q policy.Question) error {
	q.Host = p.cfg.Asker()
	if rules := p.rules.Load(); rules != nil {
		if d := rules.Decide(&q).Decision(); !d.Permitted {
			return denied(op, q, "by "+d.By)
		}
	}
	if p.service != nil {
		if d := p.service.Decide(ctx, &q); !d.Permitted {
			return denied(op, q, strings.TrimSuffix("by "+d.By+": "+lattice.Printable(d.Message), ": "))
		}
	}
	return nil
}

func denied(op string, q policy.Question, why string) error {
	return &lattice.Error{Code: lattice.ErrDenied, Op: op, Entity: lattice.Printable(q.Target.Key), Detail: why}
}

// ToStart asks whether an actor or a provider may be started here, and counts it when not.
func (p *Policy) ToStart(ctx context.Context, action policy.Action, target policy.Party) error {
	if !p.asks() {
		return nil
	}
	err := p.permit(ctx, strings.ReplaceAll(string(action), "_", " "), policy.Question{Action: action, Target: target})
	p.cfg.Metrics.Refused(err)
	return err
}

// CallIn asks whether an invocation of an actor here may be served.
func (p *Policy) CallIn(ctx context.Context, inv *wire.Invocation, actor *signing.ActorClaims) error {
	if !p.asks() {
		return nil
	}
	return p.permit(ctx, "call", policy.Question{Action: policy.PerformInvocation, Origin: p.party(inv.Origin),
		Target:    Actor(actor),
		Operation: inv.Operation})
}

// CallOut asks whether an actor here may make a call.
func (p *Policy) CallOut(ctx context.Context, actor *signing.ActorClaims, to wire.Entity, operation string) error {
	if !p.asks() {
		return nil
	}
	return p.permit(ctx, "call", policy.Question{Action: policy.PerformInvocation, Origin: Actor(actor),
		Target:    p.party(to),
		Operation: operation})
}

// Actor is an actor whose claims are at hand.
func Actor(c *signing.ActorClaims) policy.Party {
	return policy.Party{Kind: policy.Actor, Key: string(c.Subject), Name: c.Name, Alias: c.CallAlias,
		Issuer: c.Issuer, Caps: c.Caps,
		IssuedAt: c.IssuedAt, Expires: c.Expires}
}

// party is the other end of a call, with what the lattice knows about it.
func (p *Policy) party(e wire.Entity) policy.Party {
	party := policy.Party{Key: e.PublicKey, Contract: e.ContractID, Link: e.LinkName}
	switch {
	case lattice.IsKey(e.PublicKey, 'M'):
		party.Kind = policy.Actor
	case lattice.IsKey(e.PublicKey, 'V'):
		party.Kind = policy.Provider
	}
	c := p.cfg.Known(e.PublicKey)
	party.Name, party.Alias, party.Issuer, party.Caps = c.Name, c.CallAlias, c.Issuer, c.Caps
	return party
}
