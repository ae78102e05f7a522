package dev

import (
	"context"
	"errors"
	"slices"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
)

// providers are what serves the contracts of the actor's claims.
type providers struct {
	lattice  *operate.Lattice
	screen   Screen
	address  string
	attached map[lattice.ContractID]bool // contracts whose provider is linked, or that were told about
	started  []operate.ProviderState
}

func newProviders(c Config) providers {
	return providers{lattice: c.Lattice, screen: c.Screen, address: c.Address, attached: map[lattice.ContractID]bool{}}
}

// attach starts and links the providers that an actor's claims ask for, and takes away those that they ask for no more.
func (p *providers) attach(ctx context.Context, actor lattice.ActorID, name string, caps []lattice.ContractID) error {
	ours := []struct {
		contract lattice.ContractID
		provider string
		values   map[string]string
	}{
		{keyvalue.ID, "keyvalue-nats", nil},
		{httpserver.ID, "httpserver", map[string]string{"address": p.address}},
	}
	for _, o := range ours {
		wanted := slices.Contains(caps, o.contract)
		if wanted == p.attached[o.contract] {
			continue
		}
		if !wanted {
			if err := p.detach(ctx, actor, o.contract); err != nil {
				return err
			}
			continue
		}
		state, err := p.lattice.StartProvider(ctx, operate.ProviderStart{Ref: o.provider})
		if err != nil {
			return err
		}
		if !state.Already {
			p.started = append(p.started, *state)
		}
		if _, err := p.lattice.PutLink(ctx, operate.LinkPut{Actor: string(actor), Provider: string(state.ID),
			ContractID: o.contract, Values: o.values}); err != nil {
			return err
		}
		p.attached[o.contract] = true
		if o.contract == httpserver.ID {
			p.screen.Serves(name, p.address)
		}
	}
	for _, c := range caps {
		inside := c.IsBuiltin() || c == keyvalue.ID || c == httpserver.ID
		switch {
		case inside || p.attached[c]:
			continue
		case c == httpclient.ID: // which hosts, only the author knows
			p.screen.Say("- to make HTTP requests: weft provider start httpclient, "+
				"then weft link put %s httpclient allowed_hosts=HOST", name)
		default:
			p.screen.Say("- no provider of weft's serves %s: start one with weft provider start, "+
				"then weft link put %s PROVIDER", c, name)
		}
		p.attached[c] = true // told once
	}
	return nil
}

// detach takes away a link that the claims no longer ask for, and its provider when it was started here.
func (p *providers) detach(ctx context.Context, actor lattice.ActorID, contract lattice.ContractID) error {
	p.screen.Say("- unlinking %s", contract)
	if _, err := p.lattice.DelLink(ctx, string(actor), string(contract), lattice.DefaultLink); err != nil {
		return err
	}
	delete(p.attached, contract)
	i := slices.IndexFunc(p.started, func(s operate.ProviderState) bool { return s.ContractID == contract })
	if i < 0 {
		return nil
	}
	started := p.started[i]
	p.started = slices.Delete(p.started, i, i+1)
	_, err := p.lattice.StopProvider(ctx, string(started.ID), started.LinkName, "")
	return err
}

// stop ends the providers that were started here.
func (p *providers) stop(ctx context.Context) error {
	var errs []error
	for _, s := range p.started {
		_, err := p.lattice.StopProvider(ctx, string(s.ID), s.LinkName, "")
		errs = append(errs, err)
	}
	p.started, p.attached = nil, map[lattice.ContractID]bool{}
	return errors.Join(errs...)
}
