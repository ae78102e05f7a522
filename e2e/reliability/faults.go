//go:build linux

package main

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// fault is something that happens to a lattice while requests come.
type fault struct {
	name          string
	what          string        // happens, in the table
	sees          string        // what the sender of a request sees, or an operator
	length, short time.Duration // how long it lasts
	// begin makes it happen; what it returns ends it, nil when it ends by itself.
	begin func(ctx context.Context, l *lab) (heal func() error, err error)
}

// faults in the order of the table. Add one by adding a line.
var faults = []fault{
	{"nats-killed", "NATS is killed, and started again after %s",
		"routes that need no store: nothing; others: 503 at once, \"NATS is away\"", 60 * time.Second, 15 * time.Second,
		func(ctx context.Context, l *lab) (func() error, error) {
			return func() error { return l.startNATS(ctx) }, l.nats.kill()
		}},
	{"nats-hangs", "NATS hangs (SIGSTOP) for %s",
		"routes that need no store: nothing; others: 503 or 500 within 2 s, since trying to connect holds calls up",
		30 * time.Second, 10 * time.Second,
		func(_ context.Context, l *lab) (func() error, error) {
			return func() error { return l.nats.signal(syscall.SIGCONT) }, l.nats.signal(syscall.SIGSTOP)
		}},
	{"provider-hangs", "one host's httpserver hangs (SIGSTOP)",
		"its connections wait until it is replaced, which is within 10 s", 15 * time.Second, 12 * time.Second,
		func(ctx context.Context, l *lab) (func() error, error) {
			pid, err := l.pid(ctx, l.hosts[0], "httpserver")
			if err != nil {
				return nil, err
			}
			return nil, syscall.Kill(pid, syscall.SIGSTOP)
		}},
	{"store-hangs", "one host's keyvalue-nats hangs (SIGSTOP)",
		"its host's calls to the store fail after 2 s until it is replaced, which is within 10 s", 15 * time.Second,
		12 * time.Second,
		func(ctx context.Context, l *lab) (func() error, error) {
			pid, err := l.pid(ctx, l.hosts[0], "keyvalue-nats")
			if err != nil {
				return nil, err
			}
			return nil, syscall.Kill(pid, syscall.SIGSTOP)
		}},
	{"host-hangs", "one host hangs (SIGSTOP) for %s, its httpserver lives",
		"what it had received in the first 2 s fails after 2 s; then other hosts serve it", 30 * time.Second,
		10 * time.Second,
		func(_ context.Context, l *lab) (func() error, error) {
			h := l.hosts[0]
			return func() error { return h.signal(syscall.SIGCONT) }, h.signal(syscall.SIGSTOP)
		}},
	{"host-killed", "one host is killed, and started and deployed to again after %s",
		"its connections are refused until it is back; on the others nothing", 5 * time.Second, 3 * time.Second,
		func(ctx context.Context, l *lab) (func() error, error) {
			h := l.hosts[0]
			return func() error { return errors.Join(l.startHost(ctx, h), l.deployTo(ctx, h)) }, h.kill()
		}},
	{"store-emptied", "NATS is killed, and started again after %s with an empty store",
		"as when it is killed; the hosts put links and claims back, what actors had stored is lost", 5 * time.Second,
		3 * time.Second,
		func(ctx context.Context, l *lab) (func() error, error) {
			return func() error { return errors.Join(l.emptyStore(), l.startNATS(ctx)) }, l.nats.kill()
		}},
	{"cable-pulled", "one host's cable is pulled for %s",
		"its connections wait, or are not made; on the others nothing", 20 * time.Second, 8 * time.Second,
		func(_ context.Context, l *lab) (func() error, error) {
			m := l.hosts[0].machine
			return func() error { return l.net.plug(m, true) }, l.net.plug(m, false)
		}},
}
