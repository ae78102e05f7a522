//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// New values of a link that are good on two hosts and not on the third, where another program has the port: nothing
// changes anywhere, the person is told which host refuses, and the list shows the link as it was. Where it comes to
// that later, that host alone does not serve, the list says so, and it serves by itself when the port is free.
func TestLinkValuesThatAreGoodOnSomeHostsOnly(t *testing.T) {
	l := newLab(t, (*lab).deploy)
	ctx := t.Context()
	b := l.hosts[1]
	const port = 9090
	put := []string{"link", "put", "echo", "httpserver", fmt.Sprintf("address=0.0.0.0:%d", port)}
	take := func() *process {
		t.Helper()
		p, err := l.start(b.machine, "taker", io.Discard, nil, "redis-server", "--port", strconv.Itoa(port), "--bind",
			"0.0.0.0", "--save", "")
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, "another program has the port", func() error {
			if out, err := l.output(b.machine, "ss", "-Hltn", "sport", "=", ":"+strconv.Itoa(port)); err != nil ||
				out == "" {
				return fmt.Errorf("%s: %v: %s", out, err, p.log.String())
			}
			return nil
		})
		return p
	}

	taker := take()
	out, err := l.operate(ctx, put...)
	for _, words := range []string{"on host " + string(b.ID) + " refuses it, the link stays as it was",
		"another process has it"} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("the put says %s, %v; want %q", out, err, words)
		}
	}
	for _, h := range l.hosts {
		if err := l.ok(h.url(echoPort)); err != nil {
			t.Errorf("after the refusal: %v", err)
		}
		if err := l.ok(h.url(port)); err == nil {
			t.Errorf("%s serves the values that were refused", h.machine)
		}
	}
	if list, err := l.operate(ctx, "link", "list"); err != nil || !strings.Contains(list, "active") ||
		strings.Contains(list, "refused") || strings.Contains(list, "another process has it") {
		t.Errorf("the list, after a put of which nothing is stored: %v\n%s", err, list)
	}
	taker.stop()
	if _, err := l.operate(ctx, put...); err != nil {
		t.Fatal(err)
	}
	for _, h := range l.hosts {
		waitFor(t, "the new address on "+h.machine, func() error { return l.ok(h.url(port)) })
		if err := l.ok(h.url(echoPort)); err == nil {
			t.Errorf("%s serves the old address, too", h.machine)
		}
	}

	// The port is taken while the provider does not run there.
	if _, err := l.operate(ctx, "provider", "stop", "httpserver", "--host", b.machine); err != nil {
		t.Fatal(err)
	}
	taker = take()
	if _, err := l.operate(ctx, "provider", "start", "httpserver", "--host", b.machine); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the list", func() error {
		list, err := l.operate(ctx, "link", "list")
		for _, words := range []string{"failed", "another process has it", "(on 1 of 3 hosts)"} {
			// the table breaks long lines
			if err == nil && !strings.Contains(strings.Join(strings.Fields(list), " "), words) {
				err = fmt.Errorf("no %q in\n%s", words, list)
			}
		}
		return err
	})
	for _, h := range l.hosts {
		if err := l.ok(h.url(port)); (err == nil) == (h == b) {
			t.Errorf("on %s: %v", h.machine, errors.Join(err))
		}
	}
	taker.stop()
	waitFor(t, "the link is tried again by itself", func() error { return l.ok(b.url(port)) })
}
