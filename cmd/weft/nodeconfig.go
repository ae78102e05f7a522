package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/nodefile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// nodeConfig is what "up -f" was given, perhaps nothing.
type nodeConfig struct {
	file *nodefile.File
	host *hostFlags
}

// readNodeFile reads a configuration file and lets it decide what neither flags nor the environment did.
func readNodeFile(path string, a *app, cmd *cobra.Command, flags *hostFlags) (*nodeConfig, error) {
	if path == "" {
		return &nodeConfig{}, nil
	}
	f, err := nodefile.Load(path)
	if err != nil {
		return nil, err
	}
	h := f.Host
	set := func(flag, value string) {
		if value == "" || cmd.Flags().Changed(flag) || err != nil {
			return
		}
		if e := cmd.Flags().Set(flag, value); e != nil {
			err = usagef("%s: %s: %w", path, flag, e)
		}
	}
	given := func(name, flag, value string) {
		if h.Given[name] {
			set(flag, value)
		}
	}
	given("lattice", "lattice", string(h.Lattice))
	given("rpc_timeout", "rpc-timeout-ms", fmt.Sprint(h.RPCTimeout.Milliseconds()))
	given("structured_logging", "enable-structured-logging", fmt.Sprint(h.StructuredLogging))
	given("log_level", "log-level", logLevel(h.LogLevel))
	given("ctl_topic_prefix", "ctl-prefix", h.CtlTopicPrefix)
	given("allow_file_load", "allow-file-load", fmt.Sprint(h.AllowFileLoad))
	given("prov_shutdown_delay_ms", "provider-shutdown-delay", fmt.Sprint(h.ProviderShutdownDelay.Milliseconds()))
	given("oci_allow_latest", "oci-allow-latest", fmt.Sprint(h.OCIAllowLatest))
	given("policy_timeout", "policy-timeout-ms", fmt.Sprint(h.PolicyTimeout.Milliseconds()))
	set("inline", strings.Join(h.Inline, ","))
	set("oci-allowed-insecure", strings.Join(h.OCIInsecure, ","))
	set("oci-registry", h.OCIRegistry)
	set("oci-user", h.OCIUser)
	set("oci-password", h.OCIPassword.Reveal())
	set("policy-topic", h.PolicyTopic)
	set("policy-changes-topic", h.PolicyChangesTopic)
	set("name", h.Name)
	set("js-domain", h.JSDomain)
	set("nats-url", h.NATSURL)
	set("creds", h.NATSCreds)
	set("nats-jwt", h.NATSJWT)
	set("nats-seed", h.NATSSeed.Reveal())
	set("nats-user", h.NATSUser)
	set("nats-password", h.NATSPassword.Reveal())
	set("nats-token", h.NATSToken.Reveal())
	ours := slices.Clone(flags.issuers) // on the command line
	flags.issuers = withIssuers(ours, h)
	flags.fileKeys = func() (signing.KeyPair, []string, error) {
		f, err := nodefile.Load(path)
		if err != nil {
			return signing.KeyPair{}, nil, err
		}
		return f.Host.Cluster, withIssuers(ours, f.Host), nil
	}
	for k, v := range h.Labels {
		flags.labels = append(flags.labels, k+"="+v)
	}
	if !cmd.Flags().Changed("files-dir") {
		flags.filesDirs = h.FilesDirs
	}
	flags.fileHost, flags.fileCluster = h.Key, h.Cluster
	return &nodeConfig{f, flags}, err
}

// withIssuers adds the issuers of a file to those given.
func withIssuers(given []string, h nodefile.Host) []string {
	all := slices.Clone(given)
	for _, issuer := range h.Issuers {
		if !slices.Contains(all, string(issuer)) {
			all = append(all, string(issuer))
		}
	}
	return all
}

// logLevel is the word that this program knows.
func logLevel(s string) string {
	if s == "trace" {
		return "debug"
	}
	return s
}

