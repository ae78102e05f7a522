package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/environ"
	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/deploy/values"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/policy"
)

// policyFlags say who decides what a host may start and call.
type policyFlags struct {
	file, topic, changes string
	timeout              time.Duration
}

// subjects are what a host needs to ask the policy service.
func (p *policyFlags) subjects() (extra natsauth.Identity) {
	if p.topic != "" {
		extra.Publish = []string{p.topic}
	}
	if p.changes != "" {
		extra.Subscribe = []string{p.changes}
	}
	return extra
}

func (p *policyFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&p.file, "policy-file", "", "file of rules for what may be started and called; see: weft policy --help")
	f.StringVar(&p.topic, "policy-topic", "", "NATS subject of a policy service that is asked as well")
	f.StringVar(&p.changes, "policy-changes-topic", "",
		"NATS subject on which the policy service changes its decisions")
	millisFlag(f, &p.timeout, "policy-timeout-ms", policy.DefaultTimeout,
		"milliseconds for a decision of the policy service; without one it is denied")
}

// config reads the rules. Subjects may be given for one lattice only, as hosts of the dialect read them.
func (p *policyFlags) config(l lattice.Name) (cfg host.PolicyConfig, err error) {
	topic, changes := environ.PolicyTopics(l)
	cfg = host.PolicyConfig{Topic: or(p.topic, topic),
		ChangesTopic: or(p.changes, changes),
		Timeout:      p.timeout}
	if p.file != "" {
		if cfg.RulesFile, err = filepath.Abs(p.file); err == nil {
			cfg.Rules, err = readRules(p.file)
		}
	}
	return cfg, err
}

func readRules(path string) (*policy.Rules, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, localfile.Error("open", path, err)
	}
	rules, err := policy.Parse(data)
	if err != nil {
		return nil, usage.Errorf("%s: %w", path, err)
	}
	return rules, nil
}

func policyCmd(t *terminal) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Try a file of rules for what may be started and called",
		Long: `A host that is started with --policy-file FILE starts and calls only what the rules in it permit. The
first rule that matches decides, or else the default, which has to be said:

  default: deny
  rules:
    - name: our own things          # for people; may be left out
      allow: [start_actor, start_provider]
      issuer: ACOWL4L4DMHBJMRXJPEB5T...
    - deny: perform_invocation      # one action, a list, or all
      contract: wasmcloud:keyvalue
      operation: "KeyValue.Del*"    # * is any text, ? any character
      labels: {zone: edge-*}        # of the host
    - allow: perform_invocation

Conditions: issuer, actor, provider, contract, link, operation, origin, target, labels. All of a rule must hold; of a
list, one.`}
	cmd.AddCommand(policyTestCmd(t), policyCheckCmd(t))
	return cmd
}

func policyCheckCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "check FILE", Short: "Say what is wrong with a file of rules", Args: exactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			rules, err := readRules(args[0])
			if err != nil {
				return err
			}
			view := struct {
				Default string `json:"default"`
				Rules   int    `json:"rules"`
			}{effect(rules.Permit), len(rules.List)}
			return t.print(view, func(w io.Writer) {
				printf(w, "%s: %d rules, default %s\n", args[0], view.Rules,
					view.Default)
			})
		}}
}

func effect(permit bool) string {
	if permit {
		return "allow"
	}
	return "deny"
}

// asked are the flags that make up a question.
type asked struct {
	action                                     policy.Action
	issuer                                     lattice.AccountID
	contract                                   lattice.ContractID
	link                                       lattice.LinkName
	actor, provider, operation, origin, target string
	labels                                     []string
}

// policyVerdict is what would be decided.
type policyVerdict struct {
	Permitted bool          `json:"permitted"`
	Action    policy.Action `json:"action"`
	By        string        `json:"by"`
	Rule      int           `json:"rule"` // from 1; 0: the default
	Line      int           `json:"line,omitempty"`
	Name      string        `json:"name,omitempty"`
}

