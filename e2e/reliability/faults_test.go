//go:build linux

package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// ok is an error unless a route answers 200.
func (l *lab) ok(url string) error {
	if status, took := l.status(url); status != "200" {
		return fmt.Errorf("%s answers %s after %s", url, status, took)
	}
	return nil
}

// Three hosts with tokens, and what a person sees while parts of the lattice are away or hang.
func TestHalfDead(t *testing.T) {
	l := newLab(t, (*lab).deploy)
	a := l.hosts[0]
	ctx := t.Context()

	t.Run("a route that needs no store is served without NATS, and its httpserver starts again without NATS",
		func(t *testing.T) {
			pid, err := l.pid(ctx, a, "httpserver")
			if err != nil {
				t.Fatal(err)
			}
			if err := l.nats.kill(); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				if err := l.ok(a.url(echoPort)); err != nil {
					t.Error(err)
				}
			}
			waitFor(t, "a route that needs the store says why it fails", func() error {
				out, err := l.output("client", "curl", "-s", "-m", "20", "-d", "x", a.url(storePort))
				if err == nil && !strings.Contains(out, "NATS is away") {
					err = fmt.Errorf("it answers %s", out)
				}
				return err
			})
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the httpserver is back without NATS", func() error { return l.ok(a.url(echoPort)) })
			if err := l.startNATS(ctx); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the store is back with NATS", func() error { return l.ok(a.url(storePort)) })
		})

	t.Run("an httpserver that hangs is replaced, although the same provider lives on other hosts", func(t *testing.T) {
		var before int
		waitFor(t, "the operator finds the process",
			func() (err error) { before, err = l.pid(ctx, a, "httpserver"); return err })
		if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the route is served by a new process", func() error { return l.ok(a.url(echoPort)) })
		if after, err := l.pid(ctx, a, "httpserver"); err != nil || after == before {
			t.Errorf("the process is %d, %v; before it was %d", after, err, before)
		}
	})

	t.Run("the httpserver of a host that hangs goes to other hosts, and lists come", func(t *testing.T) {
		if err := a.signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "others serve", func() error { return l.ok(a.url(echoPort)) })
		for range 20 { // not by chance
			if err := l.ok(a.url(echoPort)); err != nil {
				t.Error(err)
			}
		}
		for _, args := range [][]string{{"host", "list"}, {"actor", "list"}, {"provider", "list"}, {"link", "list"}} {
			out, err := l.operate(ctx, args...)
			if err != nil || len(strings.TrimSpace(out)) == 0 {
				t.Errorf("weft %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
		for _, noun := range []string{"host", "actor", "provider"} {
			waitFor(t, "the list of the "+noun+"s names the host that hangs, and what ran there", func() error {
				out, err := l.operate(ctx, noun, "list")
				if err == nil && !(strings.Contains(out, "\na is lost: last heard ") &&
					strings.Contains(out, "actor echo (max 4)")) {
					err = fmt.Errorf("it is\n%s", out)
				}
				return err
			})
		}
		if err := a.signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the host is back", func() error { return l.ok(a.url(storePort)) })
	})
}
