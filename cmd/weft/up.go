package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/process/slack"
	"github.com/weftlattice/weft/lattice"
)

// upView is a lattice that is up, and what a node file put on it.
type upView struct {
	ID lattice.HostID `json:"id"` // of the host, as everything that is started has one
	upState
	Joinable bool             `json:"joinable,omitempty"` // by those who have a token
	Applied  *operate.Applied `json:"applied,omitempty"`
}

func upCmd(a *app) *cobra.Command {
	var flags hostFlags
	var nats natsFlags
	var detach, child bool
	var file string
	cmd := &cobra.Command{Use: "up", Short: "Start a lattice on this machine: NATS, a host, the built-in providers", Args: exactArgs(0),
		Long: `Starts a NATS server with JetStream inside this process and a host that uses it. With --nats-url or --join the host joins
the lattice there instead. Other weft commands on this machine find the lattice by themselves.

In the foreground, Ctrl-C lets work in flight finish and ends everything; a second Ctrl-C ends at once. With -d weft goes
to the background once all is ready; "weft down" ends it. With -f a configuration file's providers, actors and links
are started, too.

Beyond loopback (--nats-listen 0.0.0.0) NATS speaks TLS and wants credentials; "weft token create" makes those for other
machines. The authority that certifies it is made on first use; --nats-server-cert takes a certificate of your own.`,
		Example: `  weft up -d
  weft up -f node.yaml --label zone=edge`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if detach && !child {
				// what is wrong or doubtful belongs before the user's eyes
				config, err := readNodeFile(file, a, cmd, &flags)
				if err != nil {
					return err
				}
				config.warn(a)
				return upDetached(a, cmd)
			}
			slack.Take()
			err := runUp(a, cmd, &flags, &nats, file, child)
			if child && err != nil {
				reportToParent(err)
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

// up runs a lattice until it is interrupted or stopped.
func runUp(a *app, cmd *cobra.Command, flags *hostFlags, nats *natsFlags, file string, child bool) (err error) {
	release, err := a.claimUp()
	if err != nil {
		return err
	}
	defer release()
	config, err := readNodeFile(file, a, cmd, flags)
	if err != nil {
		return err
	}
	log, err := flags.logger(a) // the file may say how
	if err != nil {
		return err
	}
	config.warn(a)
	if a.conn.elsewhere() {
		nats = nil
	}
	n, err := startNode(a, cmd, flags, nats, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	name, err := a.latticeName()
	if err != nil {
		return err
	}
	s := upState{PID: os.Getpid(), Lattice: name, NATSURL: withCredentials(n.conn), Creds: n.conn.CredsFile, Domain: n.conn.JSDomain, CA: n.conn.TLSCA, ServerName: n.conn.TLSName, HostID: n.host.ID(), Host: n.host.Name(),
		HTTPAddr: n.host.HTTPAddr(), DataDir: a.dataDir}
	if child {
		s.Log = a.logPath()
	}
	if err := a.saveState(s); err != nil {
		return err
	}
	applied, err := config.apply(cmd, a, n)
	if err != nil {
		return err
	}
	s.NATSURL = natsconn.SafeURL(s.NATSURL)
	view := upView{ID: s.HostID, upState: s, Applied: applied}
	view.Joinable = nats != nil && n.server.realm != nil
	if child {
		reportToParent(view)
	} else if err := a.print(view, func(w io.Writer) { banner(a, w, view); fmt.Fprintln(w, "\nCtrl-C ends it.") }); err != nil {
		return err
	}
	stop := config.keepTrying(cmd, a, n, applied, log)
	defer stop()
	n.wait(cmd.Context())
	return nil
}

// banner is what people see once a lattice is up.
func banner(a *app, w io.Writer, v upView) {
	printf(w, "weft is up: lattice %s\n", v.Lattice)
	metrics, pid := "", ""
	if v.Log != "" { // in the background
		pid = fmt.Sprint(v.PID)
	}
	if v.HTTPAddr != "" {
		metrics = "http://" + v.HTTPAddr + "/metrics"
	}
	fields(w, "  NATS", v.NATSURL, "  host", v.Host+" ("+string(v.HostID)+")", "  metrics", metrics, "  log", v.Log, "  pid", pid)
	if v.Joinable {
		fmt.Fprint(w, "\nFor another machine, a token: weft token create    There: weft host run --join TOKEN\n")
	}
	if v.Applied != nil {
		fmt.Fprint(w, v.Applied)
	}
}

// reportToParent sends the one line that the process waits for which started this one in the background.
func reportToParent(v any) {
	if err, ok := v.(error); ok {
		v = map[string]string{"error": err.Error(), "code": errorWord(err)}
	}
	_ = json.NewEncoder(os.Stdout).Encode(v)
	_ = os.Stdout.Close()
}

// childError is what the process in the background reported.
type childError struct{ text, word string }

func (e *childError) Error() string { return e.text }
func (e *childError) Unwrap() error {
	if code, ok := lattice.ParseCode(e.word); ok {
		return code
	}
	return usageError{errors.New(e.text)}
}

// upDetached starts this command again in the background and waits until it is ready.
func upDetached(a *app, cmd *cobra.Command) error {
	if !canDetach {
		return usagef("-d does not work on this system; run weft up in a window of its own")
	}
	if s, ok := a.runningHere(); ok {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "start a lattice in", Entity: a.dataDir,
			Detail: "one runs there already (" + pidText(s.PID) + "); stop it with: weft down, or use another --data-dir"}
	}
	exe, err := executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.dataDir, 0o700); err != nil {
		return fileError("make", a.dataDir, err)
	}
	log, err := os.OpenFile(a.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fileError("open", a.logPath(), err)
	}
	defer log.Close()
	child := exec.Command(exe, append(slices.Clone(a.args), "--detached", "--output=text")...)
	child.Stderr = log
	child.SysProcAttr = detached()
	report, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	a.say("- starting, pid %d, log %s", child.Process.Pid, a.logPath())
	view, err := awaitChild(cmd.Context(), child, report)
	if err != nil {
		return err
	}
	return a.print(view, func(w io.Writer) {
		banner(a, w, view)
		fmt.Fprintln(w, "\nNext: weft actor start ./app.wasm    Stop it: weft down")
	})
}

// awaitChild reads the line that the process in the background sends once it is ready or has failed.
func awaitChild(ctx context.Context, child *exec.Cmd, report io.Reader) (upView, error) {
	stop := context.AfterFunc(ctx, func() { _ = terminate(child.Process.Pid) })
	defer stop()
	line, _ := bufio.NewReader(report).ReadBytes('\n')
	var answer struct {
		upView
		Error string `json:"error"`
		Code  string `json:"code"`
	}
	if err := json.Unmarshal(line, &answer); err != nil || answer.Error != "" {
		wait := child.Wait()
		if answer.Error == "" {
			answer.Error = fmt.Sprintf("the process in the background ended early: %v; see its log", wait)
			answer.Code = lattice.ErrInternal.Name()
		}
		return upView{}, &childError{answer.Error, answer.Code}
	}
	return answer.upView, child.Process.Release()
}