func policyTestCmd(t *terminal) *cobra.Command {
	var q asked
	cmd := &cobra.Command{Use: "test FILE", Short: "Say what would be decided, and by which rule", Args: exactArgs(1),
		Long: `Asks the rules in FILE, without any host. Ends with 0 when it is permitted, with 5 when it is denied.

An actor that calls a provider is --actor and --provider; a provider that calls an actor is --origin PROVIDER --actor,
with --provider as well if it is; an actor that calls an actor is --origin and --actor. Names, keys and aliases are
compared as given.`,
		Example: "  weft policy test rules.yaml --action perform_invocation --actor shop " +
			`--contract wasmcloud:keyvalue --operation KeyValue.Del
  weft policy test rules.yaml --action start_actor --actor shop --issuer ACOWL... --label zone=edge-7 -o json`,
		RunE: func(_ *cobra.Command, args []string) error {
			question, err := q.question()
			if err != nil {
				return err
			}
			rules, err := readRules(args[0])
			if err != nil {
				return err
			}
			v := rules.Decide(&question)
			view := policyVerdict{Permitted: v.Permitted, Action: question.Action, By: v.By(), Rule: v.Index}
			if v.Rule != nil {
				view.Line, view.Name = v.Rule.Line, v.Rule.Name
			}
			err = t.print(view, func(w io.Writer) {
				word := "denied"
				if view.Permitted {
					word = "permitted"
				}
				printf(w, "%s by %s\n", word, view.By)
			})
			if err == nil && !v.Permitted {
				err = silentError(exitRefused)
			}
			return err
		}}
	f := cmd.Flags()
	idVar(f, &q.action, "action", policy.PerformInvocation,
		"start_actor, start_provider or perform_invocation")
	idVar(f, &q.issuer, "issuer", "", "account that signed what is started, or the actor of the call")
	f.StringVar(&q.actor, "actor", "", "actor that is started, called, or calls a provider: key, name or call alias")
	f.StringVar(&q.provider, "provider", "", "provider: key or name")
	idVar(f, &q.contract, "contract", "", "contract of the provider")
	idVar(f, &q.link, "link", lattice.DefaultLink, "link name of the provider")
	f.StringVar(&q.operation, "operation", "", "operation of the call")
	f.StringVar(&q.origin, "origin", "", "who calls, when that is not --actor")
	f.StringVar(&q.target, "target", "", "who is called, when that is neither --actor nor --provider")
	f.StringArrayVar(&q.labels, "label", nil, "label=value of the host; may be repeated")
	return cmd
}

// question puts the parties in their places: see the command's help.
func (a *asked) question() (q policy.Question, err error) {
	q = policy.Question{Action: a.action, Operation: a.operation}
	if !slices.Contains(policy.Actions, q.Action) {
		return q, usage.Errorf("--action %q: want start_actor, start_provider or perform_invocation", a.action)
	}
	if q.Host.Labels, err = values.Pairs("--label", a.labels); err != nil {
		return q, err
	}
	actor := policy.Party{Kind: policy.Actor, Issuer: a.issuer}
	named(&actor, a.actor)
	provider := policy.Party{Kind: policy.Provider, Contract: a.contract, Link: a.link}
	named(&provider, a.provider)
	hasProvider := a.provider != "" || a.contract != ""
	switch {
	case q.Action == policy.StartActor:
		q.Target = actor
	case q.Action == policy.StartProvider:
		provider.Issuer = a.issuer
		q.Target = provider
	case a.origin != "" && hasProvider:
		q.Origin, q.Target = provider, actor
		if a.provider == "" {
			named(&q.Origin, a.origin)
		}
	case a.origin != "":
		q.Target = actor
		named(&q.Origin, a.origin)
		if !lattice.IsKey(a.origin, 'V') {
			q.Origin.Kind = policy.Actor
		}
	default:
		q.Origin, q.Target = actor, provider
		if !hasProvider {
			q.Target = policy.Party{}
		}
	}
	if a.target != "" {
		named(&q.Target, a.target)
	}
	return q, nil
}

// named gives a party a name that may be a key, a name or an alias.
func named(p *policy.Party, s string) {
	p.Name = s
	if lattice.IsEntity(s) {
		p.Key, p.Name = s, ""
	}
}
