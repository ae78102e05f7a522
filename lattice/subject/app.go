package subject

import "github.com/weftlattice/weft/lattice"

const appRoot = "wadm.api."

// AppRequests is a pattern that matches every request to the application manager of a lattice, and the queue group in
// which one host answers those that no manager is there for (weft). The manager itself has another group.
func AppRequests(l lattice.Name) Pattern { // wadm.api.{lattice}.model.>
	return Pattern{appRoot + string(l) + ".model.>", appRoot + string(l) + ".weft"}
}

// AppPresence is a subject that only an application manager listens to: it takes everything below wadm.api and answers
// that it does not know this request. Without one there are no responders (weft).
func AppPresence(l lattice.Name) string { return appRoot + string(l) + ".weft.present" }
