package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/join"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
)

// Ids of the built-in providers: the same everywhere, as the project promises.
var (
	httpserverID = builtinID("httpserver")
	redisID      = builtinID("keyvalue-redis")
	kvnatsID     = builtinID("keyvalue-nats")
)

func builtinID(name string) lattice.ProviderID {
	return lattice.ProviderID(signing.Derive(signing.KindProvider, "weft builtin "+name).Public())
}

// rig is one lattice: a NATS server and a lattice name, an operator with a data directory, and whatever the test
// starts.
type rig struct {
	t       *testing.T
	dir     string
	lattice lattice.Name
	cluster signing.KeyPair
	port    int
	nats    *process
	kind    natsKind
	secure  *secureNATS       // of kind foreignUsers
	conf    string            // of a bare NATS server, in the place of the usual one
	more    []string          // environment of all that is started, besides the usual
	tokens  map[string]string // of kind tokens: files, by the name of the host that joins with it
	within  []string          // command that runs hosts that are started from now on
	nc      *nats.Conn        // the test's own, an operator's
	ctl     *control.Client
}

// natsKind says which clients the NATS server of a rig lets in.
type natsKind int

const (
	tokens       natsKind = iota // weft's own server, with TLS: clients with a token of "weft token create"
	anybody                      // a bare nats-server: every client
	foreignUsers                 // a nats-server: users whose credentials it knows in its own way
)

// operatorToken is the name of the operator's token among those of the rig.
const operatorToken = "operator"

// newRig starts a lattice as people run it: every host and command joins with a token. The test fails if one of them
// has tried what the roles do not allow (process.noFaults).
func newRig(t *testing.T) *rig { return newRigOf(t, tokens, nil) }

// newForeignRig starts a NATS server with users of its own.
func newForeignRig(t *testing.T, secure *secureNATS) *rig { return newRigOf(t, foreignUsers, secure) }

func newRigOf(t *testing.T, kind natsKind, secure *secureNATS) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), lattice: "e2e", port: freePort(t), kind: kind, secure: secure,
		tokens: map[string]string{}}
	r.startNATS()
	t.Cleanup(func() { r.nats.close() }) // of whichever runs then, and after all that use it
	var own natsconn.Config
	var err error
	if kind == tokens {
		token := r.newToken(operatorToken, "--role", "operator", "--cluster-key")
		own = token.Connection()
		r.cluster, err = signing.FromSeed(token.ClusterSeed)
	} else {
		own.URL = r.url()
		if secure != nil {
			own.CredsFile = secure.operator
		}
		r.cluster, err = signing.New(signing.KindCluster)
	}
	if err != nil {
		t.Fatal(err)
	}
	own.Name, own.RetryOnFailedConnect = t.Name(), true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r.nc, err = natsconn.Connect(ctx, own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.nc.Close)
	r.ctl = control.NewClient(r.nc, subject.Control{Prefix: subject.DefaultControlPrefix, Lattice: r.lattice}, 0)
	return r
}

func (r *rig) url() string {
	if r.kind == tokens {
		return "tls://" + local(r.port)
	}
	return "nats://" + local(r.port)
}

// newToken makes a token and keeps it in a file under a name.
func (r *rig) newToken(name string, args ...string) join.Token {
	r.t.Helper()
	res := r.run(r.serverEnv(), append([]string{"token", "create", "--name", name}, args...)...)
	if res.code != 0 {
		r.t.Fatal(res)
	}
	token, err := join.Decode(res.out)
	if err != nil {
		r.t.Fatal(err)
	}
	path := filepath.Join(r.dir, name+".token")
	if err := os.WriteFile(path, []byte(res.out), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.tokens[name] = path
	return token
}

// serverEnv is the environment of the process that runs the NATS server of kind tokens.
func (r *rig) serverEnv() []string {
	return append(r.bareEnv("WEFT_LATTICE="+string(r.lattice), "WEFT_DATA_DIR="+filepath.Join(r.dir, "server")),
		r.more...)
}

// newStation is a rig without a NATS server, for "weft up" to make one.
func newStation(t *testing.T) *rig { return &rig{t: t, dir: t.TempDir()} }

// startNATS starts the NATS server, again after a kill: on the same port and data. It returns when tokens can be made.
func (r *rig) startNATS() {
	r.t.Helper()
	if r.kind == tokens {
		r.nats = spawn(r.t, r.dir, "nats-server", r.serverEnv(), bin.weft, "nats", "run", "--nats-auth", "--nats-port",
			strconv.Itoa(r.port), "-o", "json")
		latticetest.Eventually(r.t, func() error {
			if !r.nats.alive() {
				r.t.Fatalf("the NATS server has ended: %s", tail(r.nats.stderr, 2<<10))
			}
			if out, err := os.ReadFile(r.nats.stdout); err != nil || !strings.Contains(string(out), "nats_url") {
				return fmt.Errorf("the NATS server is not ready: %s %v", out, err)
			}
			return nil
		})
		return
	}
	config := filepath.Join(r.dir, "nats.conf")
	text := fmt.Sprintf("listen: %q\njetstream: {store_dir: %q}\n", local(r.port), filepath.Join(r.dir, "nats"))
	if r.secure != nil {
		text += r.secure.config
	}
	if r.conf != "" {
		text = r.conf
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.nats = spawn(r.t, r.dir, "nats-server", r.env(), bin.nats, "-c", config)
}

// bareEnv is an environment with nothing of the tester's own weft.
func (r *rig) bareEnv(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "XDG_DATA_HOME=" + filepath.Join(r.dir,
		"xdg"), "TMPDIR=" + os.TempDir()}, more...)
}

