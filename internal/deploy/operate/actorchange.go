package operate

import (
	"context"
	"maps"
	"slices"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
)

// StopActor stops an actor on the named host, or wherever it runs, under all annotations that contain the given ones.
func (l *Lattice) StopActor(ctx context.Context, query string, host string,
	annotations map[string]string) (*ActorScale, error) {
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	id, err := v.Actor(query)
	if err != nil {
		return nil, err
	}
	running, err := v.runningOn(id, host)
	if err != nil {
		return nil, err
	}
	result := &ActorScale{ID: id}
	var jobs []job
	for _, on := range running {
		name := v.HostName(on.Host.HostID)
		left := 0
		for _, set := range annotationSets(on.Actor) {
			if lattice.Matches(set, annotations) {
				left++
			}
		}
		req := control.StopActorRequest{ActorID: id, HostID: on.Host.HostID, Annotations: annotations}
		l.step("stopping", name)
		jobs = append(jobs, job{host: on.Host.HostID, name: name,
			send: func(ctx context.Context) error { return l.ctl.StopActor(ctx, req) },
			settled: func(data event.Data) (bool, error) {
				if d, ok := data.(event.ActorsStopped); ok && d.PublicKey == id && d.Remaining == 0 {
					left--
				}
				if left > 0 {
					return false, nil
				}
				result.Hosts = append(result.Hosts, HostScale{on.Host.HostID, name, 0})
				return true, nil
			}})
	}
	err = l.run(ctx, jobs)
	result.complete(v)
	return result, err
}

// runningOn lists where an actor runs, on the named host only when there is a name. Nowhere is lattice.ErrNotFound.
func (v *View) runningOn(id lattice.ActorID, host string) ([]ActorOn, error) {
	running := v.Running(id)
	if host != "" {
		h, err := v.Host(host)
		if err != nil {
			return nil, err
		}
		running = slices.DeleteFunc(running, func(on ActorOn) bool { return on.Host.HostID != h.HostID })
	}
	if len(running) == 0 {
		return nil, notRunning(v, id)
	}
	return running, nil
}

// annotationSets lists the different annotations that an actor runs under.
func annotationSets(a control.Actor) []map[string]string {
	var sets []map[string]string
	for _, i := range a.Instances {
		if !slices.ContainsFunc(sets, func(s map[string]string) bool { return maps.Equal(s, i.Annotations) }) {
			sets = append(sets, i.Annotations)
		}
	}
	return sets
}

// PushUpdate prepares the new code of an actor: a file is signed under the actor's own key and pushed. It returns the
// reference, the module that PushActor returns, and with what an unsigned one is to be signed; see Adopt.
func (l *Lattice) PushUpdate(ctx context.Context, s *Signer, actor, ref, host string, r SignRequest) (string,
	*Module, SignRequest, error) {
	v, err := l.View(ctx)
	if err != nil {
		return "", nil, r, err
	}
	if err := v.NeedHosts(); err != nil {
		return "", nil, r, err
	}
	id, err := v.Actor(actor)
	if err != nil {
		return "", nil, r, err
	}
	if _, err := v.runningOn(id, host); err != nil { // else it would be pushed for nothing
		return "", nil, r, err
	}
	r.Subject, r.Fresh = id, true
	switch name := v.ActorName(id); {
	case name == string(id): // its name is not known
	case r.Name == "":
		r.Name, r.Replaces = name, name
	case r.Name != name:
		return "", nil, r, &lattice.Error{Code: lattice.ErrConflict, Op: "update actor", Entity: name,
			Detail: "--name " + lattice.Printable(r.Name) +
				" contradicts: an update keeps the actor's name; start another actor with: weft actor start"}
	}
	pushed, module, err := l.PushActor(ctx, s, ref, r)
	if err == nil && module != nil && module.Claims.Subject != id {
		err = &lattice.Error{Code: lattice.ErrInvalid, Op: "update", Entity: actor,
			Detail: "the module is signed with another key, " + string(module.Claims.Subject)}
	}
	return pushed, module, r, err
}

// UpdateActor replaces an actor's code by another revision, on the named host or wherever it runs, one host after
// another. It stops at the first host that refuses, so that a bad revision is not everywhere.
func (l *Lattice) UpdateActor(ctx context.Context, id lattice.ActorID, ref, host string) (*ActorScale, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	running, err := v.runningOn(id, host)
	if err != nil {
		return nil, err
	}
	result := &ActorScale{ID: id, Ref: ref}
	var out outcomes
	for _, on := range running {
		name := v.HostName(on.Host.HostID)
		l.step("updating", name)
		err := l.ctl.UpdateActor(ctx, control.UpdateActorRequest{ActorID: id, NewActorRef: ref, HostID: on.Host.HostID})
		out.add(name, err)
		if err != nil {
			break
		}
		result.Hosts = append(result.Hosts, HostScale{on.Host.HostID, name, Scale(on.Actor)})
	}
	result.complete(v)
	return result, out.err()
}
