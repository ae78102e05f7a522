package host_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/signing"
)

// TestRulesFileChanges writes and replaces the file of rules while a host uses it.
func TestRulesFileChanges(t *testing.T) {
	r := newRig(t)
	const allow, deny = "default: allow\n",
		"default: allow\nrules:\n  - {deny: perform_invocation, operation: Test.Echo}\n"
	path := filepath.Join(t.TempDir(), "rules.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(text string) { // as careful editors do
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(allow)
	rules, err := policy.Parse([]byte(allow))
	if err != nil {
		t.Fatal(err)
	}
	h := r.host(func(c *host.Config) { c.Policy.Rules, c.Policy.RulesFile, c.HTTPAddr = rules, path, "127.0.0.1:0" })
	key := latticetest.NewKey(t, 'M')
	id := actorID(key)
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "guest"}),
		MaxInstances: 1})
	r.wantCall(id, "Test.Echo", "x", "x")
	becomes := func(denied bool) {
		t.Helper()
		latticetest.Eventually(t, func() error {
			if _, err := r.call(id, "Test.Echo", "x"); errors.Is(err, lattice.ErrDenied) != denied {
				return fmt.Errorf("denied should be %v: %w", denied, err)
			}
			return nil
		})
	}
	stale := func(want string) {
		t.Helper()
		latticetest.Eventually(t, func() error {
			if text := get(t, "http://"+h.HTTPAddr()+"/metrics"); !strings.Contains(text,
				"weft_policy_rules_stale "+want+"\n") {
				return errors.New("weft_policy_rules_stale is not " + want)
			}
			return nil
		})
	}
	write(deny)
	becomes(true)
	replace(allow)
	becomes(false)
	replace(deny)
	becomes(true)
	write("default: alow\n") // the old rules stay
	stale("1")
	becomes(true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	stale("1")
	becomes(true)
	write(allow)
	becomes(false)
	stale("0")
}
