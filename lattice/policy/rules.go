package policy

import (
	"fmt"
	"strings"
)

// Rules are decisions written down: the first rule that matches a question decides, or else the default. They do not
// change once made and are safe for concurrent use.
type Rules struct {
	Permit bool // the default
	List   []Rule
}

// Rule matches a question when all its conditions do. A condition is a list of patterns of which one must match; an
// empty one matches everything. In a pattern * stands for any text, ? for any character.
type Rule struct {
	Permit  bool
	Name    string // for people; may be empty
	Line    int    // in the file
	Actions []Action

	Issuer    []string // account that signed what is started, or the actor of a call
	Actor     []string // key, name or call alias; in a call between two actors, of the one that is called
	Provider  []string // key or name
	Contract  []string // of the provider
	Link      []string // link name of the provider
	Operation []string
	Origin    []string          // who calls: key, name or call alias
	Target    []string          // who is called or started: key, name or call alias
	Labels    map[string]string // of the host that asks: each must be there and match
}

// Verdict is a decision with the rule that made it.
type Verdict struct {
	Permitted bool
	Index     int   // of the rule, from 1; 0: no rule matched
	Rule      *Rule // nil: no rule matched
}

// Decide evaluates the rules. It has no side effects.
func (r *Rules) Decide(q *Question) Verdict {
	for i := range r.List {
		if rule := &r.List[i]; rule.matches(q) {
			return Verdict{rule.Permit, i + 1, rule}
		}
	}
	return Verdict{Permitted: r.Permit}
}

// By says which rule decided, for people: "rule 3 "no tools" (line 12)", or "default".
func (v Verdict) By() string {
	if v.Rule == nil {
		return "default"
	}
	name := ""
	if v.Rule.Name != "" {
		name = fmt.Sprintf(" %q", v.Rule.Name)
	}
	return fmt.Sprintf("rule %d%s (line %d)", v.Index, name, v.Rule.Line)
}

// Decision is the verdict without the rule.
func (v Verdict) Decision() Decision {
	d := Decision{Permitted: v.Permitted, By: v.By()}
	if v.Rule != nil {
		d.Message = v.Rule.Name
	}
	return d
}

// matches reports whether all conditions of the rule hold.
func (r *Rule) matches(q *Question) bool {
	named := false
	for _, a := range r.Actions {
		named = named || a == q.Action
	}
	if !named || !one(r.Issuer, q.issuer()) || !r.parties(q) || !one(r.Operation, q.Operation) {
		return false
	}
	for k, pattern := range r.Labels {
		if have, ok := q.Host.Labels[k]; !ok || !glob(pattern, have) {
			return false
		}
	}
	return true
}

func (r *Rule) parties(q *Question) bool {
	if len(r.Actor) > 0 && !r.is(r.Actor, q.party(Actor)) {
		return false
	}
	if len(r.Provider)+len(r.Contract)+len(r.Link) > 0 {
		p := q.party(Provider)
		if p == nil || !r.is(r.Provider, p) || !one(r.Contract, p.Contract) || !one(r.Link, p.Link) {
			return false
		}
	}
	return r.is(r.Origin, &q.Origin) && r.is(r.Target, &q.Target)
}

// is reports whether a party goes by one of the patterns.
func (*Rule) is(patterns []string, p *Party) bool {
	if len(patterns) == 0 {
		return true
	}
	if p == nil {
		return false
	}
	return one(patterns, p.Key) || p.Name != "" && one(patterns, p.Name) || p.Alias != "" && one(patterns, p.Alias)
}

// one reports whether one of the patterns matches; no pattern matches everything.
func one[S ~string](patterns []string, s S) bool {
	for _, p := range patterns {
		if glob(p, string(s)) {
			return true
		}
	}
	return len(patterns) == 0
}

// glob reports whether a pattern matches the whole text: * stands for any text, the empty one too, ? for any one byte,
// everything else for itself. It takes at most len(pattern)*len(s) steps.
func glob(pattern, s string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == s
	}
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0: // let the last star take one more
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
