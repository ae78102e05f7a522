// Package nodefile reads the configuration file of a node: one host, the providers it runs, and its actors. Example
// returns one. It is YAML, alone or in a Kubernetes ConfigMap (one "*.yaml" key under data), one document per file.
//
// Everything is checked at once and strictly. Every problem names its line and field; in a ConfigMap lines are those of
// the outer file.
//
// # wasmcloud (or weft)
//
// The host. Names are the lower-case environment names of wasmCloud 0.x hosts; those in parentheses mean the same.
// Times are milliseconds or text such as "2s"; paths are relative to the file.
//
//	host_id, host_seed           the host's key: a seed "SN..."; other text is turned into a key, with a warning, and
//	                             is the host's name where "name" is missing.
//	                             A public key "N..." needs host_seed beside it
//	cluster_seed                 the cluster's key: a seed "SC..."; other text is turned into a key, with a warning
//	cluster_issuers              public keys "C..." to trust besides; a list, or text with commas
//	name (friendly_name)         what people call the host
//	labels                       a map
//	lattice (lattice_prefix, lattice_rpc_prefix)           default "default"
//	rpc_timeout (rpc_timeout_ms, lattice_rpc_timeout)      default 2000
//	structured_logging (enable_structured_logging, structured_logging_enabled)
//	log_level                    trace, debug, info, warn or error; default info
//	nats_url (nats)              the NATS server to join; none starts one inside the host
//	nats_host, nats_port         the same in two; also rpc_, ctl_ and prov_rpc_host and _port, which must then agree,
//	                             since weft has one connection
//	nats_tls (rpc_tls, ctl_tls, prov_rpc_tls)
//	nats_creds (nats_credsfile)  a path
//	nats_jwt, nats_seed          also rpc_, ctl_ and prov_rpc_jwt and _seed
//	nats_user, nats_password, nats_token
//	js_domain                    JetStream domain
//	ctl_topic_prefix             default "wasmbus.ctl"
//	allow_file_load              whether hosts load files that others name; files named here are always loaded
//	files_dirs                   folders below which link values may name files (certificates, keys); a list, or text
//	                             with commas; besides the folder "files" of the data directory
//	prov_shutdown_delay_ms (provider_shutdown_delay)       grace for providers that end
//
//	oci_allow_latest             whether the tag latest, and references without a tag, are taken
//	inline_providers             built-in providers that run inside the host's process
//	oci_allowed_insecure         registries (host:port) to speak plain HTTP to
//	oci_registry, oci_registry_user, oci_registry_password   a login for that one registry
//	policy_topic, policy_changes_topic, policy_timeout (policy_timeout_ms)   a policy service
//
// Taken as long as they ask for what weft does anyway: config_service (config_service_enabled): false, enable_ipv6:
// true.
//
// # providers
//
//	name       a contract ("wasmcloud:keyvalue") or a built-in provider (httpserver, httpclient, keyvalue-redis,
//	           keyvalue-nats)
//	image      a built-in provider, a file (.par), lattice://NAME@sha256:HEX, or a registry's reference; not needed when
//	           name is a built-in provider. The images kvredis and httpserver of wasmcloud.azurecr.io and
//	           ghcr.io/wasmcloud, of any version, stand for the built-in providers
//	link_name  default "default"
//	config     the values of every link to the provider: scalars as text, maps and lists as JSON; null is left out
//
// # actors
//
//	name       a name for people, unique in the file
//	image      a file, lattice://NAME@sha256:HEX, a registry's reference, or a bare "name:tag", which is looked up
//	           beside the file and in actor_dirs (see File.Locate)
//	replicas (max_instances)  how many instances at most; default 1, 0 starts none
//	links      names of providers to link to; see File.Links for what is linked without it
//	config     settings of the actor, kept as text as a provider's are
//
// # actor_dirs
//
// A list of folders in which bare images are looked up.
package nodefile
