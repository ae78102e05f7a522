package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice/control"
)

// Nine instances are divided evenly over the three hosts with the right label; a fourth gets none. The lattice looks
// the same from everywhere.
func TestSpreadOverThreeHosts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	edge := r.hosts([]string{"edge-1", "edge-2", "edge-3"}, "--label", "zone=edge")
	cloud := r.host("cloud-1", "--label", "zone=cloud")

	s := get[started](r, "actor", "start", module("edge-data-processor"), "--max", "9", "--spread", "--constraint",
		"zone=edge")
	if s.Max != 9 || len(s.Hosts) != 3 || s.Name != "edge-data-processor" {
		t.Errorf("actor start: %+v", s)
	}
	type actorView struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Host    string `json:"host"`
		Max     uint32 `json:"max_instances"`
		Running int    `json:"running"`
		Ref     string `json:"ref"`
	}
	where := map[string]uint32{}
	for _, a := range get[[]actorView](r, "actor", "list") {
		where[a.Host] += a.Max
		if a.ID != s.ID || a.Ref != s.Ref {
			t.Errorf("actor list: %+v", a)
		}
	}
	for _, h := range edge {
		if where[h.Name] != 3 {
			t.Errorf("%s runs %d instances, want 3", h.Name, where[h.Name])
		}
	}
	if len(where) != 3 {
		t.Errorf("instances by host: %v", where)
	}

	type hostView struct {
		ID     string            `json:"id"`
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
		Actors int               `json:"actors"`
		State  string            `json:"state"`
	}
	hosts := get[[]hostView](r, "host", "list")
	slices.SortFunc(hosts, func(a, b hostView) int { return strings.Compare(a.Name, b.Name) })
	if len(hosts) != 4 || hosts[0].Name != "cloud-1" || hosts[0].Actors != 0 || hosts[1].Actors != 1 ||
		hosts[3].Labels["zone"] != "edge" || hosts[3].State != "running" {
		t.Errorf("host list: %+v", hosts)
	}
	inv := get[control.HostInventory](r, "host", "inspect", "edge-2")
	if inv.HostID != edge[1].ID || len(inv.Actors) != 1 || inv.Actors[0].Instances[0].MaxInstances != 3 {
		t.Errorf("host inspect: %+v", inv)
	}
	if inv := get[control.HostInventory](r, "host", "inspect", string(cloud.ID)[:12]); len(inv.Actors) != 0 {
		t.Errorf("the host with another label runs something: %+v", inv)
	}

	r.weft("provider", "start", "httpserver", "--host", "cloud-1")
	url := r.web("edge-data-processor")
	type linkView struct {
		ActorID      string            `json:"actor_id"`
		ActorName    string            `json:"actor_name"`
		ProviderID   string            `json:"provider_id"`
		ProviderName string            `json:"provider_name"`
		Contract     string            `json:"contract_id"`
		Values       map[string]string `json:"values"`
		State        string            `json:"state"`
	}
	links := get[[]linkView](r, "link", "list")
	if len(links) != 1 || links[0].ActorID != s.ID || links[0].ActorName != "edge-data-processor" ||
		links[0].ProviderID != string(httpserverID) ||
		links[0].ProviderName != "httpserver" || links[0].State != "active" || links[0].Values["port"] == "" {
		t.Errorf("link list: %+v", links)
	}
	for range 9 {
		want(t, "GET", url+"/health", nil, 200, `{"status":"healthy"}`)
	}
	inspect := get[struct {
		ID     string          `json:"id"`
		Claims *control.Claims `json:"claims"`
		On     []actorView     `json:"on"`
		Links  []linkView      `json:"links"`
	}](r, "actor", "inspect", "edge-data-processor")
	if inspect.ID != s.ID || len(inspect.On) != 3 || len(inspect.Links) != 1 || inspect.Claims == nil ||
		!slices.Contains(inspect.Claims.Caps, "wasmcloud:keyvalue") {
		t.Errorf("actor inspect: %+v", inspect)
	}

	// Doing it again changes nothing; a greater number goes to the same hosts.
	if again := get[started](r, "actor", "start", module("edge-data-processor"), "--max", "9", "--spread",
		"--constraint", "zone=edge"); again.ID != s.ID || again.Max != 9 || again.Ref != s.Ref {
		t.Errorf("actor start, again: %+v", again)
	}
	if more := get[started](r, "actor", "scale", "edge-data-processor", "--max", "10"); more.Max != 10 ||
		len(more.Hosts) != 3 {
		t.Errorf("actor scale: %+v", more)
	}
}
