package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deviations are the checks that weft fails, each with the reason.
var deviations = map[string]string{
	"scale.missing": `RATIONALE.md, "Why does a scale command without a count fail?"`,
	"environment": "TMPDIR of the host is passed on beside PATH and HOME, so that what providers write goes where " +
		"the host's files go",
}

// inapplicableHere are the checks that cannot be made against weft.
var inapplicableHere = map[string]string{
	"config": "the experimental configuration service of 0.81 is not served",
}

const module = "github.com/weftlattice/weft/"

// The suite must not share a mistake with what it tests.
func TestIndependent(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(dep, module) && dep != module+"e2e/conformance" {
			t.Errorf("the suite imports %s", dep)
		}
	}
}

// The golden vectors of 3.5, 4.1 and 4.4 hold this program's own arithmetic to the protocol.
func TestVectors(t *testing.T) {
	cluster, err := signerFromSeed("SCAIYCZTW775GJYX3MVWLURALVC3PULW43PTEKGH72JBMA3A7LOLGLQ2JA")
	if err != nil || cluster.public != "CAQQHYABXBPDBZIGDZIT7E73HW66RPCFC3GGLQKSDDTVWUVOYZBYHUND" {
		t.Errorf("cluster key %v, %v", cluster, err)
	}
	origin := actorEntity("MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR").url()
	target := entity{"VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW", "default",
		"wasmcloud:keyvalue"}.url() + "/KeyValue.Get"
	if got := upperSHA256([]byte(origin), []byte(target), []byte("KeyValue.Get"),
		pack("hello")); got != "BBA5A5413A01F3C3692947E455EE8E1D4F964767233CF4882731725B00F91E40" {
		t.Errorf("hash of the invocation %s", got)
	}
	for key, kind := range map[string]byte{
		"NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB": kindHost,
		"CAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3R53J": kindCluster,
		"AAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3QPZV": kindAccount,
		"MAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLXP": kindModule,
		"VAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSLE": kindProvider,
	} {
		raw, err := decodeKey(key, kind)
		if err != nil || encodeKey(kind, raw) != key {
			t.Errorf("%s: %v", key, err)
		}
	}
	const hash = "93A44BBB96C751218E4C00D479E4C14358122A389ACCA16205B1E4D0DC5F9476"
	if got := moduleHash([]byte("\x00asm\x01\x00\x00\x00")); got != hash {
		t.Errorf("hash of the empty module %s, want %s", got, hash)
	}
	long := append([]byte("\x00asm\x01\x00\x00\x00"), 0, 0x82, 0x80, 0x00, 1, 'x') // a length longer than need be
	if moduleHash(long) != moduleHash([]byte("\x00asm\x01\x00\x00\x00\x00\x02\x01x")) {
		t.Error("a padded length changes the hash of a module")
	}
}

