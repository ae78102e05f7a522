package wasm

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
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
)

// The engine compiles a function in one piece, which nothing can interrupt. What that takes grows with the square of
// some of a function's parts, and with the cube of others. No count of instructions bounds that. So a process of its
// own compiles a module first. The system ends that process when it uses too much memory or processor time, and it
// crashes when the engine has a fault. What it has survived, this process may do: it takes the code from the folder of
// compiled code that both share. Without such a folder it compiles once more.

const (
	DefaultCompileMemory = 2 << 30
	defaultCompileCPU    = time.Minute
	// More would compete for memory that CompileMemory bounds for each of them alone.
	compilersAtOnce = 2
	fitsSuffix      = ".fits"
)

// try compiles a module in a process of its own, unless one has done so before. Without Config.Compiler it does
// nothing. The caller's ctx ends the wait for other modules; the module's own time begins when it is its turn.
func (e *Engine) try(ctx context.Context, wasm []byte) error {
	if len(e.cfg.Compiler) == 0 {
		return nil
	}
	verdict := e.verdict(wasm)
	if _, err := os.Stat(verdict); verdict != "" && err == nil {
		return nil
	}
	select {
	case e.compilers <- struct{}{}:
		defer func() { <-e.compilers }()
	case <-ctx.Done():
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "wait for other modules to be compiled",
			Err: ctx.Err()}
	}
	if err := e.runCompiler(ctx, wasm); err != nil {
		return err
	}
	if verdict != "" {
		_ = os.WriteFile(verdict, nil, 0o600) // it is tried again after the next start, no more
	}
	return nil
}

// verdict is the file that says that a module can be compiled within the limits by this program; "" without a folder.
func (e *Engine) verdict(wasm []byte) string {
	if e.cfg.CacheDir == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintln(h, engineVersion(), runtime.GOARCH, e.cfg.CompileMemory, e.cfg.CompileCPU)
	h.Write(wasm)
	return filepath.Join(e.cfg.CacheDir, hex.EncodeToString(h.Sum(nil))+fitsSuffix)
}

// engineVersion is that of the engine which is built in; "" where the program does not know.
var engineVersion = sync.OnceValue(func() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/tetratelabs/wazero" {
			return m.Version
		}
	}
	return ""
})

// runCompiler runs Config.Compiler on a module and says what became of it.
func (e *Engine) runCompiler(ctx context.Context, wasm []byte) error {
	limited, cancel := context.WithTimeout(ctx, e.cfg.CompileTime)
	defer cancel()
	args := append(e.cfg.Compiler[1:len(e.cfg.Compiler):len(e.cfg.Compiler)], e.cfg.CacheDir,
		strconv.FormatUint(e.cfg.CompileMemory, 10), e.cfg.CompileCPU.String())
	cmd := exec.CommandContext(limited, e.cfg.Compiler[0], args...)
	// It gets nothing of this process's environment: it reads a foreign module, and secrets may stand there.
	cmd.Env, cmd.Dir, cmd.WaitDelay = []string{}, e.cfg.CacheDir, 5*time.Second
	cmd.Stdin = bytes.NewReader(wasm)
	var out, errs head
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err == nil {
		return nil
	}
	state := cmd.ProcessState
	// The process does not say why it died, so causes are told apart by what is certain first: whose time ran out, what
	// the process itself said, what its runtime wrote as it died, what the system counted.
	switch {
	case ctx.Err() != nil:
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "compile module", Err: ctx.Err()}
	case limited.Err() != nil:
		return e.tooLong()
	case state == nil:
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "start the compiler", Entity: e.cfg.Compiler[0],
			Err: err}
	case state.ExitCode() == compilerRefused:
		return errors.New(out.text())
	case strings.Contains(errs.text(), "out of memory") || strings.Contains(errs.text(), "cannot allocate memory"):
		return fmt.Errorf("compiling it takes more than %d MiB of memory; --compile-memory of the host allows more",
			e.cfg.CompileMemory>>20)
	// The system counts for its limit in whole seconds, and may end the process a little before.
	case state.UserTime()+state.SystemTime() > e.cfg.CompileCPU*9/10:
		return fmt.Errorf("compiling it takes more than %v of processor time; --compile-time of the host allows more",
			e.cfg.CompileCPU)
	case state.ExitCode() < 0:
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "compile module",
			Detail: fmt.Sprintf("the compiler was ended from outside (%v); the machine may be out of memory", state)}
	}
	return fmt.Errorf("the engine cannot compile it: %s", errs.reason())
}

// head keeps the beginning of what a process says.
type head struct{ b []byte }

const headBytes = 16 << 10

// Write takes everything, so that the process never waits for a reader, and keeps the first bytes.
func (h *head) Write(p []byte) (int, error) {
	h.b = append(h.b, p[:min(len(p), headBytes-len(h.b))]...)
	return len(p), nil
}

func (h *head) text() string { return strings.TrimSpace(clip.Text(h.b, headBytes)) }

// reason is the first line of a crash.
func (h *head) reason() string {
	line, _, _ := strings.Cut(h.text(), "\n")
	return clip.Text(line, 512)
}
