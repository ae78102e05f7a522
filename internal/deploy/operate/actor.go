package operate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
)

// Where says which hosts a command means.
type Where struct {
	Host        string            // one host, by id or name; empty: hosts that bid
	Constraints map[string]string // labels that a bidder must have
	Spread      bool              // all bidders instead of the best one
}

// ActorStart is what it takes to start an actor.
type ActorStart struct {
	Ref         string          // as hosts are to fetch it
	ID          lattice.ActorID // when it is known
	Name        string          // when it is known; what is shown calls the actor so
	Max         uint32          // calls at once, over all hosts; Unlimited is no limit
	Where       Where
	Annotations map[string]string
	Limits      control.ActorLimits // zero fields: the host's
	Config      map[string]string
}

// Of is the start of what PushActor or Adopt have made; without a module it is known by ref alone.
func (r ActorStart) Of(ref string, m *Module) ActorStart {
	if r.Ref = ref; m != nil {
		r.ID, r.Name = m.Claims.Subject, m.Claims.Name
	}
	return r
}

// ActorScale is the scale of an actor on the hosts that a command was sent to.
type ActorScale struct {
	ID    lattice.ActorID `json:"id"`
	Name  string          `json:"name,omitempty"`
	Ref   string          `json:"ref,omitempty"`
	Max   uint32          `json:"max_instances"`
	Hosts []HostScale     `json:"hosts"`
	// Groups is what runs on those hosts under each set of annotations, where there are any.
	Groups []GroupScale `json:"groups,omitempty"`
}

// HostScale is the part of one host.
type HostScale struct {
	ID   lattice.HostID `json:"id"`
	Name string         `json:"name"`
	Max  uint32         `json:"max_instances"`
}

// StartActor starts an actor, or sets its scale where it runs already: doing it twice has the effect of doing it once.
// Without a host in Where it goes to the best bidder, or is spread over all.
func (l *Lattice) StartActor(ctx context.Context, r ActorStart) (*ActorScale, error) {
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	sites, err := l.sites(ctx, v, r.Ref, r.ID, r.Where)
	if err != nil {
		return nil, err
	}
	if !r.Where.Spread {
		best, _ := Best(sites)
		sites = []Site{best}
	}
	var jobs []job
	result := &ActorScale{ID: r.ID, Name: r.Name, Ref: r.Ref}
	for _, p := range Spread(r.Max, sites) {
		l.step(fmt.Sprintf("starting, %s at once", Count(p.Max)), p.Name)
		req := control.ScaleActorRequest{ActorRef: r.Ref, HostID: p.Host, MaxInstances: p.Max,
			Annotations: r.Annotations, Limits: r.limits(), Config: r.Config}
		jobs = append(jobs, l.scaleJob(p, req, result, nil))
	}
	err = l.run(ctx, jobs)
	result.complete(v)
	if err == nil {
		l.tellWaiting(ctx, result)
	}
	return result, err
}

// tellWaiting says what links an actor that was started waits for.
func (l *Lattice) tellWaiting(ctx context.Context, a *ActorScale) {
	waiting, err := l.Waiting(ctx, a.ID)
	if err != nil {
		return // it is started, and weft actor inspect tells
	}
	for _, contract := range waiting {
		l.step(fmt.Sprintf("it waits for a link, which its calls of %s need: weft link put %s ACTOR %s", contract,
			cmp.Or(a.Name, string(a.ID)), contract), "")
	}
}

