package main

import (
	"log/slog"
	"maps"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/environ"
	"github.com/weftlattice/weft/internal/deploy/keys"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/deploy/values"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// defaultHTTPAddr is where a host serves its metrics, unless it is taken.
const defaultHTTPAddr = "127.0.0.1:7422"

// hostFlags are the settings of a host on the command line.
type hostFlags struct {
	name, httpAddr, providerURL                      string
	hostSeed, hostSeedFile, clusterSeed, clusterFile string
	labels, inline, filesDirs                        []string
	issuers                                          []lattice.ClusterID
	allowFiles, oldHeartbeat, pprof                  bool
	rpcTimeout, shutdownDelay                        time.Duration
	heartbeat, drain, execution, ready               time.Duration
	callMaxAge, callMaxAhead                         time.Duration
	natsWait, compileTime                            time.Duration
	memory                                           uint64
	large, guests, compileMemory                     int64
	queue                                            int
	recycle, fuel                                    uint64
	logFormat, logLevel                              string
	structured                                       bool
	registries                                       registryFlags

	policy policyFlags

	fileHost, fileCluster signing.KeyPair // from a configuration file
	// reads fileCluster and all issuers from it again
	fileKeys func() (signing.KeyPair, []lattice.ClusterID, error)
}

func (h *hostFlags) flags(f *pflag.FlagSet) {
	d := host.DefaultConfig()
	f.StringVar(&h.name, "name", "", "friendly name of the host (default: made from its key)")
	f.StringArrayVar(&h.labels, "label", nil,
		"label=value of the host; may be repeated; also from WEFT_LABEL_... and WASMCLOUD_LABEL_...")
	f.StringVar(&h.httpAddr, "http-addr", defaultHTTPAddr,
		"where /metrics, /healthz and /readyz are served; empty: nowhere")
	f.BoolVar(&h.pprof, "pprof", false,
		"serve profiles of the host and its providers there, too (docs/metrics.md); loopback only")
	f.StringVar(&h.hostSeedFile, "host-seed-file", "",
		"file with the host's seed (default: a key in the data directory)")
	f.StringVar(&h.clusterFile, "cluster-seed-file", "",
		"file with the cluster's seed (default: the lattice's key in the data directory)")
	f.StringVar(&h.hostSeed, "host-seed", "", "the host's seed")
	f.StringVar(&h.clusterSeed, "cluster-seed", "", "the cluster's seed")
	idSliceVar(f, &h.issuers, "cluster-issuers",
		"public keys of further clusters to trust, separated by commas")
	f.BoolVar(&h.allowFiles, "allow-file-load", false,
		"let operators start files of this machine by file:// references")
	f.StringArrayVar(&h.filesDirs, "files-dir", nil,
		"folder below which link values may name files (certificates, keys), "+
			"besides the folder \"files\" of the data directory; may be repeated")
	f.StringSliceVar(&h.inline, "inline", nil,
		"built-in providers to run inside the host's process, for speed; a crash of one ends the host (see "+
			"docs/providers.md)")
	h.registries.flags(f)
	millisFlag(f, &h.rpcTimeout, "rpc-timeout-ms", d.RPCTimeout,
		"milliseconds that a call may take when the caller says nothing")
	spanFlag(f, &h.callMaxAge, "call-max-age", d.CallMaxAge, 0,
		"how long ago a call may have been signed, by the signer's clock; 0: any time (see docs/security.md)")
	spanFlag(f, &h.callMaxAhead, "call-max-ahead", d.CallMaxAhead, 0,
		"how far the clock of a caller may be ahead; 0: any")
	millisFlag(f, &h.shutdownDelay, "provider-shutdown-delay", d.ProviderGrace,
		"milliseconds between asking a provider to end and killing it")
	f.StringVar(&h.providerURL, "provider-nats-url", "", "NATS address that providers are given (default: the host's)")
	spanFlag(f, &h.heartbeat, "heartbeat", d.Heartbeat, time.Millisecond, "time between heartbeats with the inventory")
	f.BoolVar(&h.oldHeartbeat, "old-heartbeat", false, "heartbeats in the form of hosts before 0.82")
	spanFlag(f, &h.drain, "drain-timeout", d.DrainTimeout, time.Millisecond,
		"how long the end of the host waits for work in flight; then calls are cut off, "+
			"and 10s later it ends whatever they do")
	spanFlag(f, &h.ready, "provider-ready-timeout", d.ProviderReady, time.Millisecond,
		"how long a provider may take to get ready")
	sizeFlag(f, &h.memory, "actor-memory", "64MiB", "memory of an actor's instance, unless started with --memory")
	spanFlag(f, &h.execution, "actor-timeout", d.Limits.Execution, time.Millisecond,
		"how long one call of an actor may take, unless started with --timeout-exec")
	f.Uint64Var(&h.fuel, "actor-fuel", d.Limits.Fuel,
		"work that one call of an actor may do, in units of about an instruction, unless started with --fuel; "+
			"0: no limit")
	h.queue = d.QueuePerActor
	countFlag(f, &h.queue, "actor-queue", "",
		"calls of one actor that may wait for an instance at most; \"busy\" beyond it, "+
			"and when they would wait for too long")
	f.Uint64Var(&h.recycle, "recycle-calls", d.RecycleCalls, "calls after which an instance is replaced; 0: never")
	sizeFlag(f, &h.compileMemory, "compile-memory", "",
		"memory that compiling an actor's module may take; beyond it the module is refused (default: 2GiB, "+
			"at most half of what there is)")
	spanFlag(f, &h.compileTime, "compile-time", time.Minute, time.Second,
		"processor time that compiling an actor's module may take")
	sizeFlag(f, &h.guests, "guest-memory", "",
		"memory for all actors on the host, with their code and waiting requests; "+
			"calls beyond it are \"busy\" (default: most of what the machine or the container has)")
	sizeFlag(f, &h.large, "large-payloads", "",
		"memory for payloads above 900 KiB; calls wait for it, and then are \"busy\" (default: 512MiB, "+
			"at most an eighth of what there is)")
	spanFlag(f, &h.natsWait, "nats-wait", 0, 0,
		"how long to wait for a NATS server that is not up yet; 0: not at all")
	h.policy.flags(f)
	f.StringVar(&h.logFormat, "log-format", "text", "text or json")
	f.StringVar(&h.logLevel, "log-level", "info", "debug, info, warn or error")
	f.BoolVar(&h.structured, "enable-structured-logging", false, "as --log-format json")
	for _, name := range []string{"host-seed", "cluster-seed", "enable-structured-logging", "old-heartbeat"} {
		_ = f.MarkHidden(name)
	}
}

// logger writes to standard error in the chosen form.
func (h *hostFlags) logger(a *app) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(h.logLevel)); err != nil {
		return nil, usage.Errorf("--log-level %q: want debug, info, warn or error", h.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	if h.structured {
		h.logFormat = "json"
	}
	switch h.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(a.err, opts)), nil
	case "json":
		a.structured = slog.New(slog.NewJSONHandler(a.err, opts))
		return a.structured, nil
	}
	return nil, usage.Errorf("--log-format %q: want text or json", h.logFormat)
}

