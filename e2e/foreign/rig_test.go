//go:build foreign

// Package foreign runs software on weft that is built from other people's published crates. It needs cargo and minutes,
// so it is no part of `make test`: run it with `make foreign`.
package foreign

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// rig is a lattice of one host, driven by the command line.
type rig struct {
	t      *testing.T
	dir    string
	weft   string // the binary
	target string // where cargo builds
	port   int    // of NATS
	keys   *signing.Keystore
	client *rpc.Client
}

// newRig builds weft and starts a lattice, which ends with the test. CARGO_TARGET_DIR keeps what cargo builds.
func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, weft: filepath.Join(dir, "weft"), target: os.Getenv("CARGO_TARGET_DIR"),
		port: freePort(t)}
	if r.target == "" {
		r.target = filepath.Join(dir, "target")
	}
	r.run("../..", nil, "go", "build", "-o", r.weft, "./cmd/weft")
	r.cli("up", "-d", "--nats-port", strconv.Itoa(r.port), "--http-addr", "127.0.0.1:0")
	t.Cleanup(func() { r.cli("down") })
	var err error
	if r.keys, err = signing.OpenKeystore(filepath.Join(dir, "data", "keys")); err != nil {
		t.Fatal(err)
	}
	nc, err := natsconn.Connect(t.Context(), natsconn.Config{URL: "nats://127.0.0.1:" + strconv.Itoa(r.port)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	host, err := signing.New(signing.KindHost)
	if err != nil {
		t.Fatal(err)
	}
	r.client = rpc.NewClient(nc, rpc.ClientConfig{Lattice: lattice.DefaultName, HostID: lattice.HostID(host.Public()),
		Cluster: r.key(signing.KindCluster, "default"), Timeout: 5 * time.Second})
	return r
}

// in is the rig for a subtest.
func (r *rig) in(t *testing.T) *rig {
	sub := *r
	sub.t = t
	return &sub
}

func (r *rig) key(kind byte, name string) signing.KeyPair {
	r.t.Helper()
	k, err := r.keys.Load(kind, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

// run runs a program to its end and returns what it printed.
func (r *rig) run(dir string, env []string, name string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// cli runs weft.
func (r *rig) cli(args ...string) string {
	r.t.Helper()
	return r.run(r.dir, []string{"WEFT_DATA_DIR=" + filepath.Join(r.dir, "data")}, r.weft, args...)
}

// cargo builds the crate in a folder here and returns the folder of the results. An empty triple is this machine's. A
// crate without a lock file names the versions that it takes itself.
func (r *rig) cargo(folder, triple string) string {
	r.t.Helper()
	args := []string{"build", "--release"}
	if _, err := os.Stat(filepath.Join(folder, "Cargo.lock")); err == nil {
		args = append(args, "--locked")
	}
	if triple != "" {
		args = append(args, "--target", triple)
	}
	r.run(folder, []string{"CARGO_TARGET_DIR=" + r.target}, "cargo", args...)
	return filepath.Join(r.target, triple, "release")
}

// call calls an actor that was started from an unsigned file of that name, in its own name.
func (r *rig) call(actor, operation, payload string) (string, error) {
	r.t.Helper()
	e := wire.ActorEntity(lattice.ActorID(r.key(signing.KindModule, actor).Public()))
	out, err := r.client.Call(context.Background(), rpc.Call{Origin: e, Target: e, Operation: operation,
		Payload: []byte(payload)})
	return string(out), err
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
