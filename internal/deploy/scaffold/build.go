package scaffold

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/lattice"
)

// BuildOptions choose the toolchain.
type BuildOptions struct {
	TinyGo bool   // build with tinygo instead of go: a far smaller module, which starts faster
	Target string // TinyGo's target; default "wasip1". A file of your own is named with an absolute path
}

// Artifact is a module that was built; it is not signed.
type Artifact struct {
	Path   string
	Digest string // SHA-256 of the file in lower-case hex
	Size   int64
}

// Build compiles the main package in dir into the module out, or the Rust crate in dir into a component. What out held
// before stays until the build succeeded, so that there is always a good one. Canceling ctx stops the toolchain.
//
// The same sources give the same bytes, whatever folder and repository they lie in.
//
// A missing toolchain is lattice.ErrNotFound; sources that do not compile are lattice.ErrInvalid with what the compiler
// said; a program that is no actor is lattice.ErrBadModule. What the toolchain itself lacks (disk, memory, the network,
// a module's file) is an error without a code, with what it said.
func Build(ctx context.Context, dir, out string, opts BuildOptions) (Artifact, error) {
	out, err := filepath.Abs(out)
	if err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return Artifact{}, localfile.Error("make", filepath.Dir(out), err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(out), ".weft-build-")
	if err != nil {
		return Artifact{}, localfile.Error("write to", filepath.Dir(out), err)
	}
	defer os.RemoveAll(tmp)
	fresh := filepath.Join(tmp, "actor.wasm")
	if err := compile(ctx, dir, fresh, opts); err != nil {
		return Artifact{}, err
	}
	wasm, err := os.ReadFile(fresh)
	if err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", dir, err)
	}
	if !bytes.HasPrefix(wasm, componentHead) && (!bytes.HasPrefix(wasm, componentHead[:4]) ||
		!bytes.Contains(wasm, []byte("__guest_call"))) {
		return Artifact{}, &lattice.Error{Code: lattice.ErrBadModule, Op: "build", Entity: dir,
			Detail: "the program has no __guest_call: an actor is a main package that imports " +
				"github.com/weftlattice/weft/actor-sdk"}
	}
	if err := os.Rename(fresh, out); err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", dir, err)
	}
	sum := sha256.Sum256(wasm)
	return Artifact{Path: out, Digest: hex.EncodeToString(sum[:]), Size: int64(len(wasm))}, nil
}

// componentHead is how a component begins.
var componentHead = []byte("\x00asm\x0d\x00\x01\x00")

// What links actor-sdk's weft_restored, so that hosts can copy instances: it reaches into Go's runtime by name.
const (
	restoreTag  = "weft_restore"
	restoreLink = "-checklinkname=0"
)

func compile(ctx context.Context, dir, out string, opts BuildOptions) error {
	t, args := tool{"go", "https://go.dev/dl", wasip1}, []string{"build", "-buildmode=c-shared", "-trimpath",
		"-buildvcs=false", "-tags=" + restoreTag, "-ldflags=-s -w " + restoreLink, "-o", out, "."}
	switch {
	case isCargo(dir) && opts.TinyGo:
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "build", Entity: dir,
			Detail: "it is a Rust crate, which TinyGo does not build; leave --tinygo away"}
	case isCargo(dir):
		return cargo(ctx, dir, out)
	case opts.TinyGo:
		t.name, t.where = "tinygo", "https://tinygo.org"
		args = []string{"build", "-target=" + cmp.Or(opts.Target, "wasip1"), "-buildmode=c-shared", "-scheduler=none",
			"-opt=2", "-no-debug", "-o", out, "."}
	}
	return run(ctx, dir, t, nil, args...)
}

// tool is a program that compiles.
type tool struct {
	name, where string   // where it can be had
	env         []string // besides that of this process
}

var wasip1 = []string{"GOOS=wasip1", "GOARCH=wasm"}

// run runs a tool in dir. What it says is the error's, unless said takes its standard output.
func run(ctx context.Context, dir string, t tool, said *bytes.Buffer, args ...string) error {
	program, err := exec.LookPath(t.name)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "build", Entity: dir,
			Detail: t.name + " is not on the PATH; get it from " + t.where}
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), t.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it then removes its own temporary files
	cmd.WaitDelay = 5 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if said != nil {
		cmd.Stdout = said
	}
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "build", Entity: dir, Detail: "stopped"}
	}
	return buildError(dir, t.name, program, strings.TrimSpace(output.String()), err)
}

// atSource is how a compiler's message about sources looks: a place in a file, or what no package can be made of.
var atSource = regexp.MustCompile(`(?m)^\S+\.(go|s|c|h):\d+|^ *--> \S+\.rs:\d+|^\S*: ` +
	`*no (buildable )?Go (source )?files|^no Go files in|build constraints exclude all Go files|import cycle ` +
	`not allowed`)

// buildError tells sources that do not compile from a toolchain that could not do its work.
func buildError(dir, tool, program, text string, err error) error {
	var exit *exec.ExitError
	switch ended := errors.As(err, &exit); {
	case !ended:
		return fmt.Errorf("build %s: %s could not be run: %w", dir, program, err)
	case strings.Contains(text, "no space left on device"):
		return fmt.Errorf("build %s: the disk is full: %s needs room in the temporary folder (TMPDIR) "+
			"and its cache (go env GOCACHE); go clean -cache makes some\n%s", dir, tool, text)
	case exit.ExitCode() < 0 || strings.Contains(text, "signal: killed"):
		return fmt.Errorf("build %s: %s was killed (%s): the system may have too little memory; "+
			"GOFLAGS=-p=1 takes less\n%s", dir, tool, exit, text)
	case atSource.MatchString(text):
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "build", Entity: dir,
			Detail: "the sources do not compile\n" + text}
	case text == "":
		return fmt.Errorf("build %s: %s ended with %s and said nothing", dir, tool, exit)
	}
	return fmt.Errorf("build %s: %s could not do its work\n%s", dir, tool, text)
}

// Embeds returns what the packages in dir embed, and theirs below it, as patterns of absolute paths that filepath.Match
// takes; a pattern also stands for all that is below a folder of that name.
func Embeds(ctx context.Context, dir string) ([]string, error) {
	if isCargo(dir) {
		return nil, nil // cargo knows, and says nothing
	}
	const format = `{{if not .Standard}}{{$d := .Dir}}{{range .EmbedPatterns}}{{$d}}{{"\t"}}{{.}}{{"\n"}}{{end}}{{end}}`
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-tags="+restoreTag, "-f", format, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), wasip1...)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list what %s embeds: %w", dir, err)
	}
	var patterns []string
	for line := range strings.Lines(string(out)) {
		folder, pattern, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if !ok {
			continue
		}
		if real, err := filepath.EvalSymlinks(folder); err == nil {
			folder = real
		}
		patterns = append(patterns, filepath.Join(folder, filepath.FromSlash(strings.TrimPrefix(pattern, "all:"))))
	}
	return patterns, nil
}
