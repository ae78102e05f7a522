package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftlattice/weft/internal/deploy/nodefile"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// readNodeFile reads a configuration file and lets it decide what neither flags nor the environment did. It returns nil
// when there is none.
func readNodeFile(path string, cmd *cobra.Command, flags *hostFlags) (*nodefile.File, error) {
	if path == "" {
		return nil, nil
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
			err = usage.Errorf("%s: %s: %w", path, flag, e)
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
	flags.fileKeys = func() (signing.KeyPair, []lattice.ClusterID, error) {
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
	return f, err
}

// withIssuers adds the issuers of a file to those given.
func withIssuers(given []lattice.ClusterID, h nodefile.Host) []lattice.ClusterID {
	all := slices.Clone(given)
	for _, issuer := range h.Issuers {
		if !slices.Contains(all, issuer) {
			all = append(all, issuer)
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

// warnOf tells what is doubtful in a node file; nil: nothing.
func warnOf(a *app, f *nodefile.File) {
	if f == nil {
		return
	}
	for _, w := range f.Warnings {
		a.say("weft: warning: %s: %s", f.Path, w)
	}
}
