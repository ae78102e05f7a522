package policyclient_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/weftlattice/weft/lattice/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	shop  = policy.Party{Kind: policy.Actor, Key: "MSHOP", Name: "Shop", Alias: "weft/shop", Issuer: "AOURS"}
	pay   = policy.Party{Kind: policy.Actor, Key: "MPAY", Name: "Pay", Issuer: "AOTHER"}
	redis = policy.Party{Kind: policy.Provider, Key: "VREDIS", Name: "redis", Issuer: "AOURS",
		Contract: "wasmcloud:keyvalue", Link: "default"}
	edge = policy.Host{Labels: map[string]string{"zone": "edge-7", "empty": ""}}
)

func call(from, to policy.Party, operation string) policy.Question {
	return policy.Question{Action: policy.PerformInvocation, Origin: from, Target: to, Operation: operation, Host: edge}
}

func start(p policy.Party) policy.Question {
	return policy.Question{Action: policy.StartActor, Target: p, Host: edge}
}
