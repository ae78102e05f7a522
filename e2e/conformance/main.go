// Conformance drives a host, providers and actors of a lattice from outside and says where they depart from the
// protocol.
//
//	go run ./e2e/conformance --nats nats://127.0.0.1:4222 --lattice default --cluster-seed-file cluster.nk
//
// It shares no code with what it tests: messages are built and read here byte by byte, so that a mistake made twice
// shows. It brings its own actor (a module of a few instructions that does what it is asked) and its own provider
// (itself: started without arguments it reads host data from standard input). Hosts must be able to read its files, so
// it runs on their machine and they must allow file references.
//
// Each check names the section of the protocol that it checks. What cannot be checked is "not applicable", with the
// reason. The exit code is 1 when a check failed, 2 when the run could not begin.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// options are the flags.
type options struct {
	nats, lattice, prefix, seedFile, actor, only, output string
	startHost                                            string
	providers                                            commandList
	quick                                                bool
}

// commandList is a flag that may be repeated: NAME=COMMAND.
type commandList []string

func (l *commandList) String() string { return strings.Join(*l, ",") }

func (l *commandList) Set(s string) error {
	if _, _, ok := strings.Cut(s, "="); !ok {
		return errors.New("want keyvalue=COMMAND or httpserver=COMMAND")
	}
	*l = append(*l, s)
	return nil
}

// command is the command line under a name, nil when not given.
func (l *commandList) command(name string) []string {
	for _, s := range *l {
		if n, command, _ := strings.Cut(s, "="); n == name {
			return strings.Fields(command)
		}
	}
	return nil
}

// groups of checks, in the order in which they run.
var groups = []string{"host", "actor", "provider"}

func main() {
	if len(os.Args) == 1 { // as hosts start providers
		os.Exit(playProvider(os.Stdin, os.Stderr))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.nats, "nats", "nats://127.0.0.1:4222", "address of the NATS server")
	flags.StringVar(&o.lattice, "lattice", "default", "name of the lattice")
	flags.StringVar(&o.prefix, "prefix", "wasmbus.ctl", "what subjects of the control interface begin with")
	flags.StringVar(&o.seedFile, "cluster-seed-file", "",
		"file with a seed that the hosts accept as issuer (default: learnt from the host data that a host gives to "+
			"our provider)")
	flags.StringVar(&o.actor, "actor", "",
		"module of an actor for wasmcloud:httpserver to be checked; one without claims is signed; "+
			"several are separated by commas")
	flags.Var(&o.providers, "provider",
		"keyvalue=COMMAND or httpserver=COMMAND: a provider's process to be checked, with this program as its host; "+
			"may be repeated")
	flags.StringVar(&o.startHost, "start-host", "",
		"command that starts one more host in the lattice, to be watched from start to stop")
	flags.StringVar(&o.only, "only", "", "one group of checks: "+strings.Join(groups, ", "))
	flags.BoolVar(&o.quick, "quick", false, "leave out what has to wait for half a minute")
	flags.StringVar(&o.output, "o", "text", "text or json")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || o.output != "text" && o.output != "json" || o.only != "" &&
		!slices.Contains(groups, o.only) {
		fmt.Fprintln(stderr, "conformance: unknown arguments; see --help")
		return 2
	}
	s, err := newSuite(o)
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	defer s.close()
	rep := &report{Lattice: o.lattice, Hosts: s.hostIDs(), Totals: map[string]int{}}
	for _, c := range s.checks() {
		res := c.perform(s)
		rep.add(res)
		if o.output == "text" {
			fmt.Fprintln(stdout, res.line())
		}
	}
	if o.output == "json" {
		err = rep.json(stdout)
	} else {
		_, err = fmt.Fprintf(stdout, "\n%d passed, %d failed, %d not applicable\n", rep.Totals[pass], rep.Totals[fail],
			rep.Totals[notApplied])
	}
	if err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	if rep.Totals[fail] > 0 {
		return 1
	}
	return 0
}
