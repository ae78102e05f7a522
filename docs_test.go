package weft_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// elsewhere are names in backquotes that no source of this project holds, by the reason why a document says them.
var elsewhere = map[string][]string{
	"Go's own library and tools":    {"math/rand", "cmd/link", "golang.org/x/crypto"},
	"an instruction of WebAssembly": {"memory.grow"},
	"the system's":                  {"getrusage", "perf", "PR_SET_PDEATHSIG", "copytruncate"},
	"a setting or word of NATS":     {"max_payload", "max_file", "--inbox-prefix", "CONSUMER.CREATE"},
	"wasmCloud's programs, packages and files": {"--compress", "wash-cli", "wasmcloud-host",
		"wasmcloud-provider-httpserver",
		"wasmcloud-provider-kvredis", "WASI_PREVIEW1_COMMAND_COMPONENT_ADAPTER",
		"WASI_PREVIEW1_REACTOR_COMPONENT_ADAPTER",
		"__wasmbus_rpc_version", "CONFIGDATA_", "httpserver/httpserver.smithy", "core/wasmcloud-core.smithy",
		"core/wasmcloud-model.smithy"},
	"a media type": {"application/vnd.wasm.*"},
	"below the data or the cache directory": {"cache/compiled", "nats/reserve", "nats/jetstream/lattice_NAME",
		"DATA-DIR/access/ca", "keys/cluster_LATTICE.nk", "keys/account_NAME.nk"},
	"a file of the reader":              {"queue.par.gz", "name.wasm", "name_tag.wasm", "name/name.wasm"},
	"made of ReservedValues and a name": {"weft.route"},
}

// TestDocumentsNameWhatExists reads the documents as a person does who tries what they say: each name in backquotes,
// and each command in an example, must be there.
func TestDocumentsNameWhatExists(t *testing.T) {
	n, err := projectNames()
	if err != nil {
		t.Fatal(err)
	}
	if len(n.tests) < 500 || len(n.commands) < 50 || len(n.flags) < 50 || len(n.targets) < 10 {
		t.Fatalf("found %d tests, %d commands, %d flags, %d targets: the search is wrong", len(n.tests),
			len(n.commands), len(n.flags), len(n.targets))
	}
	unused := map[string]bool{}
	for _, all := range elsewhere {
		for _, name := range all {
			unused[name] = true
		}
	}
	isElsewhere := maps.Clone(unused)
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\n<<<<<<< ") {
			t.Errorf("%s holds both sides of a conflict", file)
		}
		for _, c := range mentions(string(text)) {
			delete(unused, c.text)
			if why := n.wrong(file, c); why != "" && !isElsewhere[c.text] {
				t.Errorf("%s:%d: `%s`: %s", file, c.line, c.text, why)
			}
		}
	}
	for name := range unused {
		t.Errorf("no document says %q, which is an exception", name)
	}
}

// projectNames reads the project once for all tests.
var projectNames = sync.OnceValues(func() (*names, error) { return readNames(".") })

// documents are all that people read, but for the changelog, which tells of what was.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(files, "README.md", "ARCHITECTURE.md", "RATIONALE.md", "CONTRIBUTING.md", "SECURITY.md")
}

var ourPath = regexp.MustCompile(
	`\b(?:lattice|host|internal|provider|actor-sdk|cmd|e2e|deploy|docs)(?:/[\w-]+)+(?:\.(?:go|md))?`)

// TestCommentsNameWhatExists holds comments of Go to the files that they name, and to the headings of RATIONALE.md.
func TestCommentsNameWhatExists(t *testing.T) {
	n, err := projectNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range n.comments {
		for _, p := range ourPath.FindAllString(c.text, -1) {
			if why := n.wrongPath(p); why != "" {
				t.Errorf("%s:%d: %s: %s", c.file, c.line, p, why)
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(c.text, -1) {
			if !slices.ContainsFunc(n.headings["RATIONALE.md"],
				func(h string) bool { return strings.HasPrefix(plain(h), strings.TrimSuffix(plain(m[1]), "?")) }) {
				t.Errorf("%s:%d: RATIONALE.md has no heading %q", c.file, c.line, m[1])
			}
		}
	}
}

func plain(heading string) string { return strings.ReplaceAll(heading, "`", "") }

// TestWrongNamesAreFound holds the check itself to names that exist and to their misspellings.
func TestWrongNamesAreFound(t *testing.T) {
	n, err := projectNames()
	if err != nil {
		t.Fatal(err)
	}
	for right, wrong := range map[string]string{
		"`TestImportRules`":                        "`TestImportRule`",
		"`FuzzPlain`":                              "`FuzzPlane`",
		"`BenchmarkRestore`":                       "`BenchmarkRestored`",
		"lattice/msgpack `FuzzDifferential`":       "lattice/wire `FuzzDifferential`",
		"attack `TestHostileModules`":              "e2e `TestHostileModules`",
		"internal/natsauth `TestVerify`":           "internal/natsauthority `TestVerify`",
		"`--cluster-seed-file FILE`":               "`--cluster-seedfile FILE`",
		"`weft actor start x --max 3`":             "`weft actor start x --most 3`",
		"`weft host|actor list`":                   "`weft host|actors list`",
		"`weft actor scale`":                       "`weft actor rescale`",
		"`weft host run --policy-file rules.yaml`": "`weft nats run --policy-file rules.yaml`",
		"```\nfirst$ weft up -d --name x\n```":     "```\nfirst$ weft up -d --called x\n```",
		"```\n$ weft link put a b # c\n```":        "```\n$ weft link set a b # c\n```",
		"```\nhost (host/config.go)\n```":          "```\nhost (host/configs.go)\n```",
		"`WEFT_NATS_URL`":                          "`WEFT_NATS_ADDRESS`",
		"`WEFT_PPROF=true`":                        "`WEFT_PROFILE=true`",
		"`internal/grant/grant.go`":                "`internal/grant/grants.go`",
		"`lattice/contract/*`":                     "`lattice/contracts/*`",
		"`deps_test.go`":                           "`depends_test.go`",
		"`make test`":                              "`make tests`",
		"`go test ./e2e/...`":                      "`go test ./e3e/...`",
		"`go test -bench Restore .`":               "`go test -bench Restart .`",
		"`signing.Agreement`":                      "`signing.Agreements`",
		"`lattice/wire.Failure`":                   "`lattice/wire.Failing`",
		"`errors.Is(err, lattice.ErrBusy)`":        "`errors.Was(err, lattice.ErrBusy)`",
		"`weft_instances_max`":                     "`weft_instances_most`",
		"`weft_refusals_total{reason}`":            "`weft_refused_total{reason}`",
		"`host_draining`":                          "`host_drained`",
		"a span that\nbreaks: `make\nlint`":        "a span that\nbreaks: `make\nlints`",
		"[docs](docs/security.md)":                 "[docs](docs/secure.md)",
		"[docs](RATIONALE.md#why-a-guard-process)": "[docs](RATIONALE.md#why-a-guarding-process)",
	} {
		if why := n.first(right); why != "" {
			t.Errorf("%q: %s", right, why)
		}
		if why := n.first(wrong); why == "" {
			t.Errorf("%q is not found wrong", wrong)
		}
	}
}

// first is the first fault of a text.
func (n *names) first(text string) string {
	for _, m := range mentions(text) {
		if why := n.wrong("README.md", m); why != "" {
			return why
		}
	}
	return ""
}
