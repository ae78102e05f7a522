package scaffold

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

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

// Build compiles the main package in dir into the module out. What out held before stays until the build succeeded, so
// that there is always a good one. Canceling ctx stops the toolchain.
//
// A missing toolchain is lattice.ErrNotFound; sources that do not compile are lattice.ErrInvalid with what the compiler
// said; a program that is no actor is lattice.ErrBadModule.
func Build(ctx context.Context, dir, out string, opts BuildOptions) (Artifact, error) {
	out, err := filepath.Abs(out)
	if err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", dir, err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(out), ".weft-build-")
	if err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", dir, err)
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
	if !bytes.HasPrefix(wasm, []byte("\x00asm")) || !bytes.Contains(wasm, []byte("__guest_call")) {
		return Artifact{}, &lattice.Error{Code: lattice.ErrBadModule, Op: "build", Entity: dir,
			Detail: "the program has no __guest_call: an actor is a main package that imports github.com/weftlattice/weft/actor-sdk"}
	}
	if err := os.Rename(fresh, out); err != nil {
		return Artifact{}, fmt.Errorf("build %s: %w", dir, err)
	}
	sum := sha256.Sum256(wasm)
	return Artifact{Path: out, Digest: hex.EncodeToString(sum[:]), Size: int64(len(wasm))}, nil
}

// What links actor-sdk's weft_restored, so that hosts can copy instances: it reaches into Go's runtime by name.
const (
	restoreTag  = "weft_restore"
	restoreLink = "-checklinkname=0"
)

func compile(ctx context.Context, dir, out string, opts BuildOptions) error {
	tool, where, args := "go", "https://go.dev/dl", []string{"build", "-buildmode=c-shared", "-trimpath", "-tags=" + restoreTag, "-ldflags=-s -w " + restoreLink, "-o", out, "."}
	if opts.TinyGo {
		target := opts.Target
		if target == "" {
			target = "wasip1"
		}
		tool, where = "tinygo", "https://tinygo.org"
		args = []string{"build", "-target=" + target, "-buildmode=c-shared", "-scheduler=none", "-opt=2", "-no-debug", "-o", out, "."}
	}
	program, err := exec.LookPath(tool)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "build", Entity: dir,
			Detail: tool + " is not on the PATH; get it from " + where}
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it then removes its own temporary files
	cmd.WaitDelay = 5 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "build", Entity: dir, Detail: "stopped"}
	}
	if text := strings.TrimSpace(output.String()); text != "" {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "build", Entity: dir, Detail: "the sources do not compile\n" + text}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "build", Entity: dir, Detail: tool + " ended with " + exit.String()}
	}
	return &lattice.Error{Code: lattice.ErrInternal, Op: "build", Entity: dir, Detail: "run " + program, Err: err}
}
