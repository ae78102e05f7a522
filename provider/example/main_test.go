package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

const asProvider = "WEFT_TEST_AS_PROVIDER"

func TestMain(m *testing.M) {
	if os.Getenv(asProvider) != "" {
		os.Exit(provider.Main(info, newGreeter))
	}
	latticetest.VerifyMain(m)
}

var inProcess = providertest.Config{Info: info, New: newGreeter, Operation: "Greeter.Greet",
	Payload: msgpack.EncodeStr("you"),
	Values: func(_ testing.TB, n int) map[string]string {
		return map[string]string{"greeting": fmt.Sprint("Hello ", n)}
	},
	BadValues: map[string]string{"greting": "Hello"}}

// child runs the provider as hosts do, as a process of its own.
func child(t *testing.T) providertest.Config {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := inProcess
	cfg.Command, cfg.Environ = []string{exe}, []string{asProvider + "=1"}
	return cfg
}

func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("tries the whole contract of providers")
	}
	t.Run("in process", func(t *testing.T) { providertest.Run(t, inProcess) })
	t.Run("as a process", func(t *testing.T) { providertest.Run(t, child(t)) })
}

func TestGreet(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	env := providertest.NewLattice(t)
	p := providertest.Start(t, env, child(t))
	plain, polite := env.ActorID(t), env.ActorID(t)
	p.PutLink(plain, nil)
	p.PutLink(polite, map[string]string{"GREETING": "Good evening"})
	for actor, want := range map[string]string{string(plain): "Hello, Ada!", string(polite): "Good evening, Ada!"} {
		id := plain
		if actor == string(polite) {
			id = polite
		}
		b, err := p.Call(context.Background(), id, "Greeter.Greet", msgpack.EncodeStr("Ada"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := msgpack.DecodeStr(b); err != nil || got != want {
			t.Errorf("greeting %q, %v; want %q", got, err, want)
		}
	}
}

// SIGTERM is an orderly end too.
func TestTerminate(t *testing.T) {
	p := providertest.Start(t, providertest.NewLattice(t), child(t))
	p.Signal(syscall.SIGTERM)
	if err := p.Wait(providertest.Patience); err != nil {
		t.Errorf("ended with %v, want status 0", err)
	}
}

// Started by hand without host data, it says what it is and exits with the status for wrong use.
func TestByHand(t *testing.T) {
	cfg := child(t)
	cmd := exec.Command(cfg.Command[0])
	cmd.Env = cfg.Environ
	cmd.Stdin = strings.NewReader("")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != provider.ExitUsage {
		t.Fatalf("ended with %v, want status %d", err, provider.ExitUsage)
	}
	if !strings.Contains(string(out), "weft provider start") {
		t.Errorf("says %q, want the way to start it", out)
	}
}

// A provider's table of values refuses those that it does not know, before the link is stored and after, and the link
// goes on.
func TestMisspeltValue(t *testing.T) {
	p := providertest.Start(t, providertest.NewLattice(t), inProcess)
	actor := p.Lattice.ActorID(t)
	if s := p.PutLink(actor, map[string]string{"greeting": "Moin"}); !providertest.Active(&s) || !s.Checked {
		t.Fatalf("a good value: %+v", s)
	}
	wrong := map[string]string{"greting": "Servus"}
	const why = "greeter knows no such value; did you mean greeting?"
	if s := p.CheckLink(actor, wrong); !providertest.Failed(&s) || !strings.Contains(s.Error, why) ||
		s.Code != lattice.ErrInvalid.Name() {
		t.Errorf("offered: %+v", s)
	}
	if s := p.PutLink(actor, wrong); !providertest.Kept(&s) || !strings.Contains(s.Refused.Error, why) ||
		s.Refused.RetryMS != 0 {
		t.Errorf("put: %+v", s)
	}
	if answer, err := p.Call(t.Context(), actor, "Greeter.Greet", msgpack.EncodeStr("Ada")); err != nil ||
		string(answer) != string(msgpack.EncodeStr("Moin, Ada!")) {
		t.Errorf("the link that works: %q, %v", answer, err)
	}
}
