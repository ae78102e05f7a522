package controlserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// Handler is what a host does for the control interface. Methods are called concurrently: queries in parallel, commands
// in parallel for different targets and one after another for one target as the request spells it (an actor's reference
// and its key are two spellings; a host that cares locks by key). Every request has been decoded and checked; its
// HostID is this host.
//
// The error of a command refuses it: its text and code travel to the client. nil accepts it. Commands that take long
// are accepted first and tell their outcome by events; UpdateActor returns when the swap is done. ctx carries the
// trace of the client and ends when the server is closed by force. A handler must not wait for Server.Close.
type Handler interface {
	Queries
	Lattice
	Commands
}

// Queries are answered from memory and at once.
type Queries interface {
	Host(ctx context.Context) (control.Host, error)
	Inventory(ctx context.Context) (control.HostInventory, error)
	Claims(ctx context.Context) ([]control.Claims, error)
	Links(ctx context.Context) ([]wire.LinkDefinition, error)
	Logs(ctx context.Context, r control.LogsRequest) ([]control.LogLine, error)
	Failures(ctx context.Context, r control.FailuresRequest) (control.FailuresReply, error)
	// Lost are the hosts that this one misses, the one that was heard last first.
	Lost(ctx context.Context) ([]control.LostHost, error)
	// BidActor and BidProvider report whether the host could run it: constraints match, nothing speaks against it.
	// False sends nothing.
	BidActor(ctx context.Context, r control.ActorAuctionRequest) bool
	BidProvider(ctx context.Context, r control.ProviderAuctionRequest) bool
}

// Lattice are requests that one host of the lattice carries out for all.
type Lattice interface {
	PutLink(ctx context.Context, l wire.LinkDefinition) error
	DelLink(ctx context.Context, r control.RemoveLinkRequest) error
}

// Commands change this host.
type Commands interface {
	StartActor(ctx context.Context, r control.StartActorRequest) error
	ScaleActor(ctx context.Context, r control.ScaleActorRequest) error
	StopActor(ctx context.Context, r control.StopActorRequest) error
	UpdateActor(ctx context.Context, r control.UpdateActorRequest) error
	StartProvider(ctx context.Context, r control.StartProviderRequest) error
	StopProvider(ctx context.Context, r control.StopProviderRequest) error
	StopHost(ctx context.Context, r control.StopHostRequest) error
	DrainHost(ctx context.Context, r control.StopHostRequest) error
	Reload(ctx context.Context) (control.Reloaded, error)
	PutLabel(ctx context.Context, r control.LabelRequest) error
	DelLabel(ctx context.Context, r control.LabelRequest) error
	PutRegistries(ctx context.Context, r control.RegistryCredentials) error
}

// Config says for whom a server answers.
type Config struct {
	Control subject.Control
	HostID  lattice.HostID
	Handler Handler
	Logger  *slog.Logger // nil discards
	// Late is the error of a message whose sender does not wait for the answer any more; such commands are not begun.
	// Nil: all are.
	Late func(h nats.Header) error

	MaxConcurrent int // commands that run at once; 0 is 16
	MaxQueued     int // commands, and queries, that wait or run; more are refused as busy; 0 is 1024
}

// Server is the host's side of the control interface. It is safe for concurrent use.
type Server struct {
	cfg      Config
	nc       *nats.Conn
	log      *slog.Logger
	queries  *lane
	commands *lane
	intake   chan *nats.Msg // commands not yet looked at

	ctx    context.Context // of handlers; ended by a Close that cannot wait
	cancel context.CancelFunc

	mu     sync.Mutex
	subs   []*subscription // guarded by mu
	stop   chan struct{}   // closed when no callback runs any more
	reader sync.WaitGroup
	closed bool // guarded by mu
}

type subscription struct {
	*nats.Subscription
	done chan struct{} // closed when no callback of it will run any more
}

