package policy_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/policy"
)

func ExampleRules_Decide() {
	rules, err := policy.Parse([]byte(`
default: allow
rules:
  - name: no tools
    deny: perform_invocation
    target: acme/tool*
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, alias := range []string{"acme/tool1", "acme/shop"} {
		v := rules.Decide(&policy.Question{Action: policy.PerformInvocation,
			Target: policy.Party{Kind: policy.Actor, Alias: alias}})
		fmt.Println(alias, v.Permitted, v.By())
	}
	// Output:
	// acme/tool1 false rule 1 "no tools" (line 4)
	// acme/shop true default
}
