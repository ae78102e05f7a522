package peer

import (
	"errors"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// A call goes where the route of its link says, and an error says so where that is nowhere.
func TestRoute(t *testing.T) {
	call := &rpc.Call{Target: wire.Entity{PublicKey: "MACTOR"}, Operation: "Test.Do"}
	refusal := &lattice.Error{Code: lattice.ErrBusy}
	for _, tc := range []struct {
		name  string
		route wire.Route
		here  bool  // it is on this host
		err   error // of the call there
		want  string
	}{
		{"local first", wire.PreferLocal, true, nil, "local"},
		{"refused there", wire.PreferLocal, true, refusal, ""},
		{"not here", wire.PreferLocal, false, nil, "away"},
		{"any host", wire.AnyHost, true, nil, "away"},
		{"local only", wire.LocalOnly, true, nil, "stay"},
		{"local only, and not here", wire.LocalOnly, false, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Route(tc.route, call, func(stay bool) (string, error, bool) {
				switch {
				case !tc.here || tc.err != nil:
					return "", tc.err, tc.here
				case stay:
					return "stay", nil, true
				}
				return "local", nil, true
			}, func() (string, error) { return "away", nil })
			if got != tc.want {
				t.Errorf("went %q (%v), want %q", got, err, tc.want)
			}
			switch {
			case tc.err != nil && !errors.Is(err, lattice.ErrBusy):
				t.Errorf("error %v, want that of the call here", err)
			case !tc.here && tc.route == wire.LocalOnly && (!errors.Is(err, lattice.ErrNoResponders) ||
				!strings.Contains(err.Error(), "the link says weft.route=local-only")):
				t.Errorf("error %v does not say why the call goes nowhere", err)
			}
		})
	}
}