// New makes a server; Start begins to serve.
func New(nc *nats.Conn, cfg Config) *Server {
	if cfg.MaxConcurrent <= 0 {
		cfg.MaxConcurrent = 16
	}
	if cfg.MaxQueued <= 0 {
		cfg.MaxQueued = 1024
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, nc: nc, log: cfg.Logger,
		queries: newLane(cfg.MaxConcurrent, cfg.MaxQueued), commands: newLane(cfg.MaxConcurrent, cfg.MaxQueued),
		intake: make(chan *nats.Msg, cfg.MaxQueued), stop: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start subscribes and returns when the NATS server knows the subscriptions. On error nothing is left behind.
func (s *Server) Start(ctx context.Context) error {
	if err := s.subscribe(); err != nil {
		return errors.Join(err, s.Close(ctx))
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, control.DefaultTimeout)
		defer cancel()
	}
	if err := s.nc.FlushWithContext(ctx); err != nil {
		return errors.Join(&lattice.Error{Code: lattice.ErrUnavailable, Op: "serve control interface", Err: err},
			s.Close(ctx))
	}
	return nil
}

func (s *Server) subscribe() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.subs != nil {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "serve control interface",
			Detail: "started or closed before"}
	}
	for _, p := range s.cfg.Control.HostPatterns(s.cfg.HostID) {
		sub, err := s.nc.QueueSubscribe(p.Subject, p.Queue, s.enqueue)
		if err != nil {
			return &lattice.Error{Code: lattice.ErrUnavailable, Op: "subscribe to", Entity: p.Subject, Err: err}
		}
		done := make(chan struct{})
		var once sync.Once
		sub.SetClosedHandler(func(string) { once.Do(func() { close(done) }) })
		s.subs = append(s.subs, &subscription{sub, done})
	}
	s.reader.Go(s.readCommands)
	return nil
}

// Close takes no more requests, finishes those it has, and answers them. When ctx ends first, the ctx of the handlers
// ends. It returns when none runs any more. It is idempotent and does not close the connection.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	first, subs := !s.closed, s.subs
	s.closed = true
	s.mu.Unlock()
	for _, sub := range subs {
		if first && (!s.nc.IsConnected() || sub.Drain() != nil) {
			_ = sub.Unsubscribe() // the connection is away: nothing to drain
		}
	}
	for _, sub := range subs {
		select {
		case <-sub.done:
		case <-ctx.Done():
			_ = sub.Unsubscribe()
		}
	}
	if first {
		close(s.stop)
	}
	s.reader.Wait()
	err := errors.Join(s.queries.drain(ctx, s.cancel), s.commands.drain(ctx, s.cancel))
	s.cancel()
	if err != nil {
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "close control interface"}
	}
	return nil
}

// enqueue is the callback of all subscriptions. It must not block.
func (s *Server) enqueue(m *nats.Msg) {
	tokens, err := s.cfg.Control.Parse(m.Subject)
	if err == nil && (tokens[0] == "ping" || tokens[0] == "get" || tokens[0] == "auction") {
		// "get.config" arrives by its own subscription, and by "get.*" when nothing follows; neither is for us.
		if !s.queries.submit("", func() { s.query(m, tokens) }) {
			s.refuse(m, lattice.ErrBusy)
		}
		return
	}
	select {
	case s.intake <- m:
	default:
		s.refuse(m, lattice.ErrBusy)
	}
}

// readCommands decodes commands off the callback, to find their target, and hands them to the lane.
func (s *Server) readCommands() {
	for {
		select {
		case m := <-s.intake:
			s.dispatch(m)
		case <-s.stop:
			for {
				select {
				case m := <-s.intake:
					s.dispatch(m)
				default:
					return
				}
			}
		}
	}
}

