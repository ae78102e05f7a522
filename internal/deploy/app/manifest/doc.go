// Package manifest reads what an application is to be: its actors and providers, how they are linked, and how a new
// version of it comes. Three formats become one model, App: our own, which is below and which a node's file grew into;
// the manifests of wadm 0.7 to 0.10, unchanged; and a node's file, without its host. Parse tells them apart by the
// content. Each is YAML or JSON, alone or in a Kubernetes ConfigMap.
//
// It is pure: it reads text and nothing else. A file is checked strictly and whole. Each problem tells its line, column
// and field, and the word that was meant where one is near. The form of our own format is described once, in form.go;
// the reader, the writer (App.YAML) and the JSON Schema (Schema) come from that description.
//
// Times are text with a unit, "30s" or "1h30m". Sizes are text such as "64MiB", or bytes. Lists have at most 1,000
// items. Values of settings and links are scalars, kept as they are written, or maps and lists, kept as JSON, or
// {secret: NAME}.
//
// # app
//
//	name         what the application is called; one of each name is in a lattice
//	version      names this content for ever; without it the content makes one
//	description  for people
//
// # actors
//
//	name      unique among actors and providers
//	image     a file, lattice://NAME:TAG, a registry's reference, or a bare "name:tag"
//	replicas  the most instances in all, spread over the hosts; default 1
//	each      so many on each host that matches, instead
//	scale     {min, max, idle}: as many as the load asks for, instead; to none after idle (default 5m) where min is 0
//	where     labels that a host must have
//	spread    [{name, where, weight}]: shares of hosts with further labels; default weight 100
//	limits    {memory, time, fuel, instances, recycle_calls, recycle_memory}; instances is fresh or shared
//	config    its settings
//	links     names of providers, or {to, values, name}, or to another actor {to, interface}; without links every
//	          provider of the file whose contract the actor's claims name
//	rollout   how a new revision takes over, see below; without it at once and without loss
//
// # providers
//
//	name          unique among actors and providers: any, a built-in provider, or a contract
//	image         a built-in provider, a file (.par), lattice://NAME:TAG, a registry's reference; the name may say it.
//	              As in a node's file, images of wasmcloud.azurecr.io and ghcr.io/wasmcloud stand for built-in providers
//	contract      what it serves; the image or the name may say it
//	link_name     tells several of one contract apart; default "default"
//	inline        whether it runs inside the host's process; built-in ones only
//	replicas      how many hosts run it, default 1; or each, on each host that matches; where and spread as for actors
//	config        the values of every link to it
//	start_config  the configuration that its process starts with, usually JSON
//
// # routes
//
// A list of {path, host, actor, to}. Each is short for a link of the actor to an httpserver, with those values. "to"
// may be left out where there is one httpserver.
//
// # secrets
//
// The names of the secrets that values use. They must be in the lattice before anything changes.
//
// # rollout
//
//	strategy   canary (default), blue-green, or shadow
//	steps      each one of {weight, where}, {pause: TIME or forever} and {analysis}. Weights are percent and never fall;
//	           100 follows the last one. Those of a shadow are shares of the calls that are copied; blue-green has 100
//	           only
//	analysis   a list of metrics that are watched from step from_step (default 0) to the end
//	sticky     {header} or {cookie, max_age}: a caller that got the new revision keeps it
//	promote    auto, or manual, which a shadow is by default
//	keep_old   how long the old revision stays warm after the end; default 30s. keep_new: the new one after an abort
//	deadline   a new revision that does not start within it has failed; default 10m
//
// A metric is one of
//
//	metric      success-rate, latency-p50, latency-p95, latency-p99, trap-rate or fuel, as hosts measure it per revision
//	prometheus  {address, query, headers, timeout}; default timeout 30s
//	web         {url, method, headers, body, json_path, timeout}; default GET, 10s
//
// with min, max, or condition and failure_condition, which say what is good and bad; and
//
//	name                a name; default what is measured
//	window              of hosts' metrics, over the last so long; default 5m
//	min_requests        of hosts' metrics, with fewer there is no data; default 50
//	interval            between measurements, default 10s; initial_delay before the first
//	count               measurements; default as long as the rollout lasts, in a step one
//	failure_limit       failed measurements that are borne; default 0. inconclusive_limit likewise
//	error_limit         measurements in a row that could not be made and are borne; default 4
//	on_no_data          wait (default), pause, fail or pass; waiting ends with a pause after max_wait, default 10m
//	dry_run             measured, and of no effect
//
// # wadm
//
// An actor without a scaler is not started. A capability without the field traits runs once; with traits and no scaler
// it is not started. Nothing is linked but by linkdef. "config" of a capability is its start_config. Shares of weight 0
// get nothing. A component has at most one scaler here.
//
// # A node's file
//
// The file's own name names the application. The section of the host is left out, with a warning.
package manifest
