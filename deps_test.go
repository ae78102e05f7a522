package weft_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest/long"
)

const module = "github.com/weftlattice/weft/"

// rules say which of our packages a tree must not reach, directly or through others, and why. ARCHITECTURE.md draws the
// same picture.
var rules = []struct {
	tree string
	bans map[string]string
}{
	{"lattice/...", map[string]string{
		module + "host":            "the lattice is what hosts are built on",
		module + "provider":        "the lattice is what providers are built on",
		module + "internal/deploy": "the lattice is what deploying is built on",
		module + "actor-sdk":       "guests use the lattice's words, not the other way round",
	}},
	{"host/...", map[string]string{
		module + "provider":        "to a host a provider is a process and some subjects",
		module + "internal/deploy": "a host carries out commands; what to deploy is decided elsewhere",
		module + "internal/node":   "a node runs a host",
	}},
	{"host/internal/actors", map[string]string{
		module + "host/internal/providers": "actors and providers meet in calls and links only",
	}},
	{"host/internal/providers", map[string]string{
		module + "host/internal/actors":   "actors and providers meet in calls and links only",
		module + "host/internal/hostcall": "to a provider a guest is a caller like any other",
	}},
	{"provider/...", map[string]string{
		module + "host":            "a provider must not know who starts it",
		module + "internal/deploy": "a provider is deployed, it does not deploy",
	}},
	{"internal/deploy/...", map[string]string{
		module + "host":          "deploying talks to hosts over the control interface only",
		module + "provider":      "deploying starts providers by reference",
		module + "internal/node": "a node deploys on itself, not the other way round",
	}},
	{"internal/deploy/app/manifest", map[string]string{
		module + "internal/deploy/operate": "a manifest is read without a lattice",
		module + "internal/deploy/connect": "a manifest is read without a lattice",
		module + "internal/deploy/keys":    "a manifest is read without a lattice",
		"github.com/spf13/cobra":           "a manifest is read without a lattice",
	}},
	{"internal/deploy/strictyaml internal/deploy/shape", map[string]string{
		module + "internal/deploy/nodefile": "what formats share knows none of them",
		module + "internal/deploy/app":      "what formats share knows none of them",
		module + "internal/deploy/image":    "values know nothing of what they mean",
		"github.com/nats-io":                "files are read without a lattice",
	}},
	{"internal/providers/...", map[string]string{
		module + "host":            "a provider must not know who starts it, built-in or not",
		module + "internal/deploy": "a provider is deployed, it does not deploy",
	}},
	{"lattice lattice/msgpack lattice/contract/... lattice/subject lattice/trace", map[string]string{
		"github.com/nats-io":     "these compile into guests, with TinyGo too",
		"github.com/vmihailenco": "these compile into guests, with TinyGo too",
		"net":                    "these compile into guests, with TinyGo too",
	}},
	{"actor-sdk actor-sdk/keyvalue actor-sdk/log actor-sdk/numbergen", map[string]string{
		"net":                   "guests have no network",
		"net/http":              "guests have no network, and it is large",
		module + "internal/rpc": "guests call through their host",
	}},
	{"internal/load internal/invocation", map[string]string{
		module + "internal/rpc":     "what both ways of calling share belongs to neither",
		module + "internal/channel": "what both ways of calling share belongs to neither",
		"github.com/nats-io":        "what both ways of calling share belongs to neither",
	}},
	{"internal/chunks", map[string]string{
		module + "internal/rpc":     "calls use the store of large payloads; it knows names, bytes and NATS",
		module + "internal/channel": "calls use the store of large payloads; it knows names, bytes and NATS",
		module + "internal/load":    "whoever stores or takes a payload decides how much at once",
	}},
	{"internal/rpc", map[string]string{
		module + "host":             "calls are what hosts and providers are built on",
		module + "provider":         "calls are what hosts and providers are built on",
		module + "internal/peer":    "the pair is made of what rpc has, not the other way round",
		module + "internal/channel": "calls over NATS know nothing of those over a socket",
		module + "lattice/control":  "calls are one journey, commands are the other",
		module + "lattice/event":    "calls are one journey, commands are the other",
	}},
	{"internal/peer", map[string]string{
		module + "host":             "what a host and a provider share belongs to neither",
		module + "provider":         "what a host and a provider share belongs to neither",
		module + "internal/deploy":  "what a host and a provider share belongs to neither",
		module + "internal/channel": "the channel is tried before the pair, by those who have one; see Route",
	}},
	{"internal/channel", map[string]string{
		module + "internal/rpc": "the channel is the way without a broker, beside internal/rpc and not on top of it",
		"github.com/nats-io":    "the channel is the way without a broker",
	}},
	{"e2e/...", map[string]string{
		module + "host":     "end-to-end tests drive built binaries",
		module + "provider": "end-to-end tests drive built binaries",
	}},
}

