package providertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/output"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
)

// Patience bounds every wait of a test for something that should take a moment.
const Patience = time.Minute

// Process is a provider that runs, seen as its host sees it: standard input and output, and NATS. It ends with the
// test. Its methods fail the test on surprises and are for the test's goroutine, except Call.
type Process struct {
	Lattice  *Lattice
	Provider lattice.ProviderID
	Link     lattice.LinkName
	Host     lattice.HostID
	Contract lattice.ContractID
	NC       *nats.Conn // the test's own connection

	// HostData is what it was started with. Tell gives it other keys and credentials.
	HostData wire.HostData

	t      testing.TB
	client *rpc.Client
	local  *local // nil: calls go over NATS
	stdin  io.WriteCloser
	child  *os.Process // nil when it runs in the test
	stdout *output.Text
	stderr *output.Text
	wait   chan error // gets the result once
	ended  bool
}

// Option changes what a process is started with.
type Option func(*setup)

type setup struct {
	provider lattice.ProviderID
	host     lattice.HostID
	hostData wire.HostData
}

// WithLinks gives the process initial links.
func WithLinks(links ...wire.LinkDefinition) Option {
	return func(s *setup) { s.hostData.LinkDefinitions = append(s.hostData.LinkDefinitions, links...) }
}

// WithConfig sets the configuration of the process.
func WithConfig(json string) Option { return func(s *setup) { s.hostData.ConfigJSON = json } }

// WithProvider sets the provider's id, for several processes of one provider. The default is a new one.
func WithProvider(id lattice.ProviderID) Option { return func(s *setup) { s.provider = id } }

// WithFiles allows links to name the files in some folders.
func WithFiles(dirs ...string) Option { return func(s *setup) { s.hostData.FilesDirs = dirs } }

// Start starts a process and waits until it is ready.
func Start(t testing.TB, env *Lattice, cfg Config, opts ...Option) *Process {
	t.Helper()
	p := launch(t, env, cfg, opts...)
	latticetest.Eventually(t, func() error {
		if err := p.exited(); err != nil {
			t.Fatalf("ended before it was ready: %v; log:\n%s", err, p.stderr)
		}
		if p.stdout.String() != wire.ReadyLine+"\n" {
			return fmt.Errorf("standard output is %q, want the line %q; log:\n%s", p.stdout, wire.ReadyLine, p.stderr)
		}
		if p.local != nil && !p.local.group.Up() {
			return fmt.Errorf("no local channel; log:\n%s", p.stderr)
		}
		return nil
	})
	return p
}

// launch starts a process without waiting.
func launch(t testing.TB, env *Lattice, cfg Config, opts ...Option) *Process {
	t.Helper()
	s := setup{provider: env.ProviderID(t), host: env.HostID(t), hostData: wire.HostData{
		LatticeRPCPrefix: env.Name, LinkName: lattice.DefaultLink, LatticeRPCURL: env.URL,
		InvocationSeed: env.Cluster.Seed(), ClusterIssuers: []lattice.ClusterID{env.Cluster.ClusterID()},
		InstanceID:          nuid.Next(),
		DefaultRPCTimeoutMS: 2000, LogLevel: "debug", ConfigJSON: cfg.ConfigJSON,
	}}
	for _, o := range opts {
		o(&s)
	}
	s.hostData.HostID, s.hostData.ProviderKey = s.host, s.provider
	for i := range s.hostData.LinkDefinitions { // links made before the id was known
		s.hostData.LinkDefinitions[i].ProviderID = s.provider
	}
	p := &Process{Lattice: env, Provider: s.provider, Link: lattice.DefaultLink, Host: s.host,
		Contract: cfg.Info.Contract,
		NC:       env.Conn(t), HostData: s.hostData, t: t, stdout: &output.Text{}, stderr: &output.Text{},
		wait: make(chan error, 1)}
	p.client = rpc.NewClient(p.NC, rpc.ClientConfig{Lattice: env.Name, HostID: s.host, Cluster: env.Cluster})
	ctx := context.Background()
	switch {
	case cfg.Channel:
		p.local = listen(t, env)
		cred := p.local.listener.Offer(p.local.accept)
		s.hostData.Channel = &cred
	case cfg.Inside:
		var end *channel.End
		p.local, end = pair(env)
		ctx = channel.Offer(ctx, end)
	}
	if len(cfg.Command) > 0 {
		p.exec(cfg.Command, cfg.Environ)
	} else {
		r, w := io.Pipe()
		p.stdin = w
		go func() {
			p.wait <- provider.Run(ctx, provider.Options{Info: cfg.Info, Stdin: r, Stdout: p.stdout, Stderr: p.stderr},
				cfg.New)
			_ = r.Close()
		}()
	}
	t.Cleanup(p.stop)
	if _, err := p.stdin.Write(s.hostData.Encode()); err != nil {
		t.Fatalf("write host data: %v; log:\n%s", err, p.stderr)
	}
	return p
}

