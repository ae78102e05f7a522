package hostcall

import (
	"testing"

	"github.com/weftlattice/weft/lattice/signing"
)

// A command in an error names the actor as "actor start" did, unless the name would have to be quoted.
func TestCommandsNameTheActor(t *testing.T) {
	const id = "MAPP"
	for name, want := range map[string]string{"shop": "shop", "shop-2.b_C": "shop-2.b_C", "": id, "my shop": id,
		"-x": id, "a;b": id, "$(x)": id} {
		if got := (&Caller{ID: id, Claims: &signing.ActorClaims{Name: name}}).typed(); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}
