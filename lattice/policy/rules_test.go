package policy_test

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	shop  = policy.Party{Kind: policy.Actor, Key: "MSHOP", Name: "Shop", Alias: "weft/shop", Issuer: "AOURS"}
	pay   = policy.Party{Kind: policy.Actor, Key: "MPAY", Name: "Pay", Issuer: "AOTHER"}
	redis = policy.Party{Kind: policy.Provider, Key: "VREDIS", Name: "redis", Issuer: "AOURS",
		Contract: "wasmcloud:keyvalue", Link: "default"}
	unknown = policy.Party{Kind: policy.Provider, Key: "VWHO"}
	tool    = policy.Party{Key: "XTOOL"}
	edge    = policy.Host{Labels: map[string]string{"zone": "edge-7", "empty": ""}}
)

func call(from, to policy.Party, operation string) policy.Question {
	return policy.Question{Action: policy.PerformInvocation, Origin: from, Target: to, Operation: operation, Host: edge}
}

func start(p policy.Party) policy.Question {
	a := policy.StartActor
	if p.Kind == policy.Provider {
		a = policy.StartProvider
	}
	return policy.Question{Action: a, Target: p, Host: edge}
}

// Each row is one rule that allows, under a default that denies.
func TestRuleMatches(t *testing.T) {
	get := call(shop, redis, "KeyValue.Get")
	for _, tt := range []struct {
		rule string
		q    policy.Question
		want bool
	}{
		{"allow: all", get, true},
		{"allow: all", start(shop), true},
		{"allow: start_actor", get, false},
		{"allow: [start_actor, start_provider]", start(redis), true},
		{"{allow: perform_invocation, actor: Shop}", get, true},
		{"{allow: perform_invocation, actor: MSHOP}", get, true},
		{"{allow: perform_invocation, actor: weft/shop}", get, true},
		{"{allow: perform_invocation, actor: shop}", get, false},
		{"{allow: perform_invocation, actor: [Other, MSH*]}", get, true},
		{"{allow: perform_invocation, actor: Shop}", call(redis, shop, "x"), true},
		{"{allow: perform_invocation, actor: Shop}", call(shop, pay, "x"), false}, // the one that is called counts
		{"{allow: perform_invocation, actor: Pay}", call(shop, pay, "x"), true},
		{"{allow: perform_invocation, actor: Pay, origin: Shop}", call(shop, pay, "x"), true},
		{"{allow: perform_invocation, origin: Pay}", call(shop, pay, "x"), false},
		{"{allow: perform_invocation, target: redis}", get, true},
		{"{allow: perform_invocation, target: Shop}", get, false},
		{"{allow: perform_invocation, provider: '*'}", call(shop, pay, "x"), false},
		{"{allow: perform_invocation, provider: redis}", get, true},
		{"{allow: perform_invocation, contract: 'wasmcloud:*'}", get, true},
		{"{allow: perform_invocation, contract: 'wasmcloud:http*'}", get, false},
		{"{allow: perform_invocation, contract: '*'}", call(shop, pay, "x"), false},
		{"{allow: perform_invocation, link: default}", get, true},
		{"{allow: perform_invocation, link: other}", get, false},
		{"{allow: perform_invocation, operation: KeyValue.*}", get, true},
		{"{allow: perform_invocation, operation: KeyValue.Set}", get, false},
		{"{allow: perform_invocation, issuer: AOURS}", get, true},
		{"{allow: perform_invocation, issuer: AOTHER}", call(shop, pay, "x"), true},
		{"{allow: perform_invocation, issuer: AOURS}", call(shop, pay, "x"), false},
		{"{allow: perform_invocation, actor: Shop}", call(tool, shop, "x"), true},
		{"{allow: perform_invocation, origin: XTOOL}", call(tool, shop, "x"), true},
		{"{allow: start_actor, issuer: AOURS}", start(shop), true},
		{"{allow: start_actor, issuer: AOURS}", start(pay), false},
		{"{allow: start_provider, issuer: AOURS, contract: wasmcloud:keyvalue}", start(redis), true},
		{"{allow: start_provider, issuer: AOURS}", start(unknown), false},
		{"{allow: start_provider, provider: ['?WHO']}", start(unknown), true},
		{"{allow: all, labels: {zone: edge-*}}", get, true},
		{"{allow: all, labels: {zone: edge}}", get, false},
		{"{allow: all, labels: {zone: edge-*, rack: '*'}}", get, false}, // a label that is missing matches nothing
		{"{allow: all, labels: {empty: '*'}}", get, true},
	} {
		rules, err := policy.Parse([]byte("default: deny\nrules:\n - " + tt.rule))
		if err != nil {
			t.Errorf("%s: %v", tt.rule, err)
			continue
		}
		if v := rules.Decide(&tt.q); v.Permitted != tt.want || (v.Index == 1) != tt.want {
			t.Errorf("%s: %+v of %+v; want %v", tt.rule, v, tt.q, tt.want)
		}
	}
}

