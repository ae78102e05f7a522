//go:build foreign

// Package foreign runs software on weft that is built from other people's published crates. It needs cargo and minutes, so
// it is no part of `make test`: run it with `make foreign`.
package foreign

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/natsconn"
	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// A provider on wasmbus-rpc 0.15 starts, gets its link, serves an actor, reports errors, and ends when it is asked.
func TestRustProvider(t *testing.T) {
	dir := t.TempDir()
	run := func(dir, name string, env []string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = filepath.Join(dir, "target")
	}
	run("provider", "cargo", []string{"CARGO_TARGET_DIR=" + target}, "build", "--release", "--locked")
	weft, guest := filepath.Join(dir, "weft"), filepath.Join(dir, "guest.wasm")
	run("../..", "go", nil, "build", "-o", weft, "./cmd/weft")
	run("../..", "go", []string{"GOOS=wasip1", "GOARCH=wasm"}, "build", "-buildmode=c-shared", "-o", guest, "./host/testdata/guest")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	data := []string{"WEFT_DATA_DIR=" + filepath.Join(dir, "data")}
	run(dir, weft, data, "up", "-d", "--nats-port", strconv.Itoa(port), "--http-addr", "127.0.0.1:0")
	t.Cleanup(func() { run(dir, weft, data, "down") })
	run(dir, weft, data, "actor", "start", guest, "--cap", "acme:rust", "--max", "4")
	run(dir, weft, data, "provider", "start", filepath.Join(target, "release", "weft-foreign-provider"), "--contract", "acme:rust")
	run(dir, weft, data, "link", "put", "guest", "weft-foreign-provider", "acme:rust", "key=value")

	keys, err := signing.OpenKeystore(filepath.Join(dir, "data", "keys"))
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := keys.Load(signing.KindCluster, "default")
	if err != nil {
		t.Fatal(err)
	}
	module, err := keys.Load(signing.KindModule, "guest")
	if err != nil {
		t.Fatal(err)
	}
	nc, err := natsconn.Connect(t.Context(), natsconn.Config{URL: "nats://127.0.0.1:" + strconv.Itoa(port)})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	host, err := signing.New(signing.KindHost)
	if err != nil {
		t.Fatal(err)
	}
	client := rpc.NewClient(nc, rpc.ClientConfig{Lattice: lattice.DefaultName, HostID: host.Public(), Cluster: cluster, Timeout: 5 * time.Second})
	actor := wire.ActorEntity(lattice.ActorID(module.Public()))
	call := func(payload string) (string, error) {
		out, err := client.Call(context.Background(), rpc.Call{Origin: actor, Target: actor, Operation: "Test.Provider", Payload: []byte(payload)})
		return string(out), err
	}
	deadline := time.Now().Add(20 * time.Second)
	for { // the provider has the link a moment after it is put
		if _, err = call("acme:rust Rust.Echo"); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Fatalf("echo: %v", err)
	}
	for operation, want := range map[string]string{"Rust.Fail": "out of rust", "Rust.None": "Rust.None"} {
		if _, err := call("acme:rust " + operation); !errors.Is(err, lattice.ErrGuest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a text with %q", operation, err, want)
		}
	}
	if out, err := call("acme:rust Rust.Back"); err != nil {
		t.Errorf("the provider calls the actor back: %q, %v", out, err)
	}
	if list := run(dir, weft, data, "provider", "list"); !strings.Contains(list, "running") {
		t.Errorf("provider list:\n%s", list)
	}
	run(dir, weft, data, "provider", "stop", "weft-foreign-provider")
}
