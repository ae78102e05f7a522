package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weftlattice/weft/e2e/rustlike"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// thousand is how many instances of one actor there are, and how many actors of one instance.
const thousand = 1000

// measureMany records what many instances, and many actors, cost a host.
func measureMany(ctx context.Context, b *bench, r *report) error {
	if err := instancesOfOne(ctx, b, r); err != nil {
		return fmt.Errorf("1 to 1,000 instances: %w", err)
	}
	for _, same := range []bool{false, true} {
		if err := distinctActors(ctx, b, r, same); err != nil {
			return fmt.Errorf("1,000 actors: %w", err)
		}
	}
	return nil
}

// distinctActors starts 1,000 actors with keys of their own on one host and calls each once. Their code is the same, or
// each has code of its own, that is a module with another custom section.
func distinctActors(ctx context.Context, b *bench, r *report, same bool) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	const name = lattice.Name("actors")
	c, err := l.operator(string(name))
	if err != nil {
		return err
	}
	host, err := l.host(ctx, c, "--allow-file-load")
	if err != nil {
		return err
	}
	before, err := settledRSS(host.pid())
	if err != nil {
		return err
	}
	answer := (&httpserver.Response{StatusCode: 200, Body: []byte("one of many")}).Encode()
	ids, files, err := signedModules(b.dir, answer, same)
	if err != nil {
		return err
	}
	commands := control.NewClient(l.nc, subject.Control{Lattice: name}, 10*time.Second)
	begin := time.Now()
	again, err := startAll(ctx, commands, host.ID, ids, files)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	started := time.Since(begin)
	idle, err := settledRSS(host.pid())
	if err != nil {
		return err
	}
	caller := rpc.NewClient(l.nc, rpc.ClientConfig{Lattice: name, HostID: host.ID, Cluster: l.cluster,
		Timeout: 20 * time.Second})
	begin = time.Now()
	for _, id := range ids {
		out, err := caller.Call(ctx, rpc.Call{Origin: wire.ActorEntity(id), Target: wire.ActorEntity(id),
			Operation: httpserver.HandleRequest, Payload: []byte(payload)})
		if err != nil || string(out) != string(answer) {
			return fmt.Errorf("call actor %s: %q, %w", id, out, err)
		}
	}
	called := time.Since(begin)
	after, err := settledRSS(host.pid())
	if err != nil {
		return err
	}
	if again > 0 {
		r.p("")
		r.p("%d starts of the 1,000 actors were asked for again, since nothing had come of them for 10 s.", again)
	}
	what := "code of its own each"
	if same {
		what = "the same code under keys of their own"
	}
	r.record("1,000 actors on one host (Rust-like, 1.1 MiB), "+what+
		", nothing compiled: start all; call each once, one after another",
		fmt.Sprintf("%s; %s", round(started), round(called)),
		fmt.Sprintf("host: %.0f MiB before, %.0f MiB started, %.0f MiB called; %.0f KiB an actor", mib(before),
			mib(idle), mib(after), float64(after-before)/1024/thousand))
	return nil
}

// startAll starts an actor of each file and waits until all are there. Commands whose outcome does not come, since the
// host could not carry them out, are given again, and counted.
func startAll(ctx context.Context, commands *control.Client, host lattice.HostID, ids []lattice.ActorID,
	files []string) (again int, err error) {
	const patience, limit = 10 * time.Second, 10 * time.Minute
	missing := map[lattice.ActorID]string{}
	for i, id := range ids {
		missing[id] = files[i]
	}
	begin, progress := time.Now(), time.Time{}
	for first := true; ; first = false {
		if time.Since(progress) > patience {
			if !first {
				again += len(missing)
			}
			for _, file := range missing {
				if err := commands.ScaleActor(ctx, control.ScaleActorRequest{ActorRef: "file://" + file, HostID: host,
					MaxInstances: 1}); err != nil {
					return again, err
				}
			}
			progress = time.Now()
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return again, err
		}
		inv, err := commands.Inventory(ctx, host)
		if err != nil {
			return again, err
		}
		before := len(missing)
		for _, a := range inv.Actors {
			delete(missing, a.ID)
		}
		switch {
		case len(missing) == 0:
			return again, nil
		case len(missing) < before:
			progress = time.Now()
		case time.Since(begin) > limit:
			return again, fmt.Errorf("%d of %d actors are not there", len(missing), len(ids))
		}
	}
}

// signedModules writes 1,000 modules with keys of their own.
func signedModules(dir string, answer []byte, same bool) (ids []lattice.ActorID, files []string, err error) {
	dir, err = os.MkdirTemp(dir, "modules")
	if err != nil {
		return nil, nil, err
	}
	account, err := signing.New(signing.KindAccount)
	if err != nil {
		return nil, nil, err
	}
	code := rustlike.Module(answer)
	for n := range thousand {
		key, err := signing.New(signing.KindModule)
		if err != nil {
			return nil, nil, err
		}
		module := code
		if !same {
			module = withCustomSection(code, fmt.Sprintf("n%06d", n))
		}
		signed, err := signing.SignModule(module, account, key, signing.ActorClaims{Name: fmt.Sprintf("actor-%d", n),
			Caps: []lattice.ContractID{httpserver.ID}})
		if err != nil {
			return nil, nil, err
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.wasm", n))
		if err := os.WriteFile(file, signed, 0o600); err != nil {
			return nil, nil, err
		}
		ids, files = append(ids, lattice.ActorID(key.Public())), append(files, file)
	}
	return ids, files, nil
}

// withCustomSection appends an empty custom section to a module; name is shorter than 126 bytes.
func withCustomSection(module []byte, name string) []byte {
	section := append([]byte{0, byte(len(name) + 1), byte(len(name))}, name...)
	return append(append([]byte{}, module...), section...)
}
