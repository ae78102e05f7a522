package scaffold

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// A misspelt capability is told, and one of somebody's own provider is none.
func TestMisspeltCapabilities(t *testing.T) {
	for c, want := range map[lattice.ContractID]string{ // none is granted without a word
		"wasmcloud:httpserve":       "did you mean wasmcloud:httpserver?",
		"wasmclod:httpserver":       "did you mean wasmcloud:httpserver?",
		"wasmcloud:htpserver":       "did you mean wasmcloud:httpserver?",
		"wasmcloud:keyvalu":         "did you mean wasmcloud:keyvalue?",
		"wasmcloud:key-value":       "did you mean wasmcloud:keyvalue?",
		"wasmcloud:logging":         "did you mean wasmcloud:builtin:logging?",
		"wasmcloud:http":            "did you mean wasmcloud:httpclient or wasmcloud:httpserver?",
		"wasmcloud:httpserver":      "",
		"wasmcloud:builtin:logging": "",
		"wasmcloud:messaging":       "",
		"wasmcloud:blobstore":       "",
		"wasmcloud:sqldb":           "",
		"wasmcloud:eventstreams":    "",
		"acme:keyvalue":             "",
		"acme:queue":                "",
		"a:b":                       "",
	} {
		if err := CheckCapability(c); err != nil {
			t.Errorf("%s is refused: %v", c, err)
		}
		if got := DoubtCapability(c); !strings.HasSuffix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", c, got, want)
		}
	}
	for c, want := range map[lattice.ContractID]string{
		"httpserver":           "did you mean wasmcloud:httpserver?",
		"httpserve":            "did you mean wasmcloud:httpserver?",
		"keyvalue":             "did you mean wasmcloud:keyvalue?",
		"WasmCloud:HttpServer": "did you mean wasmcloud:httpserver?",
		"queue":                "such as wasmcloud:keyvalue",
		"":                     "such as wasmcloud:keyvalue",
		"acme:":                "such as wasmcloud:keyvalue",
	} {
		if err := CheckCapability(c); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", c, err, want)
		}
	}
}
