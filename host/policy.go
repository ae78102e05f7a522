package host

import (
	"context"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// PolicyConfig says who decides what may be started and called, besides claims and links. When there are both rules and
// a service, both must permit; the service is asked only for what the rules permit. The zero value permits everything.
type PolicyConfig struct {
	Rules        *policy.Rules // default: none
	RulesFile    string        // the file of Rules, which is followed: it replaces them when it changes; default: none
	Topic        string        // subject of a policy service; default: none
	ChangesTopic string        // subject on which the service changes its decisions; default: none
	Timeout      time.Duration // for a decision of the service; default policy.DefaultTimeout
}

func (c PolicyConfig) client(h *Host) policy.ClientConfig {
	cfg := policy.ClientConfig{Topic: c.Topic, Changes: c.ChangesTopic, Timeout: c.Timeout}
	if h != nil {
		cfg.Logger = h.log
	}
	return cfg
}

// validate accepts a configuration without a service.
func (c PolicyConfig) validate() error {
	if c.Topic == "" && c.ChangesTopic == "" {
		return nil
	}
	return c.client(nil).Validate()
}

// startPolicy begins to listen to the policy service, if there is one.
func (h *Host) startPolicy(opened func(func(context.Context) error)) (err error) {
	h.policyRules.Store(h.cfg.Policy.Rules)
	if err := h.followRules(opened); err != nil {
		return err
	}
	if h.cfg.Policy.Topic == "" {
		return nil
	}
	if h.policy, err = policy.NewClient(h.ctl, h.cfg.Policy.client(h)); err != nil {
		return err
	}
	if err = h.policy.Start(); err != nil {
		return err
	}
	opened(func(context.Context) error { h.policy.Close(); return nil })
	return nil
}

// hasPolicy reports whether there is anybody to ask.
func (h *Host) hasPolicy() bool { return h.rules() != nil || h.policy != nil }

// permit asks the rules, then the service. What is not permitted is lattice.ErrDenied with who denied it and why.
func (h *Host) permit(ctx context.Context, op string, q policy.Question) error {
	q.Host = policy.Host{ID: string(h.node.ID), Cluster: h.keys.Load().Cluster.Public(), Lattice: string(h.cfg.Lattice), Labels: h.node.Labels(), Issuers: h.verifier.Issuers()}
	if rules := h.rules(); rules != nil {
		if d := rules.Decide(&q).Decision(); !d.Permitted {
			return denied(op, q, "by "+d.By)
		}
	}
	if h.policy != nil {
		if d := h.policy.Decide(ctx, &q); !d.Permitted {
			return denied(op, q, strings.TrimSuffix("by "+d.By+": "+lattice.Printable(d.Message), ": "))
		}
	}
	return nil
}

func denied(op string, q policy.Question, why string) error {
	return &lattice.Error{Code: lattice.ErrDenied, Op: op, Entity: lattice.Printable(q.Target.Key), Detail: why}
}

// permitStart asks whether an actor or a provider may be started here, and counts it when not.
func (h *Host) permitStart(ctx context.Context, action policy.Action, target policy.Party) error {
	if !h.hasPolicy() {
		return nil
	}
	err := h.permit(ctx, strings.ReplaceAll(string(action), "_", " "), policy.Question{Action: action, Target: target})
	h.metrics.Refused(err)
	return err
}

// permitIn asks whether an invocation of an actor here may be served.
func (v *version) permitIn(ctx context.Context, inv *wire.Invocation) error {
	h := v.actor.host
	if !h.hasPolicy() {
		return nil
	}
	return h.permit(ctx, "call", policy.Question{Action: policy.PerformInvocation, Origin: h.party(inv.Origin), Target: actorParty(v.claims),
		Operation: inv.Operation})
}

// permitOut asks whether an actor here may make a call.
func (v *version) permitOut(ctx context.Context, to wire.Entity, operation string) error {
	h := v.actor.host
	if !h.hasPolicy() {
		return nil
	}
	return h.permit(ctx, "call", policy.Question{Action: policy.PerformInvocation, Origin: actorParty(v.claims), Target: h.party(to), Operation: operation})
}

// actorParty is an actor whose claims are at hand.
func actorParty(c *signing.ActorClaims) policy.Party {
	return policy.Party{Kind: policy.Actor, Key: string(c.Subject), Name: c.Name, Alias: c.CallAlias, Issuer: string(c.Issuer), Caps: c.Caps,
		IssuedAt: c.IssuedAt, Expires: c.Expires}
}

// party is a provider that is about to start.
func (p *provider) party() policy.Party {
	return policy.Party{Kind: policy.Provider, Key: string(p.id), Name: p.name, Issuer: p.issuer, Contract: p.contract, Link: string(p.link),
		IssuedAt: p.validity.IssuedAt, Expires: p.validity.Expires}
}

// party is the other end of a call, with what the lattice's bucket knows about it.
func (h *Host) party(e wire.Entity) policy.Party {
	p := policy.Party{Key: e.PublicKey, Contract: e.ContractID, Link: e.LinkName}
	switch {
	case lattice.IsKey(e.PublicKey, 'M'):
		p.Kind = policy.Actor
	case lattice.IsKey(e.PublicKey, 'V'):
		p.Kind = policy.Provider
	}
	c := h.links.ClaimsOf(e.PublicKey)
	p.Name, p.Alias, p.Issuer, p.Caps = c.Name, c.CallAlias, c.Issuer, c.Caps
	return p
}
