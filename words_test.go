package weft_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestWordsOnTheWireHaveOneHome finds second spellings of the words that processes say to one another.
func TestWordsOnTheWireHaveOneHome(t *testing.T) {
	homes := map[string]string{
		"weft:ready":    "lattice/wire/hostdata.go",
		"weft:reloaded": "lattice/wire/hostdata.go",
		"weft:restart":  "lattice/wire/hostdata.go",
		"Weft-Host":     "lattice/wire/link.go",
		"Weft-Error":    "lattice/wire/link.go",
		"Weft-Depth":    "internal/rpc/doc.go",
		"Weft-Sent":     "internal/dated/dated.go",
		"traceparent":   "lattice/trace/trace.go",
		"tracestate":    "lattice/trace/trace.go",
		"x-trace-id":    "internal/providers/httpserver/handler.go",

		"x-forwarded-for":   "lattice/contract/httpserver/httpserver.go",
		"x-forwarded-proto": "lattice/contract/httpserver/httpserver.go",
		"x-forwarded-host":  "lattice/contract/httpserver/httpserver.go",

		"WASMCLOUD_CLUSTER_SEED": "internal/deploy/environ/environ.go",
	}
	spelt := literals(t)
	for word, home := range homes {
		if places := spelt[word]; len(places) != 1 || places[0] != home {
			t.Errorf("%q is spelt in %v, want %s alone", word, places, home)
		}
	}
	// What is not in the list above has one home all the same, whichever it is.
	ours := regexp.MustCompile(`^(Weft-[A-Z]|weft:[a-z]|(WEFT|WASMCLOUD|WASH|NATS|OCI)_[A-Z])`)
	variable := regexp.MustCompile(`^[A-Z]+_[A-Z_]*[A-Z]$`)
	for word, places := range spelt {
		if !ours.MatchString(word) {
			continue
		}
		if len(places) > 1 {
			t.Errorf("%q is spelt in %v, want one home", word, places)
		}
		if variable.MatchString(word) && places[0] != "internal/deploy/environ/environ.go" {
			t.Errorf("the variable %s stands in %v, want internal/deploy/environ alone", word, places)
		}
	}
}

// TestDeedsHaveOneHome finds code that does by hand what a package does for all.
func TestDeedsHaveOneHome(t *testing.T) {
	for _, deed := range []struct {
		what, code string
		homes      []string
	}{
		{"cutting text to a length", `ToValidUTF8\(.*\[:|utf8\.RuneStart\(`, []string{"internal/clip/clip.go",
			"lattice/contract/httpclient/failure.go", // compiles into guests, and marks nothing
			"lattice/signing/form.go"}},              // asks whether the end was cut
		{"waiting longer after each failure", `\b\w+ (\*= 2|<<= 1)$`, []string{"internal/backoff/backoff.go",
			"lattice/signing/nkey.go"}}, // a checksum
		{"reading the environment", `os\.(Getenv|LookupEnv|Environ)\(`, []string{"internal/deploy/environ/environ.go",
			"cmd/weft/app.go",                   // the home of this user
			"internal/deploy/scaffold/build.go", // what a compiler gets
			"internal/deploy/demo/main.go", "internal/latticetest/needs.go", "internal/ocitest/registry.go",
			"internal/natsconn/context.go", // the folder of the nats tool's contexts
			"internal/process/heap/heap.go", "internal/process/slack/slack_linux.go",
			"provider/providertest/host.go"}},
		{"the size of something as text", `"[KMG]i?B"`, []string{"lattice/size.go"}},
		{"reading a size", `"(kib|mib|gib)"`, []string{"lattice/size.go"}},
	} {
		found := placesOf(t, regexp.MustCompile(deed.code))
		slices.Sort(deed.homes)
		if !slices.Equal(found, deed.homes) {
			t.Errorf("%s is in %v, want %v", deed.what, found, deed.homes)
		}
	}
}

// placesOf are the files of the product with a line of code that matches, in order. Tests and e2e say what others
// expect to read.
func placesOf(t *testing.T, pattern *regexp.Regexp) (files []string) {
	t.Helper()
	for _, file := range sources(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if !strings.HasPrefix(strings.TrimSpace(line), "//") && pattern.MatchString(strings.TrimRight(line, "\n")) {
				files = append(files, file)
				break
			}
		}
	}
	return files
}

// literals are the texts in the code of the product, each with the files that spell it, in order.
func literals(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, file := range sources(t) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				word, _ := strconv.Unquote(lit.Value)
				if places := found[word]; len(places) == 0 || places[len(places)-1] != file {
					found[word] = append(places, file)
				}
			}
			return true
		})
	}
	return found
}

// sources are the Go files of the product, without tests, in order.
func sources(t *testing.T) (files []string) {
	t.Helper()
	for _, tree := range []string{"actor-sdk", "cmd", "host", "internal", "lattice", "provider"} {
		err := filepath.WalkDir(tree, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() && e.Name() == "testdata" {
				return fs.SkipDir
			}
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				files = append(files, filepath.ToSlash(path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}