func (s *Server) dispatch(m *nats.Msg) {
	if !asked(m) {
		s.log.Warn("command refused that no client has sent", "subject", m.Subject)
		return
	}
	if m.Subject == s.cfg.Control.Command(s.cfg.HostID, subject.CmdReloadHost) {
		if !s.commands.submit("reload", func() { s.begin(m, func() { s.reload(m) }) }) {
			s.refuse(m, lattice.ErrBusy)
		}
		return
	}
	key, run, err := s.route(m)
	if err != nil {
		s.refuse(m, err)
		return
	}
	if !s.commands.submit(key, func() { s.begin(m, func() { s.ack(m, run(s.msgContext(m))) }) }) {
		s.refuse(m, lattice.ErrBusy)
	}
}

// begin carries a command out, unless its client has given up: that client was told that the command failed, and would
// not know that it happened later. The command may have waited in a server that hung, in the socket of this process
// while that was stopped, or behind others.
func (s *Server) begin(m *nats.Msg, command func()) {
	if err := s.late(m.Header); err != nil {
		s.log.Warn("command not begun, its client has given up", "subject", m.Subject, lattice.LogErr, err)
		s.refuse(m, err)
		return
	}
	command()
}

func (s *Server) late(h nats.Header) error {
	if s.cfg.Late == nil {
		return nil
	}
	return s.cfg.Late(h)
}

// asked reports whether a client of the control interface has sent a message. They all want an answer. Without this
// check a client that may use JetStream, but may not send commands, could let the server send them in its place: what a
// stream delivers, and what JetStream answers to a request whose reply subject is a command's.
func asked(m *nats.Msg) bool {
	return m.Reply != "" && !natsconn.FromStream(m)
}

// route finds what a command is, and a key for its target.
func (s *Server) route(m *nats.Msg) (key string, run func(context.Context) error, err error) {
	tokens, err := s.cfg.Control.Parse(m.Subject)
	if err != nil {
		return "", nil, err
	}
	verb := tokens[0] + "." + tokens[len(tokens)-1]
	h := s.cfg.Handler
	switch {
	case verb == "linkdefs.put" && len(tokens) == 2:
		l, err := control.DecodeLink(m.Data)
		return "link " + l.ID(), func(ctx context.Context) error { return h.PutLink(ctx, l) }, err
	case verb == "linkdefs.del" && len(tokens) == 2:
		r, err := read[control.RemoveLinkRequest](m.Data)
		id := wire.LinkID(r.ActorID, r.ContractID, r.LinkName)
		return "link " + id, func(ctx context.Context) error { return h.DelLink(ctx, r) }, err
	case verb == "registries.put" && len(tokens) == 2:
		r, err := read[control.RegistryCredentials](m.Data)
		return "registries", func(ctx context.Context) error { return h.PutRegistries(ctx, r) }, err
	case verb == "labels.put" && len(tokens) == 3:
		r, err := read[control.LabelRequest](m.Data)
		return "labels", func(ctx context.Context) error { return h.PutLabel(ctx, r) }, err
	case verb == "labels.del" && len(tokens) == 3:
		r, err := read[control.LabelRequest](m.Data)
		return "labels", func(ctx context.Context) error { return h.DelLabel(ctx, r) }, err
	case tokens[0] == "config":
		return "", nil, noConfigError{}
	case tokens[0] == "cmd" && len(tokens) == 3:
		return s.routeCommand(tokens[2], m.Data)
	}
	return "", nil, unsupportedError{}
}

