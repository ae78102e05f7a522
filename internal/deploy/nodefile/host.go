package nodefile

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weftlattice/weft/internal/deploy/image"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Defaults of Host.
const (
	defaultRPCTimeout     = 2 * time.Second
	defaultCtlTopicPrefix = "wasmbus.ctl"
	defaultLogLevel       = "info"
)

// Host is the section "wasmcloud" or "weft".
type Host struct {
	// Given holds the canonical names of the settings that the file has, so that the defaults of the others can be
	// decided elsewhere. See the package's documentation for the names.
	Given map[string]bool

	Key     signing.KeyPair     // zero: the file names none
	Cluster signing.KeyPair     // zero: the file names none
	Issuers []lattice.ClusterID // to trust besides the cluster's own

	Name              string
	Labels            map[string]string
	Lattice           lattice.Name  // default lattice.DefaultName
	RPCTimeout        time.Duration // default defaultRPCTimeout
	StructuredLogging bool
	LogLevel          string // default defaultLogLevel

	NATSURL      string // "": none is named, so one is to be started
	NATSCreds    string // path; absolute after Locate
	NATSJWT      string
	NATSSeed     Secret
	NATSUser     string
	NATSPassword Secret
	NATSToken    Secret

	JSDomain              string
	CtlTopicPrefix        string // default defaultCtlTopicPrefix
	AllowFileLoad         bool
	FilesDirs             []string      // folders below which link values may name files; absolute after Locate
	ProviderShutdownDelay time.Duration // 0: not given
	Inline                []string      // built-in providers to run inside the host's process

	OCIAllowLatest bool
	OCIInsecure    []string // registries to speak plain HTTP to
	OCIRegistry    string   // that user and password are for
	OCIUser        string
	OCIPassword    Secret

	PolicyTopic, PolicyChangesTopic string        // subjects of a policy service
	PolicyTimeout                   time.Duration // 0: not given
}

// connections are the prefixes of the connection settings. wasmCloud hosts had up to three connections, weft has one.
var connections = []string{"nats_", "rpc_", "ctl_", "prov_rpc_"}

var logLevels = []string{"trace", "debug", "info", "warn", "error"}

// agreed is a setting that has several names: the first place that gave it.
type agreed struct {
	value string
	at    *yaml.Node
	path  string
}

func (w walker) host(n *yaml.Node, path string) Host {
	h := Host{
		Lattice: lattice.DefaultName, RPCTimeout: defaultRPCTimeout, CtlTopicPrefix: defaultCtlTopicPrefix,
		LogLevel: defaultLogLevel,
		Given:    map[string]bool{},
	}
	settings := map[string]*agreed{}
	// agree reads a setting with several names, which must not contradict each other.
	agree := func(names []string, read func(*yaml.Node, string) (string, bool)) strictyaml.Field {
		return strictyaml.Field{Names: names, Read: func(v *yaml.Node, at string) {
			value, ok := read(v, at)
			if !ok {
				return
			}
			if first := settings[names[0]]; first == nil {
				settings[names[0]] = &agreed{value, v, at}
			} else if first.value != value {
				w.Bad(v, at, "it contradicts %s in line %d, which is the same setting", first.path, w.Line(first.at))
			}
		}}
	}
	flag := func(v *yaml.Node, at string) (string, bool) {
		b, ok := w.Boolean(v, at)
		return strconv.FormatBool(b), ok
	}
	only := func(want bool, why string) func(v *yaml.Node, at string) (string, bool) {
		return func(v *yaml.Node, at string) (string, bool) {
			b, ok := w.Boolean(v, at)
			if ok && b != want {
				w.Bad(v, at, "%s", why)
			}
			return strconv.FormatBool(b), ok
		}
	}
	number := func(v *yaml.Node, at string) (string, bool) {
		i, ok := w.Integer(v, at, 1, 65535)
		return strconv.FormatInt(i, 10), ok
	}
	span := func(low, high time.Duration) func(v *yaml.Node, at string) (string, bool) {
		return func(v *yaml.Node, at string) (string, bool) {
			d, ok := w.Duration(v, at, low, high)
			return d.String(), ok
		}
	}
	connection := func(suffix string) (names []string) {
		for _, c := range connections {
			names = append(names, c+suffix)
		}
		return names
	}
	text := func(names ...string) strictyaml.Field { return agree(names, w.Text) }
	fields := []strictyaml.Field{
		text("host_id"), text("host_seed"), text("cluster_seed"),
		strictyaml.One("cluster_issuers", func(v *yaml.Node, at string) {
			w.Texts(v, at, func(item *yaml.Node, s, at string) {
				if err := signing.CheckPublic(s, signing.KindCluster); err != nil {
					w.Bad(item, at, "want public keys of clusters (C...), but one %s", strictyaml.DetailOf(err))
					return
				}
				h.Issuers = append(h.Issuers, lattice.ClusterID(s))
			})
		}),
		text("name", "friendly_name"),
		strictyaml.One("labels", func(v *yaml.Node, at string) { h.Labels = w.Values(v, at) }),
		text("lattice", "lattice_prefix", "lattice_rpc_prefix"),
		agree([]string{"rpc_timeout", "rpc_timeout_ms", "lattice_rpc_timeout"}, span(time.Millisecond, time.Hour)),
		agree([]string{"structured_logging", "enable_structured_logging", "structured_logging_enabled"}, flag),
		text("log_level"),
		text("nats_url", "nats"),
		agree(connection("host"), w.Text), agree(connection("port"), number), agree(connection("tls"), flag),
		agree(connection("jwt"), w.Text), agree(connection("seed"), w.Text),
		text("nats_creds", "nats_credsfile"), text("nats_user"), text("nats_password"), text("nats_token"),
		text("js_domain"), text("ctl_topic_prefix"),
		agree([]string{"allow_file_load"}, flag),
		strictyaml.One("files_dirs", func(v *yaml.Node, at string) {
			w.Texts(v, at, func(_ *yaml.Node, s, _ string) { h.FilesDirs = append(h.FilesDirs, s) })
		}),
		strictyaml.One("inline_providers", func(v *yaml.Node, at string) {
			w.Texts(v, at, func(item *yaml.Node, s, at string) {
				if _, ok := image.Contract(s); !ok {
					w.Bad(item, at, "%q is no built-in provider; there are %s", lattice.Printable(s),
						builtinNames())
				}
				h.Inline = append(h.Inline, s)
			})
		}),
		agree([]string{"oci_allow_latest"}, flag),
		strictyaml.One("oci_allowed_insecure", func(v *yaml.Node, at string) {
			w.Texts(v, at, func(_ *yaml.Node, s, _ string) { h.OCIInsecure = append(h.OCIInsecure, s) })
		}),
		text("oci_registry"), text("oci_registry_user"), text("oci_registry_password"),
		text("policy_topic"), text("policy_changes_topic"),
		agree([]string{"policy_timeout", "policy_timeout_ms"}, span(time.Millisecond, time.Hour)),
		// What weft has no such thing for is taken as long as it asks for what weft does anyway.
		agree([]string{"config_service", "config_service_enabled"},
			only(false, "weft asks no configuration service; put labels, actors, "+
				"providers and registries into this file")),
		agree([]string{"enable_ipv6"}, only(true, "weft uses IPv6 wherever an address is one; leave it out")),
		agree([]string{"prov_shutdown_delay_ms", "provider_shutdown_delay"}, span(0, 10*time.Minute)),
	}
	for name := range w.Entries(n, path, fields) {
		h.Given[name] = true
	}
	w.settle(&h, settings)
	return h
}