// ScaleActor sets the scale of an actor: on one host, over the hosts where it runs, or spread over all that bid. 0
// stops it. Where it runs in several groups, one is to be named, or all are stopped; see meant. The result tells what
// runs then, all groups counted.
func (l *Lattice) ScaleActor(ctx context.Context, query string, max uint32, where Where,
	group ScaleGroup) (*ActorScale, error) {
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	id, err := v.Actor(query)
	if err != nil {
		return nil, err
	}
	running := v.Running(id)
	if len(running) == 0 {
		return nil, notRunning(v, id)
	}
	ref := running[0].Actor.ImageRef
	var sites []Site
	if where.Host != "" || where.Spread {
		if sites, err = l.sites(ctx, v, ref, id, where); err != nil {
			return nil, err
		}
	} else {
		for _, on := range running {
			sites = append(sites, site(on.Host, id))
		}
	}
	if where.Host != "" { // the groups of other hosts are not concerned
		if here := slices.DeleteFunc(slices.Clone(running),
			func(on ActorOn) bool { return on.Host.HostID != sites[0].Host }); len(here) > 0 {
			running = here
		}
	}
	sets, err := meant(running, group, max)
	if err != nil {
		return nil, err
	}
	if where.Host == "" && !where.Spread && len(sets) == 1 { // a group stays where it is
		if there := slices.DeleteFunc(slices.Clone(sites), func(s Site) bool {
			return !slices.ContainsFunc(running, func(on ActorOn) bool {
				return on.Host.HostID == s.Host &&
					hasGroup(on, sets[0])
			})
		}); len(there) > 0 {
			sites = there
		}
	}
	var jobs []job
	var now tally
	result := &ActorScale{ID: id, Ref: ref}
	for _, on := range running {
		now.add(on)
	}
	for _, p := range Spread(max, sites) {
		l.step("scaling to "+Count(p.Max), p.Name)
		// A host on which it does not run yet starts what runs elsewhere, whatever the tag means by now.
		req := control.ScaleActorRequest{ActorID: id, ActorRef: ref, HostID: p.Host, MaxInstances: p.Max,
			Digest: running[0].Actor.Digest}
		mine := sets
		for _, on := range running {
			if on.Host.HostID == p.Host {
				req.ActorRef = cmp.Or(on.Actor.ImageRef, ref)
				if p.Max == 0 { // stop what is there, and no more
					mine = slices.DeleteFunc(slices.Clone(sets),
						func(s map[string]string) bool { return !hasGroup(on, s) })
				}
			}
		}
		for _, set := range mine {
			req.Annotations = set
			jobs = append(jobs, l.scaleJob(p, req, result, now.set))
		}
	}
	err = l.run(ctx, jobs)
	now.result(result)
	result.complete(v)
	return result, err
}

// scaleJob sends one scale command; its success is added to result, and told to done unless that is nil.
func (l *Lattice) scaleJob(p Placement, req control.ScaleActorRequest, result *ActorScale,
	done func(lattice.HostID, map[string]string, uint32)) job {
	reached := func(id lattice.ActorID, max uint32) {
		if done != nil {
			done(p.Host, req.Annotations, max)
		}
		result.ID = cmp.Or(id, result.ID)
		result.Hosts = append(result.Hosts, HostScale{p.Host, p.Name, max})
	}
	return job{host: p.Host, name: p.Name,
		send: func(ctx context.Context) error {
			err := l.ctl.ScaleActor(ctx, req)
			if err == nil && l.cfg.NoWait {
				reached("", p.Max)
			}
			return err
		},
		settled: func(data event.Data) (bool, error) {
			switch d := data.(type) {
			case event.ActorScaled:
				if d.ImageRef == req.ActorRef && maps.Equal(d.Annotations, req.Annotations) {
					reached(d.PublicKey, d.MaxInstances)
					return true, nil
				}
			case event.ActorScaleFailed:
				if cmp.Or(d.ActorRef, d.ImageRef) == req.ActorRef {
					return true, told(d.Code, d.Error)
				}
			}
			return false, nil
		}}
}

// complete fills in what follows from the hosts' answers.
func (s *ActorScale) complete(v *View) {
	slices.SortFunc(s.Hosts, func(a, b HostScale) int { return cmp.Compare(a.Name, b.Name) })
	var sum uint64
	for _, h := range s.Hosts {
		sum += uint64(h.Max)
	}
	s.Max = uint32(min(sum, Unlimited))
	if s.ID != "" && s.Name == "" {
		if name := v.ActorName(s.ID); name != string(s.ID) {
			s.Name = name
		}
	}
}

