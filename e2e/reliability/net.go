//go:build linux

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// network is a switch with machines on it: network namespaces, each with one interface, eth0.
type network struct {
	prefix string
	names  []string       // of namespaces, in the order of making
	hours  map[string]int // by which a machine's clock since its start is ahead
}

// subnet is where the machines have their addresses.
const subnet = "10.77.0."

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ns is the name of a machine's namespace.
func (n *network) ns(machine string) string { return n.prefix + "-" + machine }

// newNetwork makes the switch.
func newNetwork(prefix string) (*network, error) {
	n := &network{prefix: prefix, hours: map[string]int{}}
	if err := n.add("switch"); err != nil {
		return n, err
	}
	return n, errors.Join(ip("-n", n.ns("switch"), "link", "add", "br0", "type", "bridge"),
		ip("-n", n.ns("switch"), "link", "set", "dev", "br0", "up"))
}

func (n *network) add(machine string) error {
	if err := ip("netns", "add", n.ns(machine)); err != nil {
		return err
	}
	n.names = append(n.names, n.ns(machine))
	return ip("-n", n.ns(machine), "link", "set", "lo", "up")
}

// clock is what runs a program with a machine's own clock since its start, in a time namespace. All machines share the
// wall clock: the kernel has no namespaces for it.
func (n *network) clock(machine string) []string {
	return []string{"unshare", "--time", "--monotonic", fmt.Sprint(n.hours[machine] * 3600)}
}

// port is the switch's end of a machine's cable.
func port(machine string) string { return "to-" + machine }

// join makes a machine with an address, whose clock is as many hours ahead.
func (n *network) join(machine string, address int) error {
	if err := n.add(machine); err != nil {
		return err
	}
	n.hours[machine] = address
	for _, args := range [][]string{
		{"-n", n.ns(machine), "link", "add", "eth0", "type", "veth", "peer", "name", port(machine), "netns",
			n.ns("switch")},
		{"-n", n.ns("switch"), "link", "set", "dev", port(machine), "master", "br0"},
		{"-n", n.ns("switch"), "link", "set", "dev", port(machine), "up"},
		{"-n", n.ns(machine), "addr", "add", fmt.Sprintf("%s%d/24", subnet, address), "dev", "eth0"},
		{"-n", n.ns(machine), "link", "set", "eth0", "up"},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	return nil
}

// plug connects a machine to the switch, or pulls its cable.
func (n *network) plug(machine string, in bool) error {
	state := "down"
	if in {
		state = "up"
	}
	return ip("-n", n.ns("switch"), "link", "set", "dev", port(machine), state)
}

func (n *network) close() error {
	var errs []error
	for _, name := range n.names {
		errs = append(errs, ip("netns", "del", name))
	}
	n.names = nil
	return errors.Join(errs...)
}