func (s *Server) routeCommand(cmd string, data []byte) (key string, run func(context.Context) error, err error) {
	h, id := s.cfg.Handler, s.cfg.HostID
	switch cmd {
	case subject.CmdStartActor:
		r, err := read[control.StartActorRequest](data)
		r.HostID = id
		return "actor " + r.ActorRef, func(ctx context.Context) error { return h.StartActor(ctx, r) }, err
	case subject.CmdScaleActor:
		r, err := read[control.ScaleActorRequest](data)
		r.HostID = id
		return "actor " + r.ActorRef, func(ctx context.Context) error { return h.ScaleActor(ctx, r) }, err
	case subject.CmdStopActor:
		r, err := read[control.StopActorRequest](data)
		r.HostID = id
		return "actor " + string(r.ActorID), func(ctx context.Context) error { return h.StopActor(ctx, r) }, err
	case subject.CmdUpdateActor:
		r, err := read[control.UpdateActorRequest](data)
		r.HostID = id
		return "actor " + string(r.ActorID), func(ctx context.Context) error { return h.UpdateActor(ctx, r) }, err
	case subject.CmdStartProvider:
		r, err := read[control.StartProviderRequest](data)
		r.HostID = id
		return "provider " + r.ProviderRef, func(ctx context.Context) error { return h.StartProvider(ctx, r) }, err
	case subject.CmdStopProvider:
		r, err := read[control.StopProviderRequest](data)
		r.HostID = id
		return "provider " + string(r.ProviderID), func(ctx context.Context) error { return h.StopProvider(ctx, r) },
			err
	case subject.CmdStopHost:
		r, err := read[control.StopHostRequest](data)
		r.HostID = id
		return "host", func(ctx context.Context) error { return h.StopHost(ctx, r) }, err
	case subject.CmdDrainHost:
		r, err := read[control.StopHostRequest](data)
		r.HostID = id
		return "host", func(ctx context.Context) error { return h.DrainHost(ctx, r) }, err
	}
	return "", nil, unsupportedError{}
}

// reload is the one command whose answer says more than yes.
func (s *Server) reload(m *nats.Msg) {
	r, err := s.cfg.Handler.Reload(s.msgContext(m))
	if err != nil {
		s.refuse(m, err)
		return
	}
	s.reply(m, r, nil)
}

// query answers a request that changes nothing.
func (s *Server) query(m *nats.Msg, tokens []string) {
	reply, err := s.answer(s.msgContext(m), m.Data, tokens)
	switch {
	case err != nil:
		s.refuse(m, err)
	case reply != nil:
		s.reply(m, reply, nil)
	}
}

// answer returns nil, nil when there is nothing to say.
func (s *Server) answer(ctx context.Context, data []byte, tokens []string) (any, error) {
	h, id := s.cfg.Handler, s.cfg.HostID
	switch verb := tokens[0] + "." + tokens[len(tokens)-1]; {
	case verb == "ping.hosts" && len(tokens) == 2:
		return orNil(h.Host(ctx))
	case verb == "get.claims" && len(tokens) == 2:
		list, err := h.Claims(ctx)
		return map[string][]control.Claims{"claims": append([]control.Claims{}, list...)}, err
	case verb == "get.links" && len(tokens) == 2:
		list, err := h.Links(ctx)
		return map[string][]wire.LinkDefinition{"links": append([]wire.LinkDefinition{}, list...)}, err
	case verb == "get.inv" && len(tokens) == 3:
		return orNil(h.Inventory(ctx))
	case tokens[0] == "get" && len(tokens) == 4 && tokens[2] == "logs":
		return s.logs(ctx, data, tokens[3])
	case verb == "get.errors" && len(tokens) == 3:
		return s.failures(ctx, data)
	case verb == "get.lost" && len(tokens) == 3:
		lost, err := h.Lost(ctx)
		if err != nil {
			return nil, err
		}
		return trimLost(lost, int(s.nc.MaxPayload()))
	case verb == "auction.actor" && len(tokens) == 2:
		r, err := read[control.ActorAuctionRequest](data)
		if err == nil && h.BidActor(ctx, r) {
			return control.ActorAuctionAck{ActorRef: r.ActorRef, HostID: id, Constraints: r.Constraints}, nil
		}
		return nil, nil // an error reply would end the gathering of old clients
	case verb == "auction.provider" && len(tokens) == 2:
		r, err := read[control.ProviderAuctionRequest](data)
		if err == nil && h.BidProvider(ctx, r) {
			return control.ProviderAuctionAck{ProviderRef: r.ProviderRef, LinkName: r.LinkName, HostID: id,
				Constraints: r.Constraints}, nil
		}
		return nil, nil
	case tokens[0] == "auction":
		return nil, nil
	case tokens[0] == "get" && len(tokens) > 2 && tokens[1] == "config":
		return nil, noConfigError{}
	}
	return nil, unsupportedError{}
}

