package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// box is a provider's process under test, with this program as its host, in a lattice of its own.
type box struct {
	s             *suite
	lattice       string
	key, contract string
	host          string
	cluster       *signer
	cmd           *exec.Cmd
	stdin         io.WriteCloser
	ended         chan struct{}
	log           string // file with its output
}

// boxOptions say how a host hands over its data.
type boxOptions struct {
	change func(object) // changes the host data
	end    string       // of the line; "" is a newline
	close  bool         // standard input after the line, as H78+ do
}

// box starts a provider's process and waits until it answers health requests.
func (s *suite) box(command []string, contract string, o boxOptions) (*box, error) {
	cluster, err := newSigner(nkeys.PrefixByteCluster)
	if err != nil {
		return nil, err
	}
	b := &box{s: s, lattice: "conformance-" + uuid.NewString()[:8], key: newKey(kindProvider), contract: contract,
		host:    newKey(kindHost),
		cluster: cluster, ended: make(chan struct{})}
	data := object{"host_id": b.host, "lattice_rpc_prefix": b.lattice, "link_name": "default",
		"lattice_rpc_user_jwt": "", "lattice_rpc_user_seed": "",
		"lattice_rpc_url": s.o.nats, "provider_key": b.key, "invocation_seed": cluster.seed(), "env_values": object{},
		"instance_id":      uuid.NewString(),
		"link_definitions": []any{}, "cluster_issuers": []string{cluster.public}, "default_rpc_timeout_ms": 2000,
		"structured_logging": false,
		"otel_config":        object{"traces_exporter": nil, "exporter_otlp_endpoint": nil}}
	if o.change != nil {
		o.change(data)
	}
	line, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	if o.end == "" {
		o.end = "\n"
	}
	b.log = filepath.Join(s.dir, b.lattice+".log")
	output, err := os.Create(b.log)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	b.cmd = exec.Command(command[0], command[1:]...)
	b.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir} // 5.2
	b.cmd.Stdout, b.cmd.Stderr = output, output
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = b.cmd.Wait(); close(b.ended) }()
	s.later(b.kill)
	if _, err := io.WriteString(b.stdin, base64.StdEncoding.EncodeToString(line)+o.end); err != nil {
		return nil, err
	}
	if o.close {
		b.stdin.Close()
	}
	return b, eventually(eventTime, func() error {
		_, err := b.health(nil)
		if err != nil {
			text, _ := os.ReadFile(b.log)
			err = fmt.Errorf("it does not answer health requests: %w; it says %s", err, short(string(text)))
		}
		return err
	})
}

// kill ends the process and removes what its lattice left.
func (b *box) kill() {
	_ = b.cmd.Process.Signal(syscall.SIGKILL)
	<-b.ended
	_ = b.s.js.DeleteObjectStore(b.lattice)
}

func (b *box) alive() bool {
	select {
	case <-b.ended:
		return false
	default:
		return true
	}
}

// subject is one of the provider's.
func (b *box) subject(rest string) string {
	return "wasmbus.rpc." + b.lattice + "." + b.key + ".default" + rest
}

func (b *box) health(payload []byte) (object, error) {
	m, err := b.s.nc.Request(b.subject(".health"), payload, time.Second)
	if err != nil {
		return nil, err
	}
	return unpackMap(m.Data)
}

// link is a definition for this provider.
func (b *box) link(actor string, values object) object {
	return object{"actor_id": actor, "provider_id": b.key, "link_name": "default", "contract_id": b.contract,
		"values": values}
}

// tell sends linkdefs.put or linkdefs.del.
func (b *box) tell(verb string, link object) error {
	return b.s.nc.Publish(b.subject(".linkdefs."+verb), pack(link))
}

// call invokes the provider from an actor.
func (b *box) call(actor, op string, msg []byte, change ...func(*invocation)) (answer, error) {
	i := invocation{origin: actorEntity(actor), target: entity{b.key, "default", b.contract}, op: op, msg: msg,
		issuer: b.cluster}
	for _, f := range change {
		f(&i)
	}
	data, _ := i.encode()
	return b.s.send(b.subject(""), data)
}

// linked puts a link and waits until the provider serves the actor: until op is not refused any more.
func (b *box) linked(actor string, values object, op string, msg []byte) error {
	if err := b.tell("put", b.link(actor, values)); err != nil {
		return err
	}
	return eventually(eventTime, func() error {
		a, err := b.call(actor, op, msg)
		if err == nil && a.err != "" {
			err = fmt.Errorf("after linkdefs.put: %s", a.err)
		}
		return err
	})
}

// shutdown asks the process to end.
func (b *box) shutdown(host any) (*nats.Msg, error) {
	return b.s.nc.Request(b.subject(".shutdown"), payload(object{"host_id": host}), time.Second)
}
