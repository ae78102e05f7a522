package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// crowd simulates hosts: beats each second, heartbeats with an inventory each 30 s.
type crowd struct {
	nc      *nats.Conn
	lattice lattice.Name
	events  *announce.Publisher
	stop    chan struct{}
	wg      sync.WaitGroup
	n       int
}

func newCrowd(nc *nats.Conn) (*crowd, error) {
	key, err := signing.New(signing.KindHost)
	if err != nil {
		return nil, err
	}
	return &crowd{nc: nc, lattice: lattice.DefaultName, stop: make(chan struct{}),
		events: announce.NewPublisher(nc, lattice.DefaultName, lattice.HostID(key.Public()))}, nil
}

// grow brings the crowd to n hosts, each with an actor that has claims and a link to the real httpserver.
func (c *crowd) grow(ctx context.Context, s *store.Store, address string, n int) error {
	for ; c.n < n; c.n++ {
		var keys [2]signing.KeyPair
		for i, kind := range []byte{signing.KindHost, signing.KindModule} {
			k, err := signing.New(kind)
			if err != nil {
				return err
			}
			keys[i] = k
		}
		host, actor := lattice.HostID(keys[0].Public()), lattice.ActorID(keys[1].Public())
		name := fmt.Sprintf("crowd-%d", c.n)
		if err := s.PutClaims(ctx, control.Claims{Subject: string(actor), Name: name,
			CallAlias: name}); err != nil {
			return err
		}
		if err := s.PutLink(ctx, wire.LinkDefinition{ActorID: actor,
			ProviderID: lattice.ProviderID(signing.Derive(signing.KindProvider, "weft builtin httpserver").Public()),
			LinkName:   lattice.DefaultLink, ContractID: "wasmcloud:httpserver",
			Values: map[string]string{"address": address, "path": "/" + name}}); err != nil {
			return err
		}
		c.wg.Go(func() { c.live(host, actor, name) })
	}
	return nil
}

func (c *crowd) live(host lattice.HostID, actor lattice.ActorID, name string) {
	offset := time.Duration(c.spread(name)) * time.Millisecond
	wait := func(d time.Duration) bool {
		select {
		case <-c.stop:
			return false
		case <-time.After(d):
			return true
		}
	}
	if !wait(offset) { // they are not in step
		return
	}
	for n := uint64(1); ; n++ {
		_ = c.nc.Publish(subject.Beat(c.lattice, host), wire.Beat{HostID: host, Sequence: n,
			UptimeMS: n * 1000}.Encode())
		if n%30 == 1 {
			_ = c.events.Publish(event.HostHeartbeat{HostInventory: control.HostInventory{HostID: host,
				FriendlyName: name, Version: "0.82.0", UptimeSeconds: n,
				Labels: map[string]string{"hostcore.os": "linux"}, Actors: []control.Actor{{ID: actor, Name: name,
					Instances: []control.ActorInstance{{ImageRef: name, MaxInstances: 1}}}}}})
		}
		if !wait(time.Second) {
			return
		}
	}
}

func (c *crowd) spread(name string) (ms int) {
	for _, r := range name {
		ms = (ms*31 + int(r)) % 1000
	}
	return ms
}

func (c *crowd) end() {
	close(c.stop)
	c.wg.Wait()
}