// warn tells what is doubtful in the file.
func (c *nodeConfig) warn(a *app) {
	if c.file == nil {
		return
	}
	for _, w := range c.file.Warnings {
		a.say("weft: warning: %s: %s", c.file.Path, w)
	}
}

// applyPause is how long what a file names and could not be started waits for another try, at first and at most.
const (
	applyPause    = 5 * time.Second
	applyPauseMax = time.Minute
)

// apply starts what the file names. What could not be started is in the result and is not an error: the node is up
// without it, and keepTrying tries again. It returns nil when there is no file.
func (c *nodeConfig) apply(cmd *cobra.Command, a *app, n *node) (*operate.Applied, error) {
	if c.file == nil {
		return nil, nil
	}
	s, err := a.signer()
	if err != nil {
		return nil, err
	}
	if err := a.mayCommand(natsauth.Operator, "start what the file names"); err != nil {
		return nil, err
	}
	return c.once(cmd.Context(), cmd, a, n, s, nil)
}

// once is one try, after that which made before.
func (c *nodeConfig) once(ctx context.Context, cmd *cobra.Command, a *app, n *node, s *operate.Signer, before *operate.Applied) (*operate.Applied, error) {
	l, done, err := a.connectTo(ctx, n.conn, cmd.CommandPath())
	if err != nil {
		return nil, err
	}
	defer done()
	applied := l.Apply(ctx, s, c.file, n.host.ID(), before, c.made(a))
	if err := c.saveMade(a, applied.Made()); err != nil { // a full disk is no reason to be down
		a.say("weft: warning: links that leave the file will stay in the lattice: %v", err)
	}
	return applied, nil
}

// again reads the file anew, which a person may have mended; of one that is broken now, what it said before holds.
func (c *nodeConfig) again(log *slog.Logger) {
	f, err := nodefile.Load(c.file.Path)
	if err == nil {
		c.file = f
		return
	}
	log.Warn("the file is broken now; what it said before is tried again", lattice.LogErr, err)
	if err := c.file.Locate(); err != nil {
		log.Warn("a file is gone", lattice.LogErr, err)
	}
}

// madePath is where the data directory keeps what files have made.
func (a *app) madePath() string { return filepath.Join(a.dataDir, "made.json") }

// made reads what the file had made when it was applied last; a file that cannot be read counts as missing.
func (c *nodeConfig) made(a *app) []operate.Made {
	data, err := os.ReadFile(a.madePath())
	var made []operate.Made
	if err != nil || json.Unmarshal(data, &made) != nil {
		return nil
	}
	return made
}

func (c *nodeConfig) saveMade(a *app, made []operate.Made) error {
	data, err := json.Marshal(made)
	if err != nil {
		return err
	}
	next := a.madePath() + ".new"
	if err := os.WriteFile(next, append(data, '\n'), 0o600); err != nil {
		return fileError("write", next, err)
	}
	return os.Rename(next, a.madePath())
}

// keepTrying starts what could not be started, until all is, and says so in the log. stop ends it and waits.
func (c *nodeConfig) keepTrying(cmd *cobra.Command, a *app, n *node, applied *operate.Applied, log *slog.Logger) (stop func()) {
	if applied == nil || len(applied.Failed) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause := applyPause; len(applied.Failed) > 0; pause = min(2*pause, applyPauseMax) {
			for _, text := range applied.Failed {
				log.Warn("the file's wish is not fulfilled", "file", c.file.Path, "what", text, "next", pause)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			c.again(log)
			s, err := a.signer()
			if err == nil {
				var next *operate.Applied
				if next, err = c.once(ctx, cmd, a, n, s, applied); next != nil {
					applied = next
				}
			}
			if err != nil {
				log.Warn("the file is not applied", lattice.LogErr, err)
			}
		}
		log.Info("all that the file names is started", "file", c.file.Path)
	}()
	return func() {
		cancel()
		<-done
	}
}
