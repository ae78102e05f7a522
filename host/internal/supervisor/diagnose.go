package supervisor

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/weftlattice/weft/lattice"
)

// startError names what kept a program from being run, with a hint.
func startError(path string, err error) error {
	code := lattice.ErrUnavailable
	if _, statErr := os.Stat(path); errors.Is(statErr, fs.ErrNotExist) {
		code = lattice.ErrNotFound
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the path is the entity
	}
	return &lattice.Error{Code: code, Op: "start", Entity: path, Detail: diagnose(path, err), Err: err}
}

// diagnose says in words why the system may have refused to run a program: another architecture or system, not
// executable, an interpreter that is not installed. It returns "" when nothing strikes.
func diagnose(path string, err error) string {
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		return "there is no such file"
	case statErr != nil:
		return ""
	case info.IsDir():
		return "it is a directory"
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		if info.Mode().Perm()&0o111 == 0 {
			return "the file is not executable (chmod +x)"
		}
		return "running it is not permitted; is its file system mounted noexec?"
	case errors.Is(err, syscall.ENOEXEC):
		return "it is " + kindOfFile(path) + "; this machine is " + runtime.GOARCH + " " + runtime.GOOS
	case errors.Is(err, fs.ErrNotExist): // the file is there, so it is something that the file needs
		if loader := interpreter(path); loader != "" {
			return fmt.Sprintf("it needs %s, which is not installed; use a static build, "+
				"or one for this system's C library", loader)
		}
	}
	return ""
}

// kindOfFile says what a file is that the system does not run, by its first bytes.
func kindOfFile(path string) string {
	head := make([]byte, 64)
	f, err := os.Open(path)
	if err != nil {
		return "unreadable"
	}
	defer f.Close()
	n, _ := f.Read(head)
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		if e, err := elf.NewFile(f); err == nil {
			defer e.Close()
			return "a program for " + strings.ToLower(strings.TrimPrefix(e.Machine.String(), "EM_")) + " linux"
		}
		return "a damaged program for linux"
	case bytes.HasPrefix(head, []byte("MZ")):
		return "a program for windows"
	case bytes.HasPrefix(head, []byte("\xcf\xfa\xed\xfe")), bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")):
		return "a program for macos"
	case bytes.HasPrefix(head, []byte("\x00asm")):
		return "a WebAssembly module, which is an actor, not a provider"
	case bytes.HasPrefix(head, []byte("\x1f\x8b")), len(head) > 60 && bytes.HasPrefix(head, []byte("claims.jwt")):
		return "a provider archive, not a program"
	case n == 0:
		return "an empty file"
	default:
		return "no program"
	}
}

// interpreter returns what the file names as its loader: of ELF files the dynamic linker, of scripts the first line.
func interpreter(path string) string {
	head := make([]byte, 256)
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	n, _ := f.Read(head)
	if line, ok := bytes.CutPrefix(head[:n], []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		word, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		return lattice.Printable(word)
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	defer e.Close()
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 1024 {
			name := make([]byte, p.Filesz)
			if _, err := p.ReadAt(name, 0); err == nil {
				return lattice.Printable(strings.TrimRight(string(name), "\x00"))
			}
		}
	}
	return ""
}
