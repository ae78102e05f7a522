package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// bin holds the paths of what is tested.
var bin struct {
	weft, nats, greeter string
	actors              string // folder of NAME.wasm, unsigned, each with its NAME folder and actor.yaml
}

// exampleActors are those of actor-sdk/examples; the others are in testdata.
var exampleActors = []string{"echo", "kvcounter", "edge-data-processor", "pinger", "ponger"}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weft-e2e-")
	if err == nil {
		err = build(dir)
	}
	if err == nil {
		err = keeper.start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		keeper.stop()
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build makes every binary and module that the tests start.
func build(dir string) error {
	bin.weft, bin.nats, bin.greeter, bin.actors = filepath.Join(dir, "weft"), filepath.Join(dir, "nats-server"),
		filepath.Join(dir, "greeter"), filepath.Join(dir, "actors")
	if given := os.Getenv("WEFT_BIN"); given != "" {
		abs, err := filepath.Abs(given)
		if err != nil {
			return err
		}
		bin.weft = abs
	} else if err := goBuild(bin.weft, "./cmd/weft"); err != nil {
		return err
	}
	if err := goBuild(bin.nats, "github.com/nats-io/nats-server/v2"); err != nil {
		return err
	}
	if err := goBuild(bin.greeter, "./provider/example"); err != nil {
		return err
	}
	for _, name := range exampleActors {
		if err := buildActor(dir, name, "./actor-sdk/examples/"+name); err != nil {
			return err
		}
	}
	if err := buildActor(dir, "hostile", "./e2e/testdata/hostile"); err != nil {
		return err
	}
	for version := 1; version <= guestVersions; version++ {
		if err := buildActor(dir, guest(version), "./e2e/testdata/guest", fmt.Sprintf("-X main.version=%d",
			version)); err != nil {
			return err
		}
	}
	return nil
}

// buildActor builds a module into a folder of its own, where the actor.yaml that signing looks for lies beside it.
func buildActor(dir, name, pkg string, link ...string) error {
	out := filepath.Join(dir, "actors", name, name+".wasm")
	if err := goBuild(out, pkg, append([]string{wasip1}, link...)...); err != nil {
		return err
	}
	project, err := os.ReadFile(filepath.Join("..", pkg, "actor.yaml"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(out), "actor.yaml"), project, 0o644)
}

const wasip1 = "wasip1"

// goBuild builds a command for this machine, or as an actor when the first option is wasip1; the others go to the
// linker.
func goBuild(out, pkg string, options ...string) error {
	env := []string{"CGO_ENABLED=0"}
	args := []string{"build", "-trimpath", "-o", out}
	if len(options) > 0 && options[0] == wasip1 {
		env, args, options = append(env, "GOOS=wasip1", "GOARCH=wasm"), append(args, "-buildmode=c-shared"), options[1:]
	}
	cmd := exec.Command("go", append(args, "-ldflags", strings.Join(append(options, "-s", "-w"), " "), pkg)...)
	cmd.Dir = ".." // the module's root
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// module is the path of an actor's unsigned module.
func module(name string) string { return filepath.Join(bin.actors, name, name+".wasm") }

// guestVersions is how many builds of the guest there are. They differ in what they say their version is.
const guestVersions = 4

// guest is the name of a version of the guest, for module; the first is "guest".
func guest(version int) string {
	if version == 1 {
		return "guest"
	}
	return fmt.Sprintf("guest-%d", version)
}