func TestFirstMatchDecides(t *testing.T) {
	rules, err := policy.Parse([]byte(`# ours
default: allow
rules:
  - name: no deletes
    deny: perform_invocation
    operation: "*.Del*"
  - allow: perform_invocation
    origin: Shop
  - deny: perform_invocation
    origin: [Shop, Pay]
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		q    policy.Question
		want bool
		by   string
	}{
		{call(shop, redis, "KeyValue.Del"), false, `rule 1 "no deletes" (line 4)`},
		{call(shop, redis, "KeyValue.Get"), true, "rule 2 (line 7)"},
		{call(pay, redis, "KeyValue.Get"), false, "rule 3 (line 9)"},
		{call(redis, pay, "x"), true, "default"},
		{start(pay), true, "default"},
	} {
		if v := rules.Decide(&tt.q); v.Permitted != tt.want || v.By() != tt.by || v.Decision().By != tt.by ||
			v.Decision().Permitted != tt.want {
			t.Errorf("%+v: %v by %s; want %v by %s", tt.q, v.Permitted, v.By(), tt.want, tt.by)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "the file is empty"},
		{"# nothing", "the file is empty"},
		{"default: maybe", "line 1: default: want allow or deny"},
		{"rules: []", "line 1: default is missing"},
		{"- a", "line 1: the file: want a map"},
		{"default: deny\nrule: []", `line 2: unknown field "rule"`},
		{"default: deny\nrules: {}", "line 2: rules: want a list"},
		{"default: deny\nrules:\n - actor: x", "line 3: rule 1: want allow or deny"},
		{"default: deny\nrules:\n - allow: all\n   deny: all", "line 4: rule 1: both allow and deny"},
		{"default: deny\nrules:\n - allow: all\n   allow: all", "line 4: allow is given twice, first in line 3"},
		{"default: deny\nrules:\n - allow: fly", `line 3: allow: unknown action "fly"`},
		{"default: deny\nrules:\n - allow: []", "line 3: allow: the list is empty"},
		{"default: deny\nrules:\n - allow:", "line 3: allow: want text"},
		{"default: deny\nrules:\n - deny: perform_invocation\n   actors: x", `line 4: rule 1: unknown field "actors"`},
		{"default: deny\nrules:\n - deny: perform_invocation\n   actor: []", "line 4: actor: the list is empty"},
		{"default: deny\nrules:\n - deny: perform_invocation\n   actor: 7",
			"line 4: actor: want text; put it in quotes"},
		{"default: deny\nrules:\n - deny: perform_invocation\n   actor: {a: b}", "line 4: actor: want text or a list"},
		{"default: deny\nrules:\n - deny: all\n   operation: x",
			"line 4: rule 1: operation means nothing for start_actor"},
		{"default: deny\nrules:\n - deny: start_actor\n   contract: x",
			"line 4: rule 1: contract means nothing for start_actor"},
		{"default: deny\nrules:\n - deny: all\n   labels: {}", "line 4: labels: there are none"},
		{"default: deny\nrules:\n - deny: all\n   labels: {a: true}", "line 4: labels: a: want text; put it in quotes"},
		{"default: deny\nrules:\n - &a {deny: all}\n - *a", "line 4: rule 2: want a map"},
		{"default: deny\nrules:\n - {deny: all, labels: &l {a: b}}\n - {deny: all, labels: *l}",
			"line 4: labels: aliases are not supported"},
		{"default: deny\n---\ndefault: allow", "line 2: a second document"},
		{"default: [deny", "line 1: "},
		{"default: deny\n\tx: y", "line 2: "},
		{"default: deny\nrules: [" + strings.Repeat("{},", 10_001) + "]",
			"line 2: rules: there are 10001, the limit is 10000"},
		{"#" + strings.Repeat("x", 1<<20), "the limit is 1048576"},
	} {
		rules, err := policy.Parse([]byte(tt.text))
		if rules != nil || !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*", "abc", true}, {"a*", "b", false},
		{"*c", "abc", true}, {"*c", "cb", false}, {"a*c*e", "abcde", true}, {"a*c*e", "abde", false}, {"?", "", false},
		{"?", "a", true},
		{"a?c", "abc", true}, {"**", "", true}, {"a**", "a", true}, {"*aab", "aaaab", true}, {"[a]", "a", false},
		{"abc", "ab", false},
		{strings.Repeat("a*", 50) + "b", strings.Repeat("a", 2000), false},
	} {
		if policy.Glob(tt.pattern, tt.text) != tt.want {
			t.Errorf("%q on %q: want %v", tt.pattern, tt.text, tt.want)
		}
	}
}

// Whatever is accepted can be asked anything.
func FuzzParse(f *testing.F) {
	f.Add([]byte("default: deny\nrules:\n - {name: a, allow: [start_actor, perform_invocation], actor: ['M*', b], " +
		"labels: {a: '?'}}\n - deny: all\n"))
	f.Add([]byte("default: allow\nrules: [{deny: perform_invocation, operation: 'A.*', origin: x, target: [y], " +
		"contract: c, link: l, provider: V*}]"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := policy.Parse(data)
		if err != nil {
			if !errors.Is(err, lattice.ErrInvalid) || err.Error() == "" {
				t.Errorf("error %v", err)
			}
			return
		}
		for _, q := range []policy.Question{call(shop, redis, "A.B"), call(tool, shop, ""), start(pay), start(redis),
			{}} {
			v := rules.Decide(&q)
			if v.Rule == nil && v.Permitted != rules.Permit || v.Rule != nil &&
				(v.Rule.Line < 1 || v.Rule.Permit != v.Permitted) || v.By() == "" {
				t.Errorf("verdict %+v", v)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	text := "default: deny\nrules:\n"
	for range 100 {
		text += " - {allow: perform_invocation, origin: Nobody, operation: 'KeyValue.*'}\n"
	}
	rules, err := policy.Parse([]byte(text))
	if err != nil {
		b.Fatal(err)
	}
	q := call(shop, redis, "KeyValue.Get")
	b.ReportAllocs()
	for b.Loop() {
		if rules.Decide(&q).Permitted {
			b.Fatal("permitted")
		}
	}
}