// env is the environment of the operator's commands.
func (r *rig) env(more ...string) []string { return r.envOf(operatorToken, more...) }

// envOf is the environment of a process that joins with a token of a name, or in the way that the rig's kind of server
// wants.
func (r *rig) envOf(name string, more ...string) []string {
	env := r.bareEnv()
	switch {
	case r.port == 0: // a station
	case r.kind == tokens:
		env = append(env, "WEFT_JOIN="+r.tokens[name])
	default:
		env = append(env, "WEFT_NATS_URL="+r.url(), "WEFT_LATTICE="+string(r.lattice),
			"WEFT_CLUSTER_SEED="+r.cluster.Seed())
	}
	if r.secure != nil {
		env = append(env, "WEFT_CREDS="+r.secure.operator)
	}
	return append(append(env, r.more...), more...)
}

// host is a host process.
type host struct {
	*process
	ID       lattice.HostID `json:"id"`
	Name     string         `json:"name"`
	HTTPAddr string         `json:"http_addr"`
}

// host starts a host and waits until it is ready.
func (r *rig) host(name string, args ...string) *host {
	r.t.Helper()
	return r.hosts([]string{name}, args...)[0]
}

// hosts starts several hosts, each with a data directory of its own, and waits until all are ready.
func (r *rig) hosts(names []string, args ...string) []*host {
	r.t.Helper()
	var list []*host
	for _, name := range names {
		if r.kind == tokens && r.tokens[name] == "" {
			r.newToken(name) // of a host
		}
		env := r.envOf(name, "WEFT_DATA_DIR="+filepath.Join(r.dir, "data-"+name))
		all := append([]string{"host", "run", "-o", "json", "--name", name, "--http-addr", "127.0.0.1:0"}, args...)
		command := append(slices.Clone(r.within), append([]string{bin.weft}, all...)...)
		list = append(list, &host{process: launch(r.t, r.dir, name, env, command[0], command[1:]...)})
	}
	for _, h := range list {
		latticetest.Eventually(r.t, func() error {
			b, err := os.ReadFile(h.stdout)
			if err == nil {
				err = json.Unmarshal(b, h)
			}
			if err != nil && !h.alive() {
				r.t.Fatalf("host %s has ended: %s", h.process.name, tail(h.stderr, 2<<10))
			}
			return err
		})
	}
	return list
}

// slowCommand is how long a command may take without being mentioned in the test's log.
const slowCommand = 3 * time.Second

// result is what a command printed, and its exit code.
type result struct {
	args        []string
	code        int
	out, errout string
}

func (r result) String() string {
	return fmt.Sprintf("weft %s: exit code %d\n%s%s", strings.Join(r.args, " "), r.code, r.out, r.errout)
}

// try runs a command of the operator and returns how it ended.
func (r *rig) try(args ...string) result { return r.tryWith(nil, args...) }

// tryWith is try with further environment variables.
func (r *rig) tryWith(env []string, args ...string) result {
	r.t.Helper()
	return r.run(append(r.env("WEFT_DATA_DIR="+filepath.Join(r.dir, "operator")), env...), args...)
}