// settle turns the texts into the host's settings and checks what depends on several of them.
func (w walker) settle(h *Host, settings map[string]*agreed) {
	get := func(name string) string {
		if s := settings[name]; s != nil {
			return s.value
		}
		return ""
	}
	bad := func(name, format string, args ...any) { w.Bad(settings[name].at, settings[name].path, format, args...) }
	h.Key = w.hostKey(settings["host_id"], settings["host_seed"])
	if s := settings["cluster_seed"]; s != nil {
		h.Cluster = w.key(s, signing.KindCluster)
	}
	h.Name, h.JSDomain = get("name"), get("js_domain")
	// no key, but a name
	if id := get("host_id"); h.Name == "" && id != "" && h.Key.Public() == signing.Derive(signing.KindHost,
		id).Public() {
		h.Name = id
	}
	h.StructuredLogging, h.AllowFileLoad = get("structured_logging") == "true", get("allow_file_load") == "true"
	if s := get("lattice"); s != "" {
		if l, err := lattice.ParseName(s); err != nil {
			bad("lattice", "%q is no name of a lattice: want 1 to 64 letters, digits, '-' or '_'", lattice.Printable(s))
		} else {
			h.Lattice = l
		}
	}
	if s := get("rpc_timeout"); s != "" {
		h.RPCTimeout, _ = time.ParseDuration(s)
	}
	if s := get("prov_shutdown_delay_ms"); s != "" {
		h.ProviderShutdownDelay, _ = time.ParseDuration(s)
	}
	if s := strings.ToLower(get("log_level")); s != "" {
		if !slices.Contains(logLevels, s) {
			bad("log_level", "want one of %s, found %q", strings.Join(logLevels, ", "), lattice.Printable(s))
		}
		h.LogLevel = s
	}
	if s := get("ctl_topic_prefix"); s != "" {
		for token := range strings.SplitSeq(s, ".") {
			if _, err := lattice.ParseName(token); err != nil {
				bad("ctl_topic_prefix", "%q is no prefix of a NATS subject: want names with dots between them",
					lattice.Printable(s))
				break
			}
		}
		h.CtlTopicPrefix = s
	}
	h.OCIAllowLatest, h.OCIRegistry = get("oci_allow_latest") == "true", get("oci_registry")
	h.OCIUser, h.OCIPassword = get("oci_registry_user"), Secret(get("oci_registry_password"))
	h.PolicyTopic, h.PolicyChangesTopic = get("policy_topic"), get("policy_changes_topic")
	if s := get("policy_timeout"); s != "" {
		h.PolicyTimeout, _ = time.ParseDuration(s)
	}
	h.NATSCreds, h.NATSJWT, h.NATSSeed = get("nats_creds"), get("nats_jwt"), Secret(get("nats_seed"))
	h.NATSUser, h.NATSPassword, h.NATSToken = get("nats_user"), Secret(get("nats_password")), Secret(get("nats_token"))
	for _, pair := range [][2]string{{"nats_jwt", "nats_seed"}, {"nats_seed", "nats_jwt"},
		{"nats_user", "nats_password"}, {"nats_password", "nats_user"},
		{"oci_registry_user", "oci_registry"}, {"oci_registry_password", "oci_registry"},
		{"policy_changes_topic", "policy_topic"}} {
		if get(pair[0]) != "" && get(pair[1]) == "" {
			bad(pair[0], "it needs %s beside it", pair[1])
		}
	}
	if s := get("nats_seed"); s != "" {
		if k, err := signing.FromSeed(s); err != nil || k.Kind() != signing.KindUser {
			bad("nats_seed", "want the seed of a NATS user (SU...)")
		}
	}
	h.NATSURL = w.natsURL(settings)
}