func (s *Server) logs(ctx context.Context, data []byte, actor string) (any, error) {
	r, err := read[control.LogsRequest](data)
	if err != nil {
		return nil, err
	}
	if r.ActorID, err = lattice.ParseActorID(actor); err != nil {
		return nil, err
	}
	lines, err := s.cfg.Handler.Logs(ctx, r)
	if err != nil {
		return nil, err
	}
	return trimLogs(lines, int(s.nc.MaxPayload()))
}

func (s *Server) failures(ctx context.Context, data []byte) (any, error) {
	r, err := read[control.FailuresRequest](data)
	if err != nil {
		return nil, err
	}
	reply, err := s.cfg.Handler.Failures(ctx, r)
	if err != nil {
		return nil, err
	}
	return trimFailures(reply, int(s.nc.MaxPayload()))
}

// read decodes the body of a request.
func read[R any, P interface {
	*R
	json.Unmarshaler
}](body []byte) (r R, err error) {
	// json.Unmarshal would refuse an empty body, which some requests have
	err = P(&r).UnmarshalJSON(body)
	return r, err
}

func orNil[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// msgContext carries the client's trace.
func (s *Server) msgContext(m *nats.Msg) context.Context {
	if tc, ok := trace.Parse(m.Header.Get(trace.ParentHeader), m.Header.Get(trace.StateHeader)); ok {
		return trace.With(s.ctx, tc)
	}
	return s.ctx
}

func (s *Server) ack(m *nats.Msg, err error) {
	if err != nil {
		s.refuse(m, err)
		return
	}
	s.reply(m, control.Ack{Accepted: true}, nil)
}

const unsupported = "unsupported subject"

// unsupportedError has the words that hosts have always used.
type unsupportedError struct{}

func (unsupportedError) Error() string { return unsupported }
func (unsupportedError) Unwrap() error { return lattice.ErrNotFound }

// noConfigError answers the dialect's experimental requests for configuration that hosts keep.
type noConfigError struct{ unsupportedError }

func (noConfigError) Error() string {
	return unsupported + ": hosts keep no configuration; give an actor its own when it is started (weft actor start " +
		"--config), and a provider by its links"
}

func (s *Server) refuse(m *nats.Msg, err error) {
	code := lattice.CodeOf(err)
	s.log.Debug("control request refused", "subject", m.Subject, lattice.LogCode, code.Name(), lattice.LogErr, err)
	s.reply(m, control.Ack{Error: err.Error()}, nats.Header{wire.HeaderError: []string{code.Name()}})
}

// reply is best effort: a client that does not hear it asks again.
func (s *Server) reply(m *nats.Msg, body any, h nats.Header) {
	if m.Reply == "" {
		return
	}
	data, err := json.Marshal(body)
	if err == nil && int64(len(data)) > s.nc.MaxPayload() {
		err = &lattice.Error{Code: lattice.ErrTooLarge, Op: "reply", Detail: "the answer does not fit into a message"}
	}
	if err != nil {
		s.log.Error("control reply", "subject", m.Subject, lattice.LogErr, err)
		h = nats.Header{wire.HeaderError: []string{lattice.CodeOf(err).Name()}}
		data, _ = json.Marshal(control.Ack{Error: err.Error()})
	}
	if err := s.nc.PublishMsg(&nats.Msg{Subject: m.Reply, Header: h, Data: data}); err != nil {
		s.log.Warn("control reply not sent", "subject", m.Subject, lattice.LogErr, err)
	}
}
