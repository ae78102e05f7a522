package linkvalue_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
)

func TestParseConfig(t *testing.T) {
	got, err := linkvalue.ParseConfig(`{"url": "x", "port": 8080, "on": true, "none": null, "tls": {"key": "k", ` +
		`"deep": {"a": 1.5}}}`)
	want := linkvalue.Values{"url": "x", "port": "8080", "on": "true", "tls.key": "k", "tls.deep.a": "1.5"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %#v, %v", got, err)
	}
	if merged := (linkvalue.Values{"URL": "y"}).Over(got); merged.Text("url", "") != "y" ||
		merged.Text("port", "") != "8080" || len(merged) != 5 {
		t.Errorf("merged %v", merged)
	}
	for _, text := range []string{"[]", `"secret"`, `{"a":["secret"]}`, `{"a":1} secret`, "secret"} {
		if _, err := linkvalue.ParseConfig(text); !errors.Is(err, lattice.ErrInvalid) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(`{"a":{"b":1}}`)
	f.Add(" ")
	f.Add(`{"a":[1]}`)
	f.Fuzz(func(t *testing.T, text string) {
		values, err := linkvalue.ParseConfig(text)
		if (err == nil) != (values != nil) {
			t.Fatalf("values %v with error %v", values, err)
		}
	})
}
