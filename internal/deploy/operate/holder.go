package operate

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

var actorKey = regexp.MustCompile(`\bactor M[A-Z2-7]{55}\b`)

// explain names the actors in what a provider says of a link, which knows their keys only. Where one of them does not
// run it tells how its link is deleted, since users would not think of that by themselves.
func (v *View) explain(text string, l Link) string {
	idle := ""
	text = actorKey.ReplaceAllStringFunc(text, func(said string) string {
		id := lattice.ActorID(strings.TrimPrefix(said, "actor "))
		name := v.ActorName(id)
		if name != string(id) {
			said = fmt.Sprintf("actor %s (%s)", lattice.Printable(name), id)
		}
		if id != l.ActorID && !v.runs(id) {
			idle = fmt.Sprintf("; that actor runs on no host that answers, and its link can go: weft link del %s %s",
				id, v.ProviderName(l.ProviderID))
			if l.LinkName != lattice.DefaultLink {
				idle += " --link-name " + string(l.LinkName)
			}
		}
		return said
	})
	return text + idle
}

// explained is an error with the text of explain.
func (v *View) explained(err error, l Link) error {
	if err == nil {
		return nil
	}
	if text := v.explain(err.Error(), l); text != err.Error() {
		return told(lattice.CodeOf(err).Name(), text)
	}
	return err
}

// runs reports whether an actor runs on any host.
func (v *View) runs(id lattice.ActorID) bool {
	for _, h := range v.Hosts {
		for _, a := range h.Actors {
			if a.ID == id {
				return true
			}
		}
	}
	return false
}
