package provider

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
)

// Info is what a provider says of itself.
type Info struct {
	Name        string             // short and lower case: "keyvalue-redis"; names it in logs and metrics
	Contract    lattice.ContractID // contract id: "wasmcloud:keyvalue"
	Version     string             // semantic version
	Description string             // one line
	// Operations are those that actors may call, "Service.Method". Others are refused with lattice.ErrNotFound before
	// Handle sees them. Empty for a provider that only calls actors.
	Operations []string
	// Values are those that links may have. Others, and values that are not of their kind, are refused before PutLink
	// sees them, with the nearest name that there is; the put of the link says so. Nil leaves all values to the
	// provider.
	Values *linkvalue.Table
	// Streams says that Handle uses Call.Stream: it takes the bodies that callers send beside their calls, and may
	// answer with one.
	Streams bool
	// Limit is the number of calls served at the same time; beyond it callers get lattice.ErrBusy at once.
	// Default 1024.
	Limit int
}

// Provider is a capability provider. PutLink and DelLink are called one at a time; Handle is called concurrently with
// itself and with them. For one actor it is called only between its PutLink and its DelLink.
type Provider interface {
	// PutLink makes ready what a link needs. An error leaves nothing behind: there will be no DelLink. The text of the
	// error is shown to users in the link's state, so it must hold no secret. ctx ends after LinkTimeout.
	PutLink(ctx context.Context, link Link) error
	// DelLink undoes PutLink, with the link that was put. Calls of that actor have ended, or had LinkTimeout to do so.
	DelLink(ctx context.Context, link Link) error
	// Handle serves one operation. ctx has the caller's deadline and trace. An error that is no lattice.Error or
	// lattice.Code reaches the caller as lattice.ErrInternal.
	Handle(ctx context.Context, call Call) ([]byte, error)
}

// HealthChecker is implemented by providers that may be unhealthy. It is called one at a time, with HealthTimeout; an
// error is the reason, shown to users.
type HealthChecker interface {
	Health(ctx context.Context) error
}

// Shutdowner is implemented by providers that have something to end. It is called once, after the last call has ended
// and before the connection closes. DelLink is not called for the links that remain.
type Shutdowner interface {
	Shutdown(ctx context.Context) error
}

// LinkReviser is implemented by providers that can change the values of a link in one step. Calls over the old link may
// still be in progress, and others come meanwhile. An error leaves the old link as it was, serving. Links of other
// providers are deleted and put; when the new one is refused the old one is put again.
type LinkReviser interface {
	ReviseLink(ctx context.Context, before, after Link) error
}

// LinkChecker is implemented by providers that can say beforehand why they would refuse a link, in the place of before,
// which is nil where the actor has none that works. It changes nothing that actors or clients see. That it returns no
// error is not a promise. It is called as PutLink is, with the same limit of time.
type LinkChecker interface {
	CheckLink(ctx context.Context, before *Link, after Link) error
}

// Link grants an actor the use of this provider.
type Link struct {
	Actor    lattice.ActorID
	Name     lattice.LinkName
	Contract lattice.ContractID
	Values   Values
}

// Call is one operation that a linked actor asks for. Its signature, target and link have been checked.
type Call struct {
	Actor     lattice.ActorID
	Operation string // one of Info.Operations
	Payload   []byte
	Link      Link
	// Stream is there when the caller takes a streamed answer, or sends a body beside the payload; else nil, and
	// without Info.Streams.
	Stream *StreamOffer
}

// Factory makes the provider of a process. It is called once, before any link is put.
type Factory func(env Env) (Provider, error)

