//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/ocitest"
	"github.com/weftlattice/weft/lattice/oci"
)

// TestRegistryScript runs the command line against real registries: $OPEN, which anybody may use, and $CLOSED, which
// wants the login in $DOCKER_LOGIN. "stopregistry" ends the first.
func TestRegistryScript(t *testing.T) {
	long.Test(t, "starts a registry")
	module, err := os.ReadFile("../../host/internal/wasm/testdata/echo.wasm")
	if err != nil {
		t.Fatal(err)
	}
	component, err := os.ReadFile("../../host/internal/component/testdata/hello.wasm")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/registry", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			data := filepath.Join(env.WorkDir, "data")
			open := ocitest.Start(env.T().(testing.TB), ocitest.Options{})
			closed := ocitest.Start(env.T().(testing.TB), ocitest.Options{Login: true})
			env.Values[openRegistry{}] = open
			for name, value := range map[string]string{"WEFT_DATA_DIR": data, "WEFT_NATS_PORT": "-1",
				"WEFT_HTTP_ADDR": "127.0.0.1:0", "GORACE": "atexit_sleep_ms=0",
				"OPEN": open.Addr, "CLOSED": closed.Addr, "USER_OF_CLOSED": ocitest.User,
				"PASSWORD_OF_CLOSED": ocitest.Password,
				"DOCKER_CONFIG":      filepath.Join(env.WorkDir, "docker")} {
				env.Setenv(name, value)
			}
			env.Defer(func() { endLeftover(t, data) })
			return errors.Join(os.WriteFile(filepath.Join(env.WorkDir, "echo.wasm"), module, 0o644),
				os.WriteFile(filepath.Join(env.WorkDir, "hello.wasm"), component, 0o644))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "until": until,
			"stopregistry": stopRegistry, "pushbare": pushBare},
	})
}

type openRegistry struct{}

// stopregistry ends $OPEN; what was in it is gone.
func stopRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: stopregistry")
	}
	ts.Value(openRegistry{}).(*ocitest.Registry).Stop()
}

// pushbare pushes a file to a registry as it is, as tools do that know no claims: pushbare FILE REF.
func pushBare(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pushbare FILE REF")
	}
	ref, err := oci.ParseReference(args[1])
	ts.Check(err)
	c, err := oci.New(oci.Config{Insecure: []string{ref.Registry}})
	ts.Check(err)
	defer c.Close()
	_, err = c.Push(context.Background(), ref, oci.Artifact{Bytes: []byte(ts.ReadFile(args[0]))})
	ts.Check(err)
}
