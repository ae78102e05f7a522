package host

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Warm compiles a module, signed or not, into the cacheDir (Config.CacheDir) of hosts on machines like this one. So the
// first of them to start it need not compile it. A module that no host would run is lattice.ErrBadModule.
func Warm(ctx context.Context, cacheDir string, module []byte) error {
	code, err := signing.WithoutToken(module)
	if err != nil {
		return err
	}
	engine, err := wasm.New(ctx, wasm.Config{CacheDir: filepath.Join(cacheDir, compiledDir)})
	if err != nil {
		return err
	}
	m, err := engine.Compile(ctx, code)
	if err == nil {
		err = m.Close(ctx)
	}
	return errors.Join(err, engine.Close(ctx))
}

// CheckModule says why no host would compile a module, signed or not, in the words of hosts (lattice.ErrBadModule), or
// returns nil. It compiles nothing: what a module imports and exports, and what takes too much in ways that cannot be
// read off it, a host says. What a component imports is judged here.
func CheckModule(module []byte) error {
	code, err := signing.WithoutToken(module)
	if err == nil {
		err = wasm.Check(code)
	}
	return err
}

// World writes what a component, signed or not, imports and exports, as WIT. It returns "" for a module, and
// lattice.ErrBadModule for what is neither.
func World(file []byte) (string, error) {
	code, err := signing.WithoutToken(file)
	if err != nil {
		return "", err
	}
	return wasm.World(code)
}

// Contracts are those that a component, signed or not, needs for what it calls and for how it is called, sorted. They
// are empty for one that needs none, and nil for a module, whose imports do not tell.
func Contracts(file []byte) ([]lattice.ContractID, error) {
	code, err := signing.WithoutToken(file)
	if err != nil {
		return nil, err
	}
	return wasm.Contracts(code)
}

// Interfaces are the names of what a component, signed or not, imports and exports, in its order; nil for a module.
func Interfaces(file []byte) (imports, exports []string, err error) {
	code, err := signing.WithoutToken(file)
	if err != nil {
		return nil, nil, err
	}
	return wasm.Interfaces(code)
}

// Interface is one that a component imports or exports, with who is on the other side of it.
type Interface struct {
	Name   string `json:"name"`
	Export bool   `json:"export,omitempty"` // the component serves it
	// By is who serves an import or calls an export: "host", "contract" (a provider of it, through a link), "actor"
	// (another one, through a link), or "nobody". An interface of types alone is served by the host, whatever it is.
	By       string             `json:"by"`
	Contract lattice.ContractID `json:"contract,omitempty"` // of "contract" and "actor": what a link is for
	// functions that nobody serves, with their types where these are wrong
	Missing []string `json:"missing,omitempty"`
	Hint    string   `json:"hint,omitempty"` // what to do about Missing
}

// Needs are the interfaces of a component, signed or not, in its order, imports first; none for a module.
func Needs(file []byte) ([]Interface, error) {
	code, err := signing.WithoutToken(file)
	if err != nil {
		return nil, err
	}
	needs, err := wasm.Needs(code)
	all := make([]Interface, len(needs))
	for i, n := range needs {
		all[i] = Interface(n)
	}
	return all, err
}

// CompilerMain is the work of the process that Config.Compiler starts: it reads a module from stdin and compiles it
// within the limits that args say. It returns the process's exit code.
func CompilerMain(args []string, stdin io.Reader, stdout io.Writer) int {
	return wasm.CompilerMain(args, stdin, stdout)
}

// compiledDir is where compiled code lies in Config.CacheDir.
const compiledDir = "compiled"
