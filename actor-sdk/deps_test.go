package actor_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest/long"
)

const module = "github.com/weftlattice/weft/"

// allowed are the packages of this module that may end up inside an actor, as prefixes.
var allowed = []string{
	module + "actor-sdk",
	module + "lattice/msgpack",
	module + "lattice/contract/",
}

// banned are packages of the standard library that must not, with the reason.
var banned = map[string]string{
	"net":           "a guest has no sockets; everything goes through the host",
	"net/http":      "a megabyte of code for types that the httpserver contract has already",
	"os/exec":       "a guest has no processes",
	"crypto/tls":    "the lattice authenticates; a guest has no connections",
	"text/template": "it reaches methods by name, which keeps the linker from dropping any",
	"html/template": "it reaches methods by name, which keeps the linker from dropping any",
	"log/slog":      "logs go through package log of the SDK",
}

func TestDependencies(t *testing.T) {
	long.Test(t, "asks the Go toolchain")
	packages := []string{"./.", "./httpclient", "./keyvalue", "./log", "./numbergen", "./internal/guest",
		"./examples/..."}
	for _, env := range [][]string{{"GOOS=wasip1", "GOARCH=wasm"}, nil} {
		cmd := exec.Command("go", append([]string{"list", "-deps", "-f", "{{.ImportPath}} {{.Standard}}"},
			packages...)...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list %v: %v", env, err)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) < 20 {
			t.Fatalf("go list %v named only %d packages", env, len(lines))
		}
		for _, line := range lines {
			path, standard, _ := strings.Cut(line, " ")
			if why := banned[path]; why != "" {
				t.Errorf("%v: the SDK depends on %s: %s", env, path, why)
			}
			if standard != "true" && !fits(path) {
				t.Errorf("%v: the SDK depends on %s: only the standard library and the guests' part of lattice "+
					"compile into actors", env, path)
			}
		}
	}
}

func fits(path string) bool {
	if path == module+"lattice" {
		return true
	}
	for _, prefix := range allowed {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
