package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/node"
	"github.com/weftlattice/weft/internal/process/background"
	"github.com/weftlattice/weft/internal/process/slack"
	"github.com/weftlattice/weft/lattice"
)

// upView is a lattice that is up, and what a node file put on it.
type upView struct {
	ID lattice.HostID `json:"id"` // of the host, as everything that is started has one
	datadir.Up
	Joinable bool             `json:"joinable,omitempty"` // by those who have a token
	Applied  *operate.Applied `json:"applied,omitempty"`
}

func upCmd(a *app) *cobra.Command {
	var flags hostFlags
	var nats natsFlags
	var detach, child bool
	var file string
	cmd := &cobra.Command{Use: "up", Short: "Start a lattice on this machine: NATS, a host, the built-in providers",
		Args: exactArgs(0),
		Long: `Starts a NATS server with JetStream inside this process and a host that uses it. With --nats-url or
--join the host joins the lattice there instead. Other weft commands on this machine find the lattice by themselves.

In the foreground, Ctrl-C lets work in flight finish and ends everything; a second Ctrl-C ends at once. With -d weft
goes to the background once all is ready; "weft down" ends it. With -f a configuration file's providers, actors and
links are started, too.

Beyond loopback (--nats-listen 0.0.0.0) NATS speaks TLS and wants credentials; "weft token create" makes those for other
machines. The authority that certifies it is made on first use; --nats-server-cert takes a certificate of your own.`,
		Example: `  weft up -d
  weft up -f node.yaml --label zone=edge`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if detach && !child {
				// what is wrong or doubtful belongs before the user's eyes
				f, err := readNodeFile(file, cmd, &flags)
				if err != nil {
					return err
				}
				warnOf(a, f)
				return upDetached(a, cmd)
			}
			slack.Take()
			err := runUp(a, cmd, &flags, &nats, file, child)
			if child && err != nil {
				background.Report(failure(a.explain(err)))
			}
			return err
		}}
	f := cmd.Flags()
	f.BoolVarP(&detach, "detach", "d", false, "run in the background")
	f.BoolVar(&child, "detached", false, "")
	_ = f.MarkHidden("detached")
	f.StringVarP(&file, "file", "f", "", "configuration file of the node: providers, actors and links to start")
	flags.flags(f)
	nats.flags(f)
	return cmd
}

// runUp runs a lattice until it is interrupted or stopped.
func runUp(a *app, cmd *cobra.Command, flags *hostFlags, nats *natsFlags, path string, child bool) (err error) {
	release, err := claimUp(a)
	if err != nil {
		return err
	}
	defer release()
	file, err := readNodeFile(path, cmd, flags)
	if err != nil {
		return err
	}
	log, err := flags.logger(a) // the file may say how
	if err != nil {
		return err
	}
	warnOf(a, file)
	if a.conn.Elsewhere() {
		nats = nil
	}
	n, err := startNode(a, cmd, flags, nats, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Stop()) }()
	up := n.Up(a.dir)
	if child {
		up.Log = a.dir.Log()
	}
	if up.SeedFile, up.NodeFile, err = flags.clusterFrom(path); err != nil {
		return err
	}
	if err := a.dir.SaveUp(up); err != nil {
		return err
	}
	view := upView{ID: up.HostID, Up: up, Joinable: n.Joinable()}
	view.NATSURL = natsconn.SafeURL(up.NATSURL)
	var d *node.Deployment
	if file != nil {
		d = &node.Deployment{Node: n, File: file, Dir: a.dir, Signer: a.signer, Lattice: a.operating(),
			Name: cmd.CommandPath(), Warn: a.warn}
		if view.Applied, err = d.Apply(cmd.Context()); err != nil {
			return err
		}
	}
	if child {
		background.Report(view)
	} else if err := a.print(view,
		func(w io.Writer) { banner(w, view); fmt.Fprintln(w, "\nCtrl-C ends it.") }); err != nil {
		return err
	}
	if d != nil {
		defer d.KeepTrying(cmd.Context(), view.Applied, log)()
	}
	n.Wait(cmd.Context())
	return nil
}

// claimUp takes the data directory for a lattice until release.
func claimUp(a *app) (release func(), err error) {
	free, err := a.dir.ClaimUp()
	if err != nil {
		return nil, err
	}
	return func() {
		if err := free(); err != nil {
			a.say("weft: warning: %v", err)
		}
	}, nil
}

// banner is what people see once a lattice is up.
func banner(w io.Writer, v upView) {
	printf(w, "weft is up: lattice %s\n", v.Lattice)
	metrics, pid := "", ""
	if v.Log != "" { // in the background
		pid = fmt.Sprint(v.PID)
	}
	if v.HTTPAddr != "" {
		metrics = "http://" + v.HTTPAddr + "/metrics"
	}
	fields(w, "  NATS", v.NATSURL, "  host", fmt.Sprintf("%s (%s)", v.Host, v.HostID), "  metrics", metrics, "  log",
		v.Log,
		"  pid", pid)
	if v.Joinable {
		fmt.Fprint(w, "\nFor another machine, a token: weft token create    There: weft host run --join TOKEN\n")
	}
	if v.Applied != nil {
		fmt.Fprint(w, v.Applied)
	}
}

// failure is an error as a process in the background reports it.
func failure(err error) any { return map[string]string{"error": err.Error(), "code": errorWord(err)} }

// childError is what the process in the background reported.
type childError struct{ text, word string }

func (e *childError) Error() string { return e.text }
func (e *childError) Unwrap() error {
	if code, ok := lattice.ParseCode(e.word); ok {
		return code
	}
	return usage.Error{Err: errors.New(e.text)}
}

// upDetached starts this command again in the background and waits until it is ready.
func upDetached(a *app, cmd *cobra.Command) error {
	if !background.Supported {
		return usage.Errorf("-d does not work on this system; run weft up in a window of its own")
	}
	if u, ok := a.dir.Up(); ok {
		return a.dir.Taken(u)
	}
	exe, err := executable()
	if err != nil {
		return err
	}
	if err := a.dir.Make(); err != nil {
		return err
	}
	log, err := a.dir.OpenLog()
	if err != nil {
		return err
	}
	defer log.Close()
	child, err := background.Start(log, exe, append(slices.Clone(a.args), "--detached", "--output=text")...)
	if err != nil {
		return err
	}
	a.say("- starting, pid %d, log %s", child.PID(), a.dir.Log())
	var answer struct {
		upView
		Error string `json:"error"`
		Code  string `json:"code"`
	}
	if err := child.Await(cmd.Context(), &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		_ = child.Wait()
		return &childError{answer.Error, answer.Code}
	}
	if err := child.Release(); err != nil {
		return err
	}
	return a.print(answer.upView, func(w io.Writer) {
		banner(w, answer.upView)
		fmt.Fprintln(w, "\nNext: weft actor start ./app.wasm    Stop it: weft down")
	})
}