// natsURL joins the settings for the NATS server.
func (w walker) natsURL(settings map[string]*agreed) string {
	whole, host, port := settings["nats_url"], settings["nats_host"], settings["nats_port"]
	secure := settings["nats_tls"] != nil && settings["nats_tls"].value == "true"
	if whole != nil {
		for _, s := range []*agreed{host, port} {
			if s != nil {
				w.Bad(s.at, s.path, "give it or %s, not both", whole.path)
			}
		}
		text := whole.value
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			w.Bad(whole.at, whole.path, "want the address of a NATS server, such as nats://127.0.0.1:4222")
			return ""
		}
		if secure && u.Scheme == "nats" {
			u.Scheme = "tls"
		}
		if u.User != nil {
			w.Warn(whole.at, whole.path, "credentials in an address show in logs and process lists; "+
				"use nats_user and nats_password")
		}
		return u.String()
	}
	if host == nil && port == nil {
		if secure {
			w.Bad(settings["nats_tls"].at, settings["nats_tls"].path, "it needs nats_url or nats_host beside it")
		}
		return ""
	}
	h, p, scheme := "127.0.0.1", "4222", "nats"
	if host != nil {
		h = host.value
	}
	if port != nil {
		p = port.value
	}
	if secure {
		scheme = "tls"
	}
	if strings.ContainsAny(h, "/ @") {
		w.Bad(host.at, host.path, "want a host name or address; a whole address belongs in nats_url")
		return ""
	}
	return scheme + "://" + net.JoinHostPort(strings.Trim(h, "[]"), p)
}

// hostKey finds the host's key in host_id and host_seed.
func (w walker) hostKey(id, seed *agreed) signing.KeyPair {
	var key signing.KeyPair
	if seed != nil {
		k, err := signing.FromSeed(seed.value)
		if err != nil || k.Kind() != signing.KindHost {
			w.Bad(seed.at, seed.path, "want the seed of a host (SN...); make one with `weft key gen host`")
		} else {
			key = k
		}
	}
	switch {
	case id == nil:
		return key
	case signing.CheckPublic(id.value, signing.KindHost) == nil:
		switch {
		case seed == nil:
			w.Bad(id.at, id.path, "it is a public key, and a host needs the secret part: give its seed (SN...) "+
				"as host_seed. `weft key gen host` makes a new pair; leave host_id out and the host makes its own")
		case !key.IsZero() && key.Public() != id.value:
			w.Bad(id.at, id.path, "it is not the public key of host_seed, which is %s", key.Public())
		}
		return key
	case seed != nil:
		w.Bad(id.at, id.path, "give it or host_seed, not both")
		return key
	}
	return w.key(id, signing.KindHost)
}

// key reads a seed, or makes a key of other text. What means to be a key but is none is a problem.
func (w walker) key(s *agreed, kind byte) signing.KeyPair {
	word := signing.KindName(kind)
	k, err := signing.FromSeed(s.value)
	switch {
	case err == nil && k.Kind() == kind:
		return k
	case err == nil:
		w.Bad(s.at, s.path, "it is the seed of a key of kind %c, want that of a %s (S%c...)", k.Kind(), word, kind)
	case len(s.value) == 58 && looksLikeKey(s.value) && s.value[0] == 'S':
		w.Bad(s.at, s.path, "it looks like a seed, but it %s", strictyaml.DetailOf(err))
	case len(s.value) == lattice.KeyLength && looksLikeKey(s.value):
		w.Bad(s.at, s.path, "it looks like a public key; want the seed of a %s (S%c...); "+
			"make one with `weft key gen %s`", word, kind, word)
	default:
		k = signing.Derive(kind, s.value)
		w.Warn(s.at, s.path, "it is no seed, so the key %s is made of the text: whoever knows the text has the key. "+
			"Make a real one with `weft key gen %s`", k.Public(), word)
		return k
	}
	return signing.KeyPair{}
}

func looksLikeKey(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}
