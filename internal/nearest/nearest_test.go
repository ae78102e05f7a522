package nearest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/nearest"
)

func TestNames(t *testing.T) {
	names := []string{"actor", "host", "provider", "link", "events", "logs"}
	for word, want := range map[string][]string{
		"acotr": {"actor"}, "provder": {"provider"}, "log": {"logs"}, "hots": {"host"}, "frobnicate": nil, "": nil,
		"a": {"actor"}, "hozdt": {"host"}, "lingg": {"link"},
	} {
		if got := nearest.Names(word, names); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", word, got, want)
		}
	}
	links := []string{"allowed_methods", "allowed_ports", "allowed_hosts", "follow_redirects"}
	for word, want := range map[string]string{
		"allowed_host":  "did you mean allowed_hosts?",
		"alowed_hosts":  "did you mean allowed_hosts?",
		"Allowed_Hosts": "did you mean allowed_hosts?",
		"alowed_hots":   "did you mean allowed_hosts or allowed_ports or allowed_methods?",
	} {
		if got := nearest.DidYouMean(word, links); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
	if got := nearest.Names(strings.Repeat("x", 500), names); got != nil {
		t.Errorf("long word: %v", got)
	}
}
