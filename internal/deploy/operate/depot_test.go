package operate

import "testing"

// An image in a layout is called as weft, other tools or nobody named it; the tag and the name come from that.
func TestNamesOfImagesInALayout(t *testing.T) {
	for _, c := range []struct{ name, title, want string }{
		{"echo:1.0", "", "lattice://echo:1.0"},
		{"ghcr.io/acme/echo:1.0", "other", "lattice://echo:1.0"},
		{"registry:5000/echo:1.0", "", "lattice://echo:1.0"},
		{"1.0", "echo", "lattice://echo:1.0"},
	} {
		if got := importedRef(c.name, c.title).String(); got != c.want {
			t.Errorf("%q, %q: %s, want %s", c.name, c.title, got, c.want)
		}
	}
}