// Tell writes a further line of host data and returns the line that answers it.
func (p *Process) Tell(hd wire.HostData) (answer string) {
	p.t.Helper()
	before := len(p.stdout.String())
	if _, err := p.stdin.Write(hd.Encode()); err != nil {
		p.t.Fatalf("write host data: %v; log:\n%s", err, p.stderr)
	}
	latticetest.Eventually(p.t, func() error {
		var whole bool
		if answer, whole = strings.CutSuffix(p.stdout.String()[before:], "\n"); !whole {
			return fmt.Errorf("no answer to a further line of host data; log:\n%s", p.stderr)
		}
		return nil
	})
	return answer
}

func (p *Process) exec(command, environ []string) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, environ...)
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		p.stdin, err = in, cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.child = cmd.Process
	go func() { p.wait <- cmd.Wait() }()
}

// stop ends the process if the test has not, as a host that dies does.
func (p *Process) stop() {
	_ = p.stdin.Close()
	if !p.ended {
		if err := p.Wait(Patience); err != nil {
			p.t.Errorf("provider ended with: %v", err)
		}
	}
	if p.t.Failed() {
		p.t.Logf("log of the provider:\n%s", p.stderr)
	}
}

// CloseStdin does what the end of the host does.
func (p *Process) CloseStdin() { _ = p.stdin.Close() }

// Signal sends a signal to a process of Config.Command.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.child.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// writeStdin writes more to standard input.
func (p *Process) writeStdin(b []byte) error {
	_, err := p.stdin.Write(b)
	return err
}

// Wait returns how the process ended.
func (p *Process) Wait(timeout time.Duration) error {
	select {
	case err := <-p.wait:
		p.ended = true
		return err
	case <-time.After(timeout):
		return fmt.Errorf("still running after %v", timeout)
	}
}

// Log is what the process has written to standard error so far.
func (p *Process) Log() string { return p.stderr.String() }

// exited returns an error when the process has ended.
func (p *Process) exited() error {
	select {
	case err := <-p.wait:
		p.ended = true
		return fmt.Errorf("exit: %w", errors.Join(err, io.EOF))
	default:
		return nil
	}
}

// Definition makes a link of an actor to this provider.
func (p *Process) Definition(actor lattice.ActorID, values map[string]string) wire.LinkDefinition {
	return wire.LinkDefinition{ActorID: actor, ProviderID: p.Provider, LinkName: p.Link,
		ContractID: p.Contract, Values: values}
}

// PutLink puts a link and returns what became of it.
func (p *Process) PutLink(actor lattice.ActorID, values map[string]string) wire.LinkState {
	p.t.Helper()
	return p.askLink(subject.LinkPut, actor, values)
}

// CheckLink asks whether a link would be taken.
func (p *Process) CheckLink(actor lattice.ActorID, values map[string]string) wire.LinkState {
	p.t.Helper()
	return p.askLink(subject.LinkCheck, actor, values)
}