// Weft passes the suite, apart from its known deviations.
func TestWeft(t *testing.T) {
	dir := t.TempDir()
	weft, server, suite := filepath.Join(dir, "weft"), filepath.Join(dir, "nats-server"),
		filepath.Join(dir, "conformance")
	if given := os.Getenv("WEFT_BIN"); given != "" {
		weft = given
		if !filepath.IsAbs(weft) {
			t.Fatal("WEFT_BIN is not absolute")
		}
	} else {
		build(t, weft, module+"cmd/weft")
	}
	build(t, server, "github.com/nats-io/nats-server/v2")
	build(t, suite, ".")
	var actors []string
	for _, name := range []string{"echo", "kvcounter"} {
		path := filepath.Join(dir, name+".wasm")
		build(t, path, module+"actor-sdk/examples/"+name, "GOOS=wasip1", "GOARCH=wasm")
		actors = append(actors, path)
	}

	const lattice = "conformance"
	port := freePort(t)
	url := "nats://127.0.0.1:" + port
	launch(t, dir, "nats", nil, server, "-a", "127.0.0.1", "-p", port, "-js", "-sd", filepath.Join(dir, "jetstream"))
	if err := eventually(30*time.Second, func() error { // hosts do not wait for it
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			err = c.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	cluster, err := newSigner(nkeys.PrefixByteCluster)
	if err != nil {
		t.Fatal(err)
	}
	seed := filepath.Join(dir, "cluster.nk")
	if err := os.WriteFile(seed, []byte(cluster.seed()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := []string{weft, "host", "run", "--nats-url", url, "--lattice", lattice, "--cluster-seed-file", seed,
		"--allow-file-load", "--http-addr", "127.0.0.1:0", "--data-dir"}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(),
		"CONFORMANCE_MARK=must not reach providers"}
	for _, name := range []string{"one", "two"} {
		launch(t, dir, name, env, host[0], append(host[1:], filepath.Join(dir, name))...)
	}
	if err := eventually(30*time.Second, func() error { return answers(url, lattice, 2) }); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(suite, "--nats", url, "--lattice", lattice, "--cluster-seed-file", seed, "--actor",
		strings.Join(actors, ","),
		"--provider", "keyvalue="+weft+" provider run keyvalue-nats", "--provider",
		"httpserver="+weft+" provider run httpserver",
		"--start-host", strings.Join(host, " ")+" "+filepath.Join(dir, "three"), "-o", "json")
	cmd.Env = env
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() > 1 {
		t.Fatalf("the suite: %v\n%s", err, errs.String())
	}
	var rep report
	if err := json.Unmarshal(out, &rep); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, r := range rep.Results {
		if seen[r.ID] != "" {
			t.Errorf("there are two checks %s", r.ID)
		}
		seen[r.ID] = r.Outcome
		switch reason, known := deviations[r.ID]; {
		case r.Outcome == fail && !known:
			t.Errorf("%s (%s) %s: %s; seen: %s", r.ID, r.Section, r.Title, r.Reason, r.Seen)
		case r.Outcome == fail:
			t.Logf("%s (%s) is a known deviation: %s", r.ID, r.Section, reason)
		case known:
			t.Errorf("%s is listed as a deviation, but its outcome is %s: take it off the list", r.ID, r.Outcome)
		case r.Outcome == notApplied && inapplicableHere[r.ID] == "":
			t.Errorf("%s (%s) was not applicable: %s", r.ID, r.Section, r.Reason)
		}
	}
	if (rep.Totals[fail] > 0) != (cmd.ProcessState.ExitCode() == 1) || len(rep.Results) < 200 {
		t.Errorf("%v of %d checks, exit code %d", rep.Totals, len(rep.Results), cmd.ProcessState.ExitCode())
	}
	t.Logf("%v", rep.Totals)
}

// Without a lattice there is nothing to check, which is another exit code than a failed check.
func TestNobodyThere(t *testing.T) {
	var out, errs strings.Builder
	if code := run([]string{"--nats", "nats://127.0.0.1:" + freePort(t)}, &out, &errs); code != 2 || errs.Len() == 0 {
		t.Errorf("exit code %d, %q", code, errs.String())
	}
	if code := run([]string{"--only", "nonsense"}, &out, &errs); code != 2 {
		t.Errorf("with unknown arguments the exit code is %d", code)
	}
}

// build builds a package for this machine, or a module for actors when the environment says so.
func build(t *testing.T, out, pkg string, env ...string) {
	t.Helper()
	args := []string{"build", "-trimpath", "-o", out}
	if len(env) > 0 {
		args = append(args, "-buildmode=c-shared", "-ldflags", "-s -w")
	}
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
}

// launch starts a process that ends with the test; its output is shown when the test has failed.
func launch(t *testing.T, dir, name string, env []string, path string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, dir, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer log.Close()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait() // how it ended is of no interest
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("---- end of the output of %s\n%s", name, text[max(0, len(text)-4<<10):])
		}
	})
}

// answers says whether so many hosts answer a ping.
func answers(url, lattice string, want int) error {
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	s := &suite{nc: nc, lattice: lattice, o: options{prefix: "wasmbus.ctl"}}
	if got := len(s.gather("ping.hosts", nil, 300*time.Millisecond)); got != want {
		return fmt.Errorf("%d hosts answer, not %d", got, want)
	}
	return nil
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
