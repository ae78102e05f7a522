//go:build foreign

package foreign

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/natsconn"
)

// wadm 0.10 from its crate, unchanged, looks after an application on two weft hosts: it deploys and spreads it, updates
// it, puts back what was stopped, and takes it away again; an image that cannot be found does not make it and the hosts
// run in a circle.
func TestWadm(t *testing.T) {
	r := newRig(t)
	m := startWadm(r)
	for _, v := range []string{"1", "2"} {
		guest := filepath.Join(r.dir, "guest.wasm")
		r.run("../..", []string{"GOOS=wasip1", "GOARCH=wasm"}, "go", "build", "-buildmode=c-shared", "-ldflags",
			"-X main.version="+v, "-o", guest, "./host/testdata/guest")
		r.cli("push", guest, "--name", "guest", "--cap", "wasmcloud:httpserver", "--cap", "wasmcloud:keyvalue",
			"--rev", v, "--tag", v)
	}
	for _, zone := range []string{"east", "west"} {
		startHost(r, zone)
	}
	port := strconv.Itoa(freePort(t))
	app := func(version, image string) string {
		return fmt.Sprintf(`
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: shop, annotations: {version: %s, description: "an actor and a provider"}}
spec:
  components:
    - name: guest
      type: actor
      properties: {image: %q}
      traits:
        - type: spreadscaler
          properties:
            instances: 5
            spread:
              - {name: east, requirements: {zone: east}, weight: 80}
              - {name: west, requirements: {zone: west}, weight: 20}
        - {type: linkdef, properties: {target: web, values: {address: "127.0.0.1:%s"}}}
    - name: web
      type: capability
      properties: {image: "builtin://httpserver", contract: "wasmcloud:httpserver"}
      traits:
        - {type: spreadscaler, properties: {instances: 1, spread: [{name: east, requirements: {zone: east}}]}}
`, version, image, port)
	}
	deploy := func(version, image string) {
		t.Helper()
		if res := m.ask("put", "", app(version, image)); res.Result != "created" && res.Result != "newversion" {
			t.Fatalf("put: %+v", res)
		}
		if res := m.ask("deploy", "shop", fmt.Sprintf(`{"version":%q}`, version)); res.Result != "acknowledged" {
			t.Fatalf("deploy: %+v", res)
		}
	}
	// spread is how many instances of the guest may run on each host, by the name of the host.
	spread := func() map[string]uint32 {
		var list []struct {
			Host string `json:"host"`
			Max  uint32 `json:"max_instances"`
		}
		out := r.cli("actor", "list", "-o", "json")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		got := map[string]uint32{}
		for _, a := range list {
			got[a.Host] += a.Max
		}
		return got
	}
	eventual := func(what string, f func() error) {
		t.Helper()
		t.Log(what)
		latticetest.Eventually(t, func() error {
			if err := f(); err != nil {
				return fmt.Errorf("%s: %w; wadm says %+v\n%s", what, err, m.ask("status", "shop", ""), m.tail())
			}
			return nil
		})
	}
	spreadIs := func(east, west uint32) func() error {
		return func() error {
			if got := spread(); got["east"] != east || got["west"] != west {
				return fmt.Errorf("%v, want %d on east and %d on west", got, east, west)
			}
			return nil
		}
	}

	deploy("v1", "lattice://guest:1")
	eventual("deployed and spread", spreadIs(4, 1))
	eventual("linked and serving", func() error {
		res, err := http.Get("http://127.0.0.1:" + port + "/")
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	eventual("status", func() error {
		if s := m.ask("status", "shop", "").Status.Status.Type; s != "deployed" {
			return fmt.Errorf("status %q", s)
		}
		return nil
	})

	r.cli("actor", "stop", "guest")
	eventual("put back after it was stopped", spreadIs(4, 1))

	deploy("v2", "lattice://guest:2")
	eventual("updated", func() error {
		if out := r.cli("actor", "list", "-o", "json"); !strings.Contains(out, "lattice://guest:2") ||
			strings.Contains(out, "lattice://guest:1") {
			return fmt.Errorf("%s", out)
		}
		return spreadIs(4, 1)()
	})

	var commands atomic.Int64
	sub, err := m.nc.Subscribe("wasmbus.ctl.default.cmd.*.scale", func(*nats.Msg) { commands.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if res := m.ask("undeploy", "shop", ""); res.Result != "acknowledged" {
		t.Fatalf("undeploy: %+v", res)
	}
	eventual("undeployed", func() error {
		if n := len(spread()); n > 0 {
			return fmt.Errorf("runs on %d hosts", n)
		}
		if out := r.cli("provider", "list"); strings.Contains(out, "httpserver") {
			return fmt.Errorf("%s", out)
		}
		if out := r.cli("link", "list"); strings.Contains(out, "guest") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})

	deploy("v3", "lattice://nowhere:1")
	eventual("an image that nobody has is asked for", func() error {
		if commands.Load() == 0 {
			return fmt.Errorf("no command")
		}
		return nil
	})
	commands.Store(0)
	time.Sleep(20 * time.Second) // this is a rate: in 15 s it was 60 to 80
	if n := commands.Load(); n > 8 {
		t.Errorf("%d commands to start what cannot be started in 20 s", n)
	} else {
		t.Logf("%d commands in 20 s", n)
	}
}

// wadm is a running application manager and the connection over which the test asks it.
type wadm struct {
	t   *testing.T
	nc  *nats.Conn
	log string
}

// startWadm builds wadm where cargo builds, and starts it on the lattice's NATS server.
func startWadm(r *rig) *wadm {
	r.t.Helper()
	root := filepath.Join(r.target, "wadm")
	if _, err := os.Stat(filepath.Join(root, "bin", "wadm")); err != nil {
		// its lock file names crates that today's compiler refuses
		r.run(".", []string{"CARGO_TARGET_DIR=" + r.target}, "cargo", "install", "wadm", "--version", "0.10.0",
			"--features", "cli", "--root", root)
	}
	m := &wadm{t: r.t, log: filepath.Join(r.dir, "wadm.log")}
	out, err := os.Create(m.log)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "bin", "wadm"), "--nats-server", "127.0.0.1:"+strconv.Itoa(r.port))
	cmd.Stdout, cmd.Stderr = out, out
	background(r.t, cmd)
	_ = out.Close()
	if m.nc, err = natsconn.Connect(r.t.Context(),
		natsconn.Config{URL: "nats://127.0.0.1:" + strconv.Itoa(r.port)}); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(m.nc.Close)
	latticetest.Eventually(r.t, func() error {
		if _, err := m.nc.Request("wadm.api.default.model.list", nil, 2*time.Second); err != nil {
			return fmt.Errorf("wadm does not answer: %w\n%s", err, m.tail())
		}
		return nil
	})
	return m
}

// startHost starts a further host on the rig's machine, named after its zone.
func startHost(r *rig, zone string) {
	r.t.Helper()
	cmd := exec.Command(r.weft, "host", "run", "--name", zone, "--label", "zone="+zone, "--http-addr", "",
		"--nats-url", "nats://127.0.0.1:"+strconv.Itoa(r.port))
	cmd.Env = append(os.Environ(), "WEFT_DATA_DIR="+filepath.Join(r.dir, "data-"+zone), "WEFT_CLUSTER_SEED="+r.key('C',
		"default").Seed())
	log, err := os.Create(filepath.Join(r.dir, zone+".log"))
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	background(r.t, cmd)
	_ = log.Close()
	latticetest.Eventually(r.t, func() error {
		if out := r.cli("host", "list"); !strings.Contains(out, zone) {
			b, _ := os.ReadFile(log.Name())
			return fmt.Errorf("host %s is not there:\n%s\n%s", zone, out, b)
		}
		return nil
	})
}

// background starts a process that ends with the test.
func background(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
	})
}

// answer is what wadm says.
type answer struct {
	Result, Message string
	Status          struct {
		Status struct{ Type, Message string }
	}
}

func (m *wadm) ask(op, name, body string) (a answer) {
	m.t.Helper()
	subject := "wadm.api.default.model." + op
	if name != "" {
		subject += "." + name
	}
	reply, err := m.nc.Request(subject, []byte(body), 10*time.Second)
	if err != nil {
		m.t.Fatalf("wadm %s: %v\n%s", op, err, m.tail())
	}
	if err := json.Unmarshal(reply.Data, &a); err != nil {
		m.t.Fatalf("wadm %s: %v: %s", op, err, reply.Data)
	}
	return a
}

// tail is the end of wadm's log.
func (m *wadm) tail() string {
	b, _ := os.ReadFile(m.log)
	return string(b[max(0, len(b)-2000):])
}