func (p *Process) askLink(verb func(lattice.Name, lattice.ProviderID, lattice.LinkName) string, actor lattice.ActorID,
	values map[string]string) (s wire.LinkState) {
	p.t.Helper()
	if err := json.Unmarshal(p.Ask(verb(p.Lattice.Name, p.Provider, p.Link), p.Definition(actor, values).Encode()),
		&s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// DelLink publishes the end of a link and waits until it is out of the table.
func (p *Process) DelLink(actor lattice.ActorID) {
	p.t.Helper()
	p.Publish(subject.LinkDel(p.Lattice.Name, p.Provider, p.Link), p.Definition(actor, nil).Encode())
	p.WaitLink(actor, func(s *wire.LinkState) bool { return s == nil })
}

// WaitLink waits until the link of an actor is as wanted; nil stands for no link.
func (p *Process) WaitLink(actor lattice.ActorID, want func(*wire.LinkState) bool) (state wire.LinkState) {
	p.t.Helper()
	latticetest.Eventually(p.t, func() error {
		links := p.Links()
		var found *wire.LinkState
		for i := range links {
			if links[i].ActorID == actor {
				found, state = &links[i], links[i]
			}
		}
		if !want(found) {
			return fmt.Errorf("link of %s is not as wanted: %+v", actor, found)
		}
		return nil
	})
	return state
}

// Active and Failed are conditions for WaitLink.
func Active(s *wire.LinkState) bool {
	return s != nil && (s.State == wire.LinkActive || s.State == wire.LinkAway)
}

// Kept is true of a link that works, and whose new values the provider refused.
func Kept(s *wire.LinkState) bool { return Active(s) && s.Refused != nil }

// Failed is true of a link that the provider refused.
func Failed(s *wire.LinkState) bool { return s != nil && s.State == wire.LinkFailed }

// Links asks for the link table.
func (p *Process) Links() []wire.LinkState {
	p.t.Helper()
	var links []wire.LinkState
	if err := json.Unmarshal(p.Ask(subject.LinkStates(p.Lattice.Name, p.Provider, p.Link), nil), &links); err != nil {
		p.t.Fatal(err)
	}
	return links
}

// Health asks for the health.
func (p *Process) Health() wire.Health {
	p.t.Helper()
	h, err := wire.DecodeHealth(p.Ask(subject.Health(p.Lattice.Name, p.Provider, p.Link), nil))
	if err != nil {
		p.t.Fatal(err)
	}
	return h
}

// Metrics asks for the metrics in text format.
func (p *Process) Metrics() string {
	p.t.Helper()
	return string(p.Ask(subject.ProviderMetrics(p.Lattice.Name, p.Provider, p.Link, p.Host), nil))
}

// Ask sends a request and returns the answer.
func (p *Process) Ask(subj string, data []byte) []byte {
	p.t.Helper()
	msg, err := p.NC.Request(subj, data, Patience)
	if err != nil {
		p.t.Fatalf("ask %s: %v; log:\n%s", subj, err, p.stderr)
	}
	return msg.Data
}

// Publish sends a message and flushes.
func (p *Process) Publish(subj string, data []byte) {
	p.t.Helper()
	if err := errors.Join(p.NC.Publish(subj, data), p.NC.Flush()); err != nil {
		p.t.Fatal(err)
	}
}

// Call calls the provider in the name of an actor. It is safe for concurrent use.
func (p *Process) Call(ctx context.Context, actor lattice.ActorID, operation string, payload []byte) ([]byte, error) {
	if p.local != nil {
		result, err := p.local.group.Call(ctx, &channel.Call{Origin: wire.ActorEntity(actor), Operation: operation,
			Payload: payload,
			Target:  wire.ProviderEntity(p.Provider, p.Contract, p.Link)}, Patience)
		if !channel.Elsewhere(err) {
			return result, err
		}
	}
	return p.client.Call(ctx, rpc.Call{Origin: wire.ActorEntity(actor), Operation: operation, Payload: payload,
		Target: wire.ProviderEntity(p.Provider, p.Contract, p.Link)})
}
