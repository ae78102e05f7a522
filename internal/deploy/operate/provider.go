package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
)

// ProviderStart is what it takes to start a provider.
type ProviderStart struct {
	Ref           string // as the host is to fetch it, or the name of a built-in one
	LinkName      lattice.LinkName
	Configuration string
	Where         Where // Spread: on all bidders
	Annotations   map[string]string
}

// ProviderState is a provider on the hosts that a command was sent to.
type ProviderState struct {
	ID         lattice.ProviderID `json:"id"`
	Name       string             `json:"name,omitempty"`
	ContractID lattice.ContractID `json:"contract_id,omitempty"`
	LinkName   lattice.LinkName   `json:"link_name"`
	Ref        string             `json:"ref,omitempty"`
	State      string             `json:"state"` // "running", "stopped", or "accepted" when the command did not wait
	Already    bool               `json:"already,omitempty"`
	Hosts      []HostRef          `json:"hosts"`
}

// HostRef names a host.
type HostRef struct {
	ID   lattice.HostID `json:"id"`
	Name string         `json:"name"`
}

// StartProvider starts a provider on the named host, or on the best bidder, or on all with Spread. One that runs
// already where it should is left alone.
func (l *Lattice) StartProvider(ctx context.Context, r ProviderStart) (*ProviderState, error) {
	r.LinkName = cmp.Or(r.LinkName, lattice.DefaultLink)
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	result := &ProviderState{LinkName: r.LinkName, Ref: r.Ref, State: "running"}
	hosts, err := l.providerHosts(ctx, v, r, result)
	if err != nil || result.Already {
		return result, err
	}
	var jobs []job
	for _, h := range hosts {
		jobs = append(jobs, l.startProviderJob(h, r, result))
	}
	if l.cfg.NoWait {
		result.State = "accepted"
	}
	err = l.run(ctx, jobs)
	result.complete(v)
	return result, err
}

func (l *Lattice) startProviderJob(h Site, r ProviderStart, result *ProviderState) job {
	l.step("starting provider "+r.Ref, h.Name)
	req := control.StartProviderRequest{ProviderRef: r.Ref, LinkName: r.LinkName, HostID: h.Host,
		Configuration: r.Configuration, Annotations: r.Annotations}
	reached := func() { result.Hosts = append(result.Hosts, HostRef{h.Host, h.Name}) }
	return job{host: h.Host, name: h.Name,
		send: func(ctx context.Context) error {
			err := l.ctl.StartProvider(ctx, req)
			if err == nil && l.cfg.NoWait {
				reached()
			}
			return err
		},
		settled: func(data event.Data) (bool, error) {
			switch d := data.(type) {
			case event.ProviderStarted:
				if d.ImageRef == r.Ref && d.LinkName == r.LinkName {
					result.ID, result.ContractID, result.Name = d.PublicKey, d.ContractID,
						cmp.Or(d.Claims.Name, result.Name)
					reached()
					return true, nil
				}
			case event.ProviderStartFailed:
				if d.ProviderRef == r.Ref && cmp.Or(d.LinkName, r.LinkName) == r.LinkName {
					return true, told(d.Code, d.Error)
				}
			}
			return false, nil
		}}
}

// providerHosts chooses where a provider is started. When it runs there already, result says so instead.
func (l *Lattice) providerHosts(ctx context.Context, v *View, r ProviderStart, result *ProviderState) ([]Site, error) {
	runs := func(h control.HostInventory) (control.Provider, bool) {
		i := slices.IndexFunc(h.Providers, func(p control.Provider) bool {
			return p.ImageRef == r.Ref &&
				p.LinkName == r.LinkName
		})
		if i < 0 || h.Providers[i].State != "" && h.Providers[i].State != control.StateRunning {
			return control.Provider{}, false
		}
		return h.Providers[i], true
	}
	already := func(hosts ...control.HostInventory) bool {
		for _, h := range hosts {
			if p, ok := runs(h); ok {
				result.Already, result.ID, result.Name, result.ContractID = true, p.ID, p.Name, p.ContractID
				result.Hosts = append(result.Hosts, HostRef{h.HostID, v.HostName(h.HostID)})
			}
		}
		return result.Already
	}
	if r.Where.Host != "" {
		h, err := v.Host(r.Where.Host)
		if err != nil || already(h) {
			return nil, err
		}
		return []Site{site(h, "")}, nil
	}
	if err := v.NeedHosts(); err != nil {
		return nil, err
	}
	ask, cancel := context.WithTimeout(ctx, askAll)
	defer cancel()
	bids, err := l.ctl.AuctionProvider(ask, control.ProviderAuctionRequest{ProviderRef: r.Ref, LinkName: r.LinkName,
		Constraints: r.Where.labels()})
	if err != nil {
		return nil, err
	}
	var sites []Site
	for _, h := range v.Hosts {
		bid := slices.ContainsFunc(bids, func(b control.ProviderAuctionAck) bool { return b.HostID == h.HostID })
		if bid && lattice.Matches(h.Labels, r.Where.Constraints) {
			sites = append(sites, site(h, ""))
		}
	}
	switch {
	case len(sites) > 0 && !r.Where.Spread:
		best, _ := Best(sites)
		return []Site{best}, nil
	case len(sites) > 0 || already(v.Hosts...):
		return sites, nil
	}
	return nil, noBid(v, r.Ref, r.Where)
}

