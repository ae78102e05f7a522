package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// weft is the binary under test: that of WEFT_BIN, or one built for this run.
var weft = os.Getenv("WEFT_BIN")

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weft-attack-")
	if err == nil && weft == "" {
		weft = filepath.Join(dir, "weft")
		cmd := exec.Command("go", "build", "-o", weft, "./cmd/weft")
		cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("build weft: %w\n%s", err, out)
		}
	}
	if err == nil && !filepath.IsAbs(weft) {
		err = fmt.Errorf("WEFT_BIN %s is not absolute", weft)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}