func TestImportRules(t *testing.T) {
	for _, r := range rules {
		var args []string
		for _, p := range strings.Fields(r.tree) {
			args = append(args, "./"+p)
		}
		deps := goList(t, append([]string{"-deps", "-f", "{{.ImportPath}}"}, args...)...)
		for _, d := range deps {
			for ban, why := range r.bans {
				if d == ban || strings.HasPrefix(d, ban+"/") && ban != "net" {
					t.Errorf("%s reaches %s: %s", r.tree, d, why)
				}
			}
		}
	}
}

// latticeMayReach are the internal packages that the lattice is built on, and why. A client that imports lattice/ gets
// them, too; calls, hosts and providers are not among them.
var latticeMayReach = map[string]string{
	"internal/natsconn": "what is stored and streamed goes by the same connection, errors and timeouts as all else",
	"internal/natsauth": "of natsconn: whose credentials these are",
	"internal/grant":    "of natsauth: what each of them may do",
	"internal/acceptor": "of natsconn: the bridge accepts connections",
	"internal/certfile": "files of TLS are read again when they are replaced, by registries and by NATS",
	"internal/linkfile": "files that settings name are read within bounds",
	"internal/netaddr":  "addresses as people write them are values of links",
	"internal/nearest":  "a value of a link that does not exist is answered with the word that was meant",
	"internal/yamltext": "rules of the policy are YAML as people write it",
	"internal/dated":    "a command says for how long its client waits",
	"internal/backoff":  "of natsconn: pauses between attempts to connect",
	"internal/clip":     "texts that others wrote are cut before they are told on",
	"internal/clock":    "of dated: the clock that machines share",
}

func TestLatticeReachesFewInternals(t *testing.T) {
	reached := map[string]bool{}
	for _, d := range goList(t, "-deps", "-f", "{{.ImportPath}}", "./lattice/...") {
		path, ours := strings.CutPrefix(d, module)
		if !ours || !strings.Contains("/"+path+"/", "/internal/") {
			continue
		}
		reached[path] = true
		if latticeMayReach[path] == "" {
			t.Errorf("lattice/ reaches %s: clients of a lattice would get it, too", path)
		}
	}
	for path := range latticeMayReach {
		if !reached[path] {
			t.Errorf("lattice/ does not reach %s any more: take it from the list", path)
		}
	}
}

// Some things have one home each: only these packages may import them.
func TestSingleHomes(t *testing.T) {
	homes := map[string]string{
		"github.com/tetratelabs/wazero": "host/internal/wasm",
		"crypto/ed25519":                "lattice/signing",
		"github.com/redis/go-redis/v9":  "internal/providers/keyvalueredis",
		"github.com/spf13/cobra":        "cmd/weft",
		"github.com/google/pprof":       "e2e/bench",
	}
	for _, line := range goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		fields := strings.Fields(line)
		for _, imported := range fields[1:] {
			for what, home := range homes {
				if (imported == what || strings.HasPrefix(imported, what+"/")) &&
					!strings.HasPrefix(fields[0], module+home) {
					t.Errorf("%s imports %s, whose only home is %s", fields[0], imported, home)
				}
			}
		}
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	long.Test(t, "asks the Go toolchain")
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