// UpdateProvider replaces a running provider by another build of it, on the named host or wherever it runs, one host
// after another. On each host the new one is fetched, verified and permitted before the old one ends; when it does not
// start, the old one is started again. It stops at the first host where it fails. A link name will do where it runs
// under several. An empty r.Configuration keeps the one that runs.
func (l *Lattice) UpdateProvider(ctx context.Context, id lattice.ProviderID, r ProviderStart) (*ProviderState, error) {
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	processes := v.Processes(id, r.LinkName)
	if r.Where.Host != "" {
		h, err := v.Host(r.Where.Host)
		if err != nil {
			return nil, err
		}
		processes = slices.DeleteFunc(processes, func(on ProviderOn) bool { return on.Host.HostID != h.HostID })
	}
	if len(processes) == 0 {
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "find provider", Entity: v.ProviderName(id),
			Detail: "it runs nowhere" + underLink(r.LinkName)}
	}
	result := &ProviderState{ID: id, LinkName: processes[0].Provider.LinkName, Ref: r.Ref, State: "running"}
	for _, on := range processes {
		one := r
		one.LinkName = on.Provider.LinkName
		j := l.startProviderJob(Site{Host: on.Host.HostID, Name: v.HostName(on.Host.HostID)}, one, result)
		j.send = func(ctx context.Context) error {
			return l.ctl.StartProvider(ctx, control.StartProviderRequest{ProviderRef: r.Ref, LinkName: one.LinkName,
				HostID:        on.Host.HostID,
				Configuration: r.Configuration, Annotations: r.Annotations, Replaces: id})
		}
		if err = l.run(ctx, []job{j}); err != nil {
			break
		}
	}
	result.complete(v)
	return result, err
}

func (s *ProviderState) complete(v *View) {
	slices.SortFunc(s.Hosts, func(a, b HostRef) int { return cmp.Compare(a.Name, b.Name) })
	if s.ID == "" { // the command did not wait for the event that tells it
		if id, err := v.Provider(s.Ref); err == nil {
			s.ID = id
		}
	}
	if s.ID == "" {
		return
	}
	if name := v.ProviderName(s.ID); name != string(s.ID) {
		s.Name = name
	}
	s.ContractID = cmp.Or(s.ContractID, v.Contract(s.ID))
}

// StopProvider stops a provider under a link name on the named host, or wherever it runs. An empty link name will do
// when it runs under one only.
func (l *Lattice) StopProvider(ctx context.Context, query string, link lattice.LinkName, host string) (*ProviderState,
	error) {
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	id, err := v.Provider(query)
	if err != nil {
		return nil, err
	}
	processes := v.Processes(id, link)
	if host != "" {
		h, err := v.Host(host)
		if err != nil {
			return nil, err
		}
		processes = slices.DeleteFunc(processes, func(on ProviderOn) bool { return on.Host.HostID != h.HostID })
	}
	if len(processes) == 0 {
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "find provider", Entity: v.ProviderName(id),
			Detail: "it runs nowhere" + underLink(link)}
	}
	link = processes[0].Provider.LinkName
	result := &ProviderState{ID: id, LinkName: link, State: "stopped"}
	var jobs []job
	for _, on := range processes {
		if on.Provider.LinkName != link {
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "stop provider", Entity: v.ProviderName(id),
				Detail: fmt.Sprintf("it runs under several link names, %s and %s; say which with --link-name", link,
					on.Provider.LinkName)}
		}
		jobs = append(jobs, l.stopProviderJob(v, on, result))
	}
	err = l.run(ctx, jobs)
	result.complete(v)
	return result, err
}

func underLink(link lattice.LinkName) string {
	if link == "" {
		return ""
	}
	return " under link name " + string(link)
}

func (l *Lattice) stopProviderJob(v *View, on ProviderOn, result *ProviderState) job {
	p, host := on.Provider, on.Host.HostID
	name := v.HostName(host)
	l.step("stopping provider", name)
	req := control.StopProviderRequest{ProviderID: p.ID, LinkName: p.LinkName, ContractID: p.ContractID, HostID: host}
	return job{host: host, name: name,
		send: func(ctx context.Context) error { return l.ctl.StopProvider(ctx, req) },
		settled: func(data event.Data) (bool, error) {
			d, ok := data.(event.ProviderStopped)
			if !ok || d.PublicKey != p.ID || d.LinkName != p.LinkName {
				return false, nil
			}
			result.Hosts = append(result.Hosts, HostRef{host, name})
			return true, nil
		}}
}