// run runs a command with an environment and returns how it ended.
func (r *rig) run(env []string, args ...string) result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), latticetest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin.weft, args...)
	cmd.Env, cmd.Dir = env, r.dir
	cmd.WaitDelay = time.Second
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	begun := time.Now()
	err := cmd.Run()
	if took := time.Since(begun); took > slowCommand {
		r.t.Logf("weft %s took %v\n%s", strings.Join(args, " "), took.Round(time.Millisecond), errs.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatalf("weft %s: %v", strings.Join(args, " "), err)
	}
	return result{args, cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// weft runs a command that must succeed and returns what it printed.
func (r *rig) weft(args ...string) string {
	r.t.Helper()
	res := r.try(args...)
	if res.code != 0 {
		r.t.Fatal(res)
	}
	return res.out
}

// fails runs a command that must end with an exit code and say certain words.
func (r *rig) fails(code int, words string, args ...string) {
	r.t.Helper()
	r.failsAs(operatorToken, code, words, args...)
}

// failsAs is fails with the token of another name, of a host or of whatever newToken has made under it.
func (r *rig) failsAs(token string, code int, words string, args ...string) {
	r.t.Helper()
	res := r.run(r.envOf(token, "WEFT_DATA_DIR="+filepath.Join(r.dir, "operator")), args...)
	if res.code != code || !strings.Contains(res.errout, words) {
		r.t.Errorf("want exit code %d and %q\n%s", code, words, res)
	}
}

// get runs a command with -o json and reads what it printed.
func get[T any](r *rig, args ...string) T {
	r.t.Helper()
	out := r.weft(append(args, "-o", "json")...)
	var v T
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		r.t.Fatalf("weft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

// started is what commands print that start something.
type started struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Ref   string `json:"ref"`
	Max   uint32 `json:"max_instances"`
	Hosts []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Max  uint32 `json:"max_instances"`
	} `json:"hosts"`
}

// actor starts an actor and returns its id.
func (r *rig) actor(path string, args ...string) lattice.ActorID {
	r.t.Helper()
	s := get[started](r, append([]string{"actor", "start", path}, args...)...)
	id, err := lattice.ParseActorID(s.ID)
	if err != nil {
		r.t.Fatalf("actor start printed %+v: %v", s, err)
	}
	return id
}

// web links an actor to the httpserver and returns the URL of the port that it got.
func (r *rig) web(actor string, values ...string) string {
	r.t.Helper()
	port := freePort(r.t)
	r.weft(append([]string{"link", "put", actor, "httpserver", "port=" + strconv.Itoa(port)}, values...)...)
	return "http://" + local(port)
}

// inventory asks a host for what runs there.
func (r *rig) inventory(h *host) control.HostInventory {
	r.t.Helper()
	inv, err := r.ctl.Inventory(context.Background(), h.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return inv
}

// provider finds a provider's process on a host.
func (r *rig) provider(h *host, id lattice.ProviderID) (control.Provider, error) {
	inv, err := r.ctl.Inventory(context.Background(), h.ID)
	if err != nil {
		return control.Provider{}, err
	}
	for _, p := range inv.Providers {
		if p.ID == id {
			return p, nil
		}
	}
	return control.Provider{}, fmt.Errorf("no provider %s on %s", id, h.Name)
}

// metrics reads all metrics of a host.
func (h *host) metrics() string {
	h.t.Helper()
	status, body := fetch(h.t, "GET", "http://"+h.HTTPAddr+"/metrics", nil)
	if status != 200 {
		h.t.Fatalf("metrics of %s: %d %s", h.Name, status, body)
	}
	return body
}

// grep returns the lines that contain a word.
func grep(text, word string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// metric sums the samples whose name and labels contain all words.
func (h *host) metric(name string, words ...string) float64 {
	h.t.Helper()
	sum := 0.0
lines:
	for line := range strings.Lines(h.metrics()) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		for _, w := range words {
			if !strings.Contains(rest, w) {
				continue lines
			}
		}
		fields := strings.Fields(line)
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			h.t.Fatalf("metric %q: %v", line, err)
		}
		sum += v
	}
	return sum
}

// counts waits until a metric has a value; what is counted may be counted a moment after it was answered.
func (h *host) counts(n float64, name string, words ...string) {
	h.t.Helper()
	err := latticetest.Await(func() error {
		if have := h.metric(name, words...); have != n {
			return fmt.Errorf("%s%v is %v, want %v", name, words, have, n)
		}
		return nil
	})
	if err != nil {
		h.t.Error(err)
	}
}
