// Package environ has the names of the environment variables that weft reads. Every flag has one of weft's own. Those
// of hosts of the dialect and of NATS's tools, which people have in their environment already, are read after it.
package environ

import (
	"cmp"
	"net"
	"os"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Own is weft's own variable for a flag: --nats-url has WEFT_NATS_URL.
func Own(flag string) string { return "WEFT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }

// Further are the variables that a flag is read from when its own is not set, in order.
func Further(flag string) []string { return further[flag] }

var further = map[string][]string{
	"lattice":    {"WASMCLOUD_LATTICE_PREFIX", "WASMCLOUD_LATTICE"},
	"ctl-prefix": {"WASMCLOUD_CTL_TOPIC_PREFIX"},

	"nats-url":      {"NATS_URL"},
	"nats-context":  {"NATS_CONTEXT"},
	"creds":         {"NATS_CREDS", "WASH_CTL_CREDS"},
	"nats-user":     {"NATS_USER"},
	"nats-password": {"NATS_PASSWORD"},
	"nats-token":    {"NATS_TOKEN"},
	"nats-jwt":      {"WASMCLOUD_CTL_JWT", "WASMCLOUD_NATS_JWT", "NATS_JWT"},
	// Hosts of the dialect did read the third.
	"nats-seed": {"WASMCLOUD_CTL_SEED", "WASMCLOUD_NATS_SEED", "WASMCOULD_NATS_SEED", "NATS_SEED"},
	"js-domain": {"WASMCLOUD_JS_DOMAIN"},
	"nats-tls":  {"WASMCLOUD_CTL_TLS"},
	"nats-ca":   {"NATS_CA"},
	"nats-cert": {"NATS_CERT"},
	"nats-key":  {"NATS_KEY"},

	"host-seed":                 {"WASMCLOUD_HOST_SEED"},
	"cluster-seed":              {"WASMCLOUD_CLUSTER_SEED"},
	"cluster-issuers":           {"WASMCLOUD_CLUSTER_ISSUERS"},
	"allow-file-load":           {"WASMCLOUD_ALLOW_FILE_LOAD"},
	"rpc-timeout-ms":            {"WASMCLOUD_RPC_TIMEOUT_MS"},
	"provider-shutdown-delay":   {"WASMCLOUD_PROV_SHUTDOWN_DELAY_MS"},
	"log-level":                 {"WASMCLOUD_LOG_LEVEL"},
	"enable-structured-logging": {"WASMCLOUD_STRUCTURED_LOGGING_ENABLED"},

	"oci-allow-latest":     {"WASMCLOUD_OCI_ALLOW_LATEST"},
	"oci-allowed-insecure": {"WASMCLOUD_OCI_ALLOWED_INSECURE"},
	"oci-registry":         {"WASMCLOUD_OCI_REGISTRY", "OCI_REGISTRY"},
	"oci-user":             {"WASMCLOUD_OCI_REGISTRY_USER", "OCI_REGISTRY_USER"},
	"oci-password":         {"WASMCLOUD_OCI_REGISTRY_PASSWORD", "OCI_REGISTRY_PASSWORD"},

	"policy-file":          {"WASMCLOUD_POLICY_FILE"},
	"policy-topic":         {policyTopic},
	"policy-changes-topic": {policyChangesTopic},
	"policy-timeout-ms":    {"WASMCLOUD_POLICY_TIMEOUT_MS", "WASMCLOUD_POLICY_TIMEOUT"},
}

const policyTopic, policyChangesTopic = "WASMCLOUD_POLICY_TOPIC", "WASMCLOUD_POLICY_CHANGES_TOPIC"

// Lookup finds the first variable of a flag that is set and not empty.
func Lookup(flag string) (name, value string, found bool) {
	for _, name := range append([]string{Own(flag)}, further[flag]...) {
		if value := os.Getenv(name); value != "" {
			return name, value, true
		}
	}
	return "", "", false
}

// PolicyTopics are the subjects of a policy service that the environment names for one lattice only, or "".
func PolicyTopics(l lattice.Name) (topic, changes string) {
	suffix := "_" + strings.ReplaceAll(string(l), "-", "_")
	return os.Getenv(policyTopic + suffix), os.Getenv(policyChangesTopic + suffix)
}

// Server is the address of NATS by host and port, as they are named for hosts of the dialect or for NATS, or "".
func Server() string {
	return cmp.Or(server("WASMCLOUD_CTL_HOST", "WASMCLOUD_CTL_PORT"), server("NATS_HOST", "NATS_PORT"))
}

// ProvidersServer is the address of NATS that the environment of hosts of the dialect names for providers, or "".
func ProvidersServer() string {
	return cmp.Or(server("WASMCLOUD_PROV_RPC_HOST", "WASMCLOUD_PROV_RPC_PORT"),
		server("WASMCLOUD_RPC_HOST", "WASMCLOUD_RPC_PORT"))
}

// server is the address that two variables name; one alone will do.
func server(hostVar, portVar string) string {
	host, port := os.Getenv(hostVar), os.Getenv(portVar)
	if host == "" && port == "" {
		return ""
	}
	return "nats://" + net.JoinHostPort(cmp.Or(host, "127.0.0.1"), cmp.Or(port, "4222"))
}

// Labels are the labels of a host in the environment. Those by weft's own names win.
func Labels() map[string]string {
	out := map[string]string{}
	for _, prefix := range []string{"WASMCLOUD_LABEL_", "WEFT_LABEL_"} {
		for _, v := range os.Environ() {
			if k, val, ok := strings.Cut(v, "="); ok && strings.HasPrefix(k, prefix) && len(k) > len(prefix) {
				out[k[len(prefix):]] = val
			}
		}
	}
	return out
}

// WithoutFlag are the variables that no flag has, with what they say, for the reference.
var WithoutFlag = [][2]string{
	{"WASMCLOUD_CTL_HOST, WASMCLOUD_CTL_PORT", "the NATS server, when nothing else names one"},
	{"NATS_HOST, NATS_PORT", "the same, after those"},
	{"WASMCLOUD_RPC_HOST, WASMCLOUD_RPC_PORT, WASMCLOUD_PROV_RPC_HOST, WASMCLOUD_PROV_RPC_PORT",
		"the NATS address that providers are given, as --provider-nats-url"},
	{"WEFT_LABEL_NAME, WASMCLOUD_LABEL_NAME", "label NAME of a host, as --label NAME=..."},
	{"WASMCLOUD_POLICY_TOPIC_LATTICE, WASMCLOUD_POLICY_CHANGES_TOPIC_LATTICE",
		"as those without the lattice's name, for one lattice"},
	{"XDG_DATA_HOME", "where the data directory is, unless --data-dir says"},
	{"XDG_CONFIG_HOME", "where the contexts of the nats tool are, in nats/context"},
}
