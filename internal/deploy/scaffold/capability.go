package scaffold

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/contract/numbergen"
)

// knownContracts are those that weft serves itself. Any other may be that of somebody's provider.
var knownContracts = []lattice.ContractID{httpclient.ID, httpserver.ID, keyvalue.ID, logging.ID, numbergen.ID}

var contractForm = regexp.MustCompile(`^[a-z0-9_-]+(:[a-z0-9_-]+)+$`)

// CheckCapability refuses what cannot be the id of a contract, with the one that is probably meant.
func CheckCapability(c lattice.ContractID) error {
	if contractForm.MatchString(string(c)) {
		return nil
	}
	hint := ""
	if near := nearContracts(c); len(near) > 0 {
		hint = "; " + didYouMean(near)
	}
	return fmt.Errorf("capability %q: want a contract id, NAMESPACE:NAME in lower case, such as wasmcloud:keyvalue%s",
		c, hint)
}

// DoubtCapability asks whether another contract is meant by one that weft does not serve, but looks like one that it
// does; "": there is no doubt.
func DoubtCapability(c lattice.ContractID) string {
	near := nearContracts(c)
	if slices.Contains(knownContracts, c) || len(near) == 0 {
		return ""
	}
	return "no provider that comes with weft serves " + lattice.Printable(c) + "; " + didYouMean(near)
}

// nearContracts are those of the known ones whose name looks like that of c, in a namespace like theirs or in none.
func nearContracts(c lattice.ContractID) []lattice.ContractID {
	space, name, ok := strings.Cut(string(c), ":")
	if !ok {
		space, name = "", string(c)
	}
	var near []lattice.ContractID
	for _, known := range knownContracts {
		ours, its, _ := strings.Cut(string(known), ":")
		if (space == "" || len(nearest.Names(space, []string{ours})) > 0) &&
			len(nearest.Names(name, []string{its})) > 0 {
			near = append(near, known)
		}
	}
	if best := nearest.Names(c, near); len(best) > 0 {
		return best
	}
	return near
}

func didYouMean(near []lattice.ContractID) string {
	return "did you mean " + strings.Join(lattice.Texts(near), " or ") + "?"
}