// config makes the host's configuration. release gives the host's key back to other processes.
func (h *hostFlags) config(a *app, cmd *cobra.Command, way connect.Way, nats natsconn.Config,
	log *slog.Logger) (cfg host.Config, release func(), err error) {
	a.secretFlag(cmd, "host-seed")
	a.secretFlag(cmd, "cluster-seed")
	a.secretFlag(cmd, "oci-password")
	cfg = host.DefaultConfig()
	release = func() {}
	cfg.Lattice, cfg.ControlPrefix = way.Control.Lattice, way.Control.Prefix
	h.issuers = append(h.issuers, way.Issuers()...)
	if cfg.Labels, err = h.allLabels(); err != nil {
		return cfg, release, err
	}
	cfg.Limits.MemoryBytes = h.memory
	cfg.GuestBytes, cfg.LargeBytes, cfg.CompileMemory = h.guests, h.large, h.compileMemory
	if cfg.Policy, err = h.policy.config(cfg.Lattice); err != nil {
		return cfg, release, err
	}
	exe, err := executable()
	if err != nil {
		return cfg, release, err
	}
	cfg.NATS, cfg.Logger = hostNATS(nats), log
	if login := way.HostLogin(); login != nil {
		cfg.NATS.JWT, cfg.NATS.Seed, cfg.NATS.Login = "", "", login
	}
	cfg.ProviderNATSURL = or(h.providerURL, environ.ProvidersServer())
	cfg.JSDomain = nats.JSDomain
	cfg.FriendlyName, cfg.AllowFileLoad, cfg.OldHeartbeat = h.name, h.allowFiles, h.oldHeartbeat
	cfg.RPCTimeout, cfg.ProviderGrace = h.rpcTimeout, h.shutdownDelay
	cfg.Heartbeat, cfg.DrainTimeout, cfg.ProviderReady, cfg.Limits.Execution = h.heartbeat, h.drain, h.ready,
		h.execution
	cfg.CallMaxAge, cfg.CallMaxAhead = h.callMaxAge, h.callMaxAhead
	cfg.QueuePerActor, cfg.RecycleCalls, cfg.Limits.Fuel = h.queue, h.recycle, h.fuel
	cfg.OCI = h.registries.config()
	cfg.CacheDir = a.dir.Cache()
	for _, dir := range append([]string{a.dir.Files()}, h.filesDirs...) {
		if dir, err = filepath.Abs(dir); err != nil {
			return cfg, release, err
		}
		cfg.FilesDirs = append(cfg.FilesDirs, dir)
	}
	cfg.StructuredLogging = h.logFormat == "json"
	cfg.Compiler = []string{exe, "host", "compiler"}
	cfg.CompileCPU = h.compileTime
	cfg.Guard = []string{exe, "provider", "guard"}
	cfg.Builtins = hostBuiltins(exe)
	if err := runInside(cfg.Builtins, h.inline); err != nil {
		return cfg, release, err
	}
	cfg.HTTPAddr, cfg.HTTPAnyPort, cfg.Pprof = h.httpAddr, !cmd.Flags().Changed("http-addr"), h.pprof
	if err := cfg.ValidateSettings(); err != nil { // before a key is made that no host would use
		return cfg, release, err
	}
	cluster := h.cluster(a, cfg.Lattice, way)
	first, err := hostKeys(cluster.Load())
	if err != nil {
		return cfg, release, err
	}
	cfg.Cluster, cfg.Issuers = first.Cluster, first.Issuers
	cfg.Keys = func() (host.Keys, error) { return hostKeys(cluster.Reload()) }
	cfg.HostKey, release, err = a.keeper().Host(h.name, h.hostSeedFile, h.hostSeed, h.fileHost)
	return cfg, release, err
}

