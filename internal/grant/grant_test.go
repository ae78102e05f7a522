package grant

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice/subject"
)

var update = flag.Bool("update", false, "write the table of rights into docs/security.md")

const (
	rightsDoc   = "../../docs/security.md"
	rightsBegin = "<!-- rights: made by go test ./internal/grant -update -->\n"
	rightsEnd   = "<!-- end of rights -->\n"
)

// The table of rights in docs/security.md is what the functions of grant.go return.
func TestRightsAreDocumented(t *testing.T) {
	c := subject.Control{Lattice: "{l}"}
	roles := []struct {
		name string
		g    Grant
	}{
		{"host", Host(c).Join(Inbox(HostInbox("{l}"), false))},
		{"operator", Operator(c).Join(Inbox(OperatorInbox("{l}"), false))},
		{"provider", Provider("{l}", "{V}", "{link}",
			false).Join(Inbox(ProviderInbox("{l}", "{V}", "{link}"), false))},
		{"provider with storage", Provider("{l}", "{V}", "{link}",
			true).Join(Inbox(ProviderInbox("{l}", "{V}", "{link}"), false))},
	}
	who := map[[2]string][]string{} // of what may be done, and the subject
	add := func(verb, role string, list []string) {
		for _, s := range list {
			who[[2]string{verb, "`" + s + "`"}] = append(who[[2]string{verb, "`" + s + "`"}], role)
		}
	}
	for _, r := range roles {
		add("publish", r.name, r.g.Publish)
		add("never publish", r.name, r.g.DenyPublish)
		add("subscribe", r.name, r.g.Subscribe)
		add("never subscribe", r.name, r.g.DenySubscribe)
		if r.g.Respond {
			add("answer", r.name, []string{"what it was sent, once"})
		}
	}
	rows := map[string][]string{} // subjects by role and right
	for right, roles := range who {
		row := "| " + strings.Join(roles, ", ") + " | " + right[0] + " | "
		rows[row] = append(rows[row], right[1])
	}
	var lines []string
	for row, subjects := range rows {
		slices.Sort(subjects)
		lines = append(lines, strings.ReplaceAll(row+strings.Join(subjects, " "), "`what it was sent, once`",
			"what it was sent, once")+" |\n")
	}
	slices.Sort(lines)
	want := rightsBegin + "| who | may | subjects |\n|---|---|---|\n" + strings.Join(lines, "") + rightsEnd
	doc, err := os.ReadFile(rightsDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), rightsBegin)
	_, after, ended := strings.Cut(rest, rightsEnd)
	if !ok || !ended {
		t.Fatalf("%s has no table of rights", rightsDoc)
	}
	if text := before + want + after; text != string(doc) {
		if !*update {
			t.Fatalf("the table of rights in %s is not what the code grants; run: "+
				"go test ./internal/grant -run TestRightsAreDocumented -update", rightsDoc)
		}
		if err := os.WriteFile(rightsDoc, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