// Env is what a provider is given. Its parts are safe for concurrent use.
type Env struct {
	Logger     *slog.Logger
	Lattice    lattice.Name
	HostID     lattice.HostID // the host that started the process
	ProviderID lattice.ProviderID
	LinkName   lattice.LinkName // of this process; all its links have it
	InstanceID string
	ConfigJSON string            // the configuration given when the provider was started; may be empty
	Values     map[string]string // environment values of the host data
	// ReadFile reads a file that a link value names, of at most 1 MiB; nothing else may read those. Folders that the
	// host does not allow are lattice.ErrDenied.
	ReadFile func(path string) ([]byte, error)
	Timeout  time.Duration // of calls whose context has no deadline
	Metrics  prometheus.Registerer
	NATS     *nats.Conn                    // the connection to the lattice; do not close it
	Invoker  Invoker                       // behind Call
	Tell     func(context.Context, Failed) // see Failed; nil in some tests
	// of the process's large payloads; a provider that reads one of another source into memory holds room for it
	Large Budget
}

// Invoker calls actors.
type Invoker interface {
	Call(ctx context.Context, actor lattice.ActorID, operation string, payload []byte) ([]byte, error)
	Open(ctx context.Context, actor lattice.ActorID, operation string, r Request) (Answer, error)
}

// Answer is the payload of an answer that may still be on its way. It is not safe for concurrent use. Close gives back
// what it holds of Env.Large and deletes what the store still has of it.
type Answer interface {
	io.ReadCloser
	// Len is the length of the whole payload.
	Len() int64
	// Bytes is the whole payload when it is in memory.
	Bytes() (payload []byte, inMemory bool)
	// All reads the rest into memory, where it is counted until Close. ctx bounds the wait for room. Errors:
	// lattice.ErrBusy when there is no room in time, lattice.ErrTooLarge when there never is.
	All(ctx context.Context) ([]byte, error)
}

// Budget bounds how many bytes of large payloads a process holds in memory at the same time, 512 MiB for a provider. It
// is safe for concurrent use.
type Budget interface {
	// Hold waits for room for what comes in, which errors call what. held is what Release must be given afterwards.
	// Errors: lattice.ErrBusy when there is no room in time, lattice.ErrTooLarge when there never is.
	Hold(ctx context.Context, what string, bytes int64) (held int64, err error)
	Release(held int64)
}

// Request is the payload of a call that is passed on rather than held in memory: Payload, then BodyLength bytes of
// Body, which may be nil. Timeout bounds the answer, once the body has been read; default Env.Timeout.
type Request struct {
	Payload    []byte
	Body       io.Reader
	BodyLength int64
	Timeout    time.Duration
	// Stream takes a streamed answer, and sends a body in place of Body; only for an actor of which Env.Streams is
	// true. When such an answer was taken, Open returns neither an Answer nor an error.
	Stream *StreamCaller
}

// Streams reports whether an actor is known to take streams. It may change with every update of the actor; one that
// takes none any more gets the body whole, and gives a plain answer.
func (e Env) Streams(actor lattice.ActorID) bool {
	s, ok := e.Invoker.(interface{ Streams(lattice.ActorID) bool })
	return ok && s.Streams(actor)
}

// Open is Call for large payloads: the body goes on as it comes, and the answer is read as it is needed. The answer
// must be closed. An error of the body is returned as it is.
func (e Env) Open(ctx context.Context, actor lattice.ActorID, operation string, r Request) (Answer, error) {
	return e.Invoker.Open(ctx, actor, operation, r)
}

// Failed tells the host of a request that failed, so that "weft errors" finds it by the trace in ctx. It does not wait,
// and too many at once are only counted.
func (e Env) Failed(ctx context.Context, f Failed) {
	if e.Tell != nil {
		e.Tell(ctx, f)
	}
}

// Call asks a linked actor for an operation, signed, in the name of its link, and returns the payload of the answer.
// The deadline of ctx bounds it, or else Timeout; the trace of ctx goes on. An actor without a link is
// lattice.ErrUnlinked; an answer that does not come is
// lattice.ErrTimeout, an actor that runs nowhere lattice.ErrNoResponders, one that is full lattice.ErrBusy.
func (e Env) Call(ctx context.Context, actor lattice.ActorID, operation string, payload []byte) ([]byte, error) {
	return e.Invoker.Call(ctx, actor, operation, payload)
}