// sites are the hosts that a start may use: the one that is named, or those that bid.
func (l *Lattice) sites(ctx context.Context, v *View, ref string, id lattice.ActorID, where Where) ([]Site, error) {
	if where.Host != "" {
		h, err := v.Host(where.Host)
		return []Site{site(h, id)}, err
	}
	if err := v.NeedHosts(); err != nil {
		return nil, err
	}
	ask, cancel := context.WithTimeout(ctx, askAll)
	defer cancel()
	bids, err := l.ctl.AuctionActor(ask, control.ActorAuctionRequest{ActorRef: ref, Constraints: where.labels()})
	if err != nil {
		return nil, err
	}
	var sites []Site
	for _, bid := range bids {
		i := slices.IndexFunc(v.Hosts, func(h control.HostInventory) bool { return h.HostID == bid.HostID })
		// Hosts of old bid without looking at the constraints.
		if i >= 0 && lattice.Matches(v.Hosts[i].Labels, where.Constraints) {
			sites = append(sites, site(v.Hosts[i], id))
		}
	}
	if len(sites) == 0 {
		return nil, noBid(v, ref, where)
	}
	return sites, nil
}

// BeforePush refuses a file for a place where nothing can start, before it fills the store: an unknown host, no host at
// all, or none that takes something and has the wanted labels. What else a host may have against it says its bid.
func (l *Lattice) BeforePush(ctx context.Context, ref string, where Where) error {
	if !IsLocal(ref) {
		return nil
	}
	v, err := l.View(ctx)
	if err != nil {
		return err
	}
	if where.Host != "" {
		_, err := v.Host(where.Host)
		return err
	}
	if err := v.NeedHosts(); err != nil {
		return err
	}
	if !slices.ContainsFunc(v.Hosts, func(h control.HostInventory) bool {
		return h.State != control.StateDraining && lattice.Matches(h.Labels, where.Constraints)
	}) {
		return noBid(v, ref, where)
	}
	return nil
}

func (w Where) labels() map[string]string {
	if w.Constraints == nil {
		return map[string]string{}
	}
	return w.Constraints
}

// noBid says why no host of v offers to start ref, as far as it can be seen from here.
func noBid(v *View, ref string, where Where) error {
	detail := fmt.Sprintf("none of %d bids", len(v.Hosts))
	draining, fit := 0, 0
	for _, h := range v.Hosts {
		switch {
		case h.State == control.StateDraining:
			draining++
		case lattice.Matches(h.Labels, where.Constraints):
			fit++
		}
	}
	if draining > 0 {
		detail += fmt.Sprintf("; draining, and so taking nothing: %d", draining)
	}
	switch {
	case fit == 0 && len(where.Constraints) > 0:
		detail += fmt.Sprintf("; wanted labels %v; see: weft host list", where.Constraints)
	case fit > 0 && strings.HasPrefix(ref, "file:"):
		path := strings.TrimPrefix(strings.TrimPrefix(ref, "file:"), "//")
		detail += fmt.Sprintf("; a host loads %s only if it has that file and was started with --allow-file-load; "+
			"to send this machine's file to hosts, name it without file://, as %s", ref, path)
	}
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "find a host for", Entity: lattice.Printable(ref),
		Detail: detail}
}

func notRunning(v *View, id lattice.ActorID) error {
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "find actor", Entity: v.ActorName(id),
		Detail: "it runs nowhere"}
}

// Count is a number of instances as people read it.
func Count(n uint32) string {
	if n == Unlimited {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

func (r ActorStart) limits() *control.ActorLimits {
	if r.Limits == (control.ActorLimits{}) {
		return nil
	}
	return &r.Limits
}
