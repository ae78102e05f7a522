// Package host is one node of a lattice: it runs actors, starts and supervises providers, and answers the control
// interface. To a host a provider is a process and some subjects.
//
// A program that embeds one starts from DefaultConfig, and runs it until its context ends:
//
//	cfg := host.DefaultConfig()
//	cfg.HostKey, cfg.Cluster = hostKey, clusterKey // package signing makes and keeps them
//	cfg.NATS = host.NATS{URL: "nats://127.0.0.1:4222"}
//	cfg.Logger = slog.Default()
//	h, err := host.New(cfg)
//	go func() { ended <- h.Run(ctx) }()
//	<-h.Ready()
//
// What runs on it is said over the control interface, by package control or the weft command. Several hosts may run in
// one process. NATS needs JetStream, for links and claims. Config.Compiler and Config.Guard are commands of the weft
// binary that bound what compiling costs and end provider processes with the host; without them neither is the case.
//
// # Inside
//
// A Host is made of parts, each a package below internal that owns its state and its locks: actors, providers, state,
// commands, beats and others. Run starts them in the order of parts.go and stops them in the reverse order. The two
// journeys meet here. An invocation arrives at an actor (internal/actors), borrows an instance, may call out through
// internal/hostcall, and goes back. A command arrives at internal/commands, is accepted, is carried out by a task, and
// each change that it makes returns the events that observers see. Links and claims come from the bucket that all hosts
// watch (internal/state).
//
// Locks: ARCHITECTURE.md says which nest, and which are held across NATS, a guest or a disk. Draining is in drain.go.
package host
