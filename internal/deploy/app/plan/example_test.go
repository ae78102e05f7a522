package plan_test

import (
	"fmt"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/plan"
	"github.com/weftlattice/weft/lattice"
)

// Two hosts share an actor. One of them is lost, and the other takes over.
func Example() {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	web := plan.Thing{Object: plan.Object{Actor: "Mweb"}, Name: "web", Ref: "lattice://web:1.0", Digest: "sha256:1",
		Place: plan.Placement{Count: 10}}
	app := plan.App{Name: "shop", Things: []plan.Thing{web}}
	on := func(host lattice.HostID) plan.Present {
		return plan.Present{Object: web.Object, Host: host, Name: "web", Digest: "sha256:1", Max: 5,
			State: plan.Running}
	}
	have := plan.Have{Things: []plan.Present{on("Na"), on("Nb")}, Owner: func(plan.LinkKey) string { return "" }}
	hosts := []plan.Host{{ID: "Na", Name: "a"}, {ID: "Nb", Name: "b", Liveness: plan.Lost}}

	p := plan.NewRound(hosts, now).App(app, have, &plan.Memory{})
	for _, c := range p.Commands {
		fmt.Println(c)
	}
	// Output: scale web on Na to 10: its share grows from 5
}
