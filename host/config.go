package host

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/host/internal/monitor"
	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/oci"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/signing"
)

// Version is the version that a host reports. Clients of the dialect parse it as a semantic version and want at least
// 0.81.0 for all that weft can do; It says which dialect the host speaks, not which release of weft this is.
const Version = "0.82.0"

// Config configures a Host. Start from DefaultConfig; HostKey, Cluster, NATS and Logger have no default.
type Config struct {
	Lattice lattice.Name        // default "default"
	HostKey signing.KeyPair     // "N" key: the identity of this host
	Cluster signing.KeyPair     // "C" key: signs invocations; always trusted
	Issuers []lattice.ClusterID // further "C" public keys that are trusted
	// Keys reads Cluster and Issuers again from where they are kept, for Host.Reload. Nil: they stay until the host
	// ends.
	Keys func() (Keys, error)

	FriendlyName string            // default: made from the host's key
	Labels       map[string]string // besides hostcore.arch, hostcore.os and hostcore.osfamily, which cannot be set

	NATS NATS // where the lattice is
	// the NATS address that providers are given; default: NATS.URL, or a bridge to it where TLS needs more than an
	// address
	ProviderNATSURL string
	ControlPrefix   string // default subject.DefaultControlPrefix
	JSDomain        string // JetStream domain of the lattice's bucket; default none

	RPCTimeout    time.Duration // calls that say no deadline; default 2s
	CallMaxAge    time.Duration // how long ago a call of an actor may have been signed; 0: any time
	CallMaxAhead  time.Duration // how far the signer's clock may be ahead; 0: any
	Heartbeat     time.Duration // between heartbeats with the inventory; default 30s
	Beat          time.Duration // between liveness beats; default 1s
	OldHeartbeat  bool          // heartbeats in the form of hosts before 0.82, which managers before 0.10 need
	DrainTimeout  time.Duration // how long stopping waits for work in flight; default 10s
	ProviderGrace time.Duration // between asking a provider to end and killing it; default 2s
	ProviderReady time.Duration // how long a provider may take to get ready; default 10s

	Limits Limits // of each actor that is started without its own
	// calls of one actor that may wait for an instance at most; see load.Admission for how long; default 512
	QueuePerActor int
	IdleTimeout   time.Duration // instances unused for so long are freed; default 1m
	RecycleCalls  uint64        // an instance is replaced after so many calls; 0: never
	// of large payloads that are in memory at the same time; default load.DefaultBudget, at most an eighth of what
	// there is
	LargeBytes int64
	// of all guests with their snapshots, code and waiting requests; default: most of what the machine or control group
	// has
	GuestBytes int64

	OCI    oci.Config   // registries that actors and providers are fetched from
	Policy PolicyConfig // what may be started and called, besides what claims and links grant; default: everything

	CarriesNATS bool // the lattice's NATS server ends with this process, which operators are told

	AllowFileLoad bool // start actors and providers from files of this machine
	// absolute folders below which link values may name files; default: they may name none
	FilesDirs []string
	// compiled code, fetched artifacts, extracted providers; default: none is kept on disk
	CacheDir string
	Builtins map[string]Builtin // providers that come with the binary, by name
	// command that runs CompilerMain, so that what a module costs to compile is bounded; default: none
	Compiler      []string
	CompileMemory int64         // bytes that compiling a module may take, with Compiler; default 2 GiB
	CompileCPU    time.Duration // processor time that it may take, with Compiler; default 1m
	Guard         []string      // command that ends provider processes when this host dies; default: none

	Certificates []Certificate // that this process serves by itself and whose end is measured; default: none
	// how the disk of the NATS server in this process does; default: this process has no NATS server
	Storage func() Storage

	HTTPAddr          string // where /metrics, /healthz and /readyz are served; default: nowhere
	HTTPAnyPort       bool   // when HTTPAddr is taken, listen on any port of that address instead
	Pprof             bool   // profiles are served there, too; HTTPAddr must be loopback
	StructuredLogging bool   // what providers are told to log
	Logger            *slog.Logger
}

// Certificate is one, or some, in a file. It is safe for concurrent use.
type Certificate interface {
	File() string
	Expires() time.Time // when the certificate in use, or the last of them, ends
}

// Limits bound one actor's instances. See DefaultConfig for what applies when nothing is said.
type Limits struct {
	MemoryBytes uint64        // linear memory of one instance; default 64 MiB
	Execution   time.Duration // of one call; default 30s
	// work of one call, in units of about a simple instruction (docs/metrics.md); 0: no limit; at most control.MaxFuel
	Fuel uint64
}

// PolicyConfig says what decides, besides claims and links, what may be started and called. When there are both rules
// and a service, both must permit; the service is asked only for what the rules permit. The zero value permits
// everything.
type PolicyConfig struct {
	Rules        *policy.Rules // default: none
	RulesFile    string        // the file of Rules, which is followed: it replaces them when it changes; default: none
	Topic        string        // subject of a policy service; default: none
	ChangesTopic string        // subject on which the service changes its decisions; default: none
	Timeout      time.Duration // for a decision of the service; default policy.DefaultTimeout
}

// Storage is how the disk of a NATS server does that runs in this process.
type Storage struct {
	FreeBytes  int64 // -1: not known
	TotalBytes int64 // of the file system; -1: not known
	UsedBytes  int64 // in JetStream's streams
	MaxBytes   int64 // that they may hold; 0: no limit of their own
	Err        error // why data cannot be stored; nil when it can
}

// Builtin is a provider that comes with the binary. It is run as a child process like any other, unless Inside is set.
type Builtin struct {
	ID         lattice.ProviderID
	Name       string
	ContractID lattice.ContractID
	Version    string
	Revision   int32
	Path       string // executable
	Args       []string
	Storage    bool   // it keeps data in JetStream
	Inside     Inside // when set, it is run in the host's process instead; see docs/providers.md, "Inside the host"
}