// hostBuiltins are the providers that come with this binary, as a host starts them.
func hostBuiltins(exe string) map[string]host.Builtin {
	out := map[string]host.Builtin{}
	for _, b := range builtins {
		out[b.name] = host.Builtin{ID: builtinID(b.name), Name: b.name, ContractID: b.contract,
			Version: version().Version, Revision: 1, Path: exe, Args: []string{"provider", "run", b.name},
			Storage: b.storage}
	}
	return out
}

// cluster is where the cluster's key comes from, and comes from again when it is read anew.
func (h *hostFlags) cluster(a *app, l lattice.Name, way connect.Way) *keys.Cluster {
	return &keys.Cluster{Keeper: a.keeper(), Lattice: l, Issuers: h.issuers, Seed: h.clusterSeed,
		SeedFile: h.clusterFile, NodeFile: h.fileCluster, Reread: h.fileKeys, Token: way.ClusterSeed(), Made: func() {
			a.say("- made a new cluster key for lattice %s, which all its hosts need, on other machines, too:\n"+
				"  weft key show cluster --seed > cluster.nk, copied there, and: "+
				"weft host run --cluster-seed-file cluster.nk\n"+
				"  where the lattice has hosts already, take their key instead: give this one --join TOKEN, or "+
				"--cluster-seed-file", l)
		}}
}

// clusterFrom is the file of seeds or the node file that the cluster key comes from, if it comes from one that can be
// read again.
func (h *hostFlags) clusterFrom(nodeFile string) (seeds, node string, err error) {
	switch {
	case h.clusterFile != "" && h.clusterFile != "-":
		seeds, err = filepath.Abs(h.clusterFile)
	case h.clusterFile+h.clusterSeed == "" && !h.fileCluster.IsZero():
		node, err = filepath.Abs(nodeFile)
	}
	return seeds, node, err
}

func hostKeys(ring signing.Ring, issuers []lattice.ClusterID, err error) (host.Keys, error) {
	if err != nil {
		return host.Keys{}, err
	}
	return host.Keys{Cluster: ring.Signer(), Issuers: issuers}, nil
}

// allLabels joins labels of the environment with those of the command line, which win.
func (h *hostFlags) allLabels() (map[string]string, error) {
	out := environ.Labels()
	given, err := values.Pairs("--label", h.labels)
	maps.Copy(out, given)
	return out, err
}

// hostNATS is how a host connects. What is left out of it a host sets itself.
func hostNATS(c natsconn.Config) host.NATS {
	return host.NATS{URL: c.URL, CredsFile: c.CredsFile, JWT: c.JWT, Seed: c.Seed, User: c.User, Password: c.Password,
		Token: c.Token, TLS: c.TLS, TLSCA: c.TLSCA, TLSRoots: c.TLSRoots, TLSName: c.TLSName, TLSCert: c.TLSCert,
		TLSKey: c.TLSKey, TLSFirst: c.TLSFirst, InboxPrefix: c.InboxPrefix}
}