// DefaultConfig returns a configuration with every default filled in.
func DefaultConfig() Config {
	l := wasm.DefaultLimits()
	return Config{
		Lattice: lattice.DefaultName, RPCTimeout: 2 * time.Second, Heartbeat: 30 * time.Second, Beat: time.Second,
		DrainTimeout: 10 * time.Second, ProviderGrace: 2 * time.Second, ProviderReady: 10 * time.Second,
		Limits:        Limits{MemoryBytes: l.MemoryBytes, Execution: l.Execution},
		QueuePerActor: 512, IdleTimeout: time.Minute,
	}
}

// Validate reports all that is wrong with the configuration at once.
func (c Config) Validate() error {
	var errs []error
	if c.HostKey.IsZero() || c.HostKey.Kind() != 'N' {
		errs = append(errs, &lattice.Error{Code: lattice.ErrInvalid, Op: "host configuration", Entity: "HostKey",
			Detail: "want a host seed (SN...); make one with: weft key gen host"})
	}
	return errors.Join(append(errs, Keys{c.Cluster, c.Issuers}.validate(), c.ValidateSettings())...)
}

// ValidateSettings is Validate without the keys, for a program that has yet to make them.
func (c Config) ValidateSettings() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &lattice.Error{Code: lattice.ErrInvalid, Op: "host configuration", Entity: field,
			Detail: fmt.Sprintf(format, args...)})
	}
	if err := c.Lattice.Check(); err != nil {
		errs = append(errs, err)
	}
	if c.NATS.URL == "" {
		bad("NATS.URL", "is empty")
	}
	if c.Logger == nil {
		bad("Logger", "is missing")
	}
	for _, span := range []struct {
		name string
		time.Duration
	}{{"RPCTimeout", c.RPCTimeout}, {"Heartbeat", c.Heartbeat}, {"Beat", c.Beat}, {"DrainTimeout", c.DrainTimeout},
		{"ProviderGrace", c.ProviderGrace}, {"ProviderReady", c.ProviderReady},
		{"Limits.Execution", c.Limits.Execution}} {
		if span.Duration <= 0 {
			bad(span.name, "want more than zero, got %s", span.Duration)
		}
	}
	for _, dir := range c.FilesDirs {
		if !filepath.IsAbs(dir) {
			bad("FilesDirs", "%s is no absolute path", lattice.Printable(dir))
		}
	}
	if c.CallMaxAge < 0 || c.CallMaxAhead < 0 {
		bad("CallMaxAge, CallMaxAhead", "want 0 or more, got %s and %s", c.CallMaxAge, c.CallMaxAhead)
	}
	if c.Limits.MemoryBytes < 64<<10 || c.Limits.MemoryBytes > 4<<30 {
		bad("Limits.MemoryBytes", "want 64 KiB to 4 GiB, got %d", c.Limits.MemoryBytes)
	}
	if c.Limits.Fuel > control.MaxFuel {
		bad("Limits.Fuel", "want at most %d, got %d", uint64(control.MaxFuel), c.Limits.Fuel)
	}
	if c.GuestBytes != 0 && c.GuestBytes < minGuestBytes {
		bad("GuestBytes", "want %d MiB at least, got %d", minGuestBytes>>20, c.GuestBytes)
	}
	if c.LargeBytes != 0 && c.LargeBytes < 1<<20 || c.LargeBytes > 1<<40 {
		bad("LargeBytes", "want 1 MiB to 1 TiB, got %d", c.LargeBytes)
	}
	if err := permit.Settings(c.Policy).Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.QueuePerActor < 0 {
		bad("QueuePerActor", "want 0 or more, got %d", c.QueuePerActor)
	}
	if good := netaddr.Bracketed(c.HTTPAddr); good != "" {
		bad("HTTPAddr", "%s: an IPv6 address stands in brackets, as %s", c.HTTPAddr, good)
	}
	if c.Pprof && !monitor.Loopback(c.HTTPAddr) {
		bad("Pprof", "profiles tell about the host's memory and slow it down, so they are served on loopback only, "+
			"not at %q; leave --pprof out, or take --http-addr 127.0.0.1:7422, "+
			"which other machines reach by ssh -L 7422:127.0.0.1:7422",
			c.HTTPAddr)
	}
	errs = append(errs, lattice.CheckName("host name", c.FriendlyName))
	for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
		v := c.Labels[k]
		errs = append(errs, lattice.CheckName("label", k), lattice.CheckName("label "+lattice.Printable(k), v))
		if strings.HasPrefix(k, "hostcore.") {
			bad("Labels", "%s is reserved", k)
		}
	}
	return errors.Join(errs...)
}

// coreLabels describe the machine, in the spellings that the dialect's clients expect.
func coreLabels() map[string]string {
	arch, ok := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "x86"}[runtime.GOARCH]
	if !ok {
		arch = runtime.GOARCH
	}
	os, family := runtime.GOOS, "unix"
	switch os {
	case "darwin":
		os = "macos"
	case "windows":
		family = "windows"
	}
	return map[string]string{"hostcore.arch": arch, "hostcore.os": os, "hostcore.osfamily": family}
}

// labels are those that describe the machine, with the given ones over them.
func (c Config) labels() map[string]string {
	labels := coreLabels()
	maps.Copy(labels, c.Labels)
	return labels
}

// dir is a folder for one kind of cached thing, or "" when nothing is kept on disk.
func (c *Config) dir(kind string) string {
	if c.CacheDir == "" {
		return ""
	}
	return filepath.Join(c.CacheDir, kind)
}
