package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/dated"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// Timeouts.
const (
	DefaultTimeout = 2 * time.Second
	defaultQuiet   = 200 * time.Millisecond
)

// Client sends control requests. It is safe for concurrent use and needs no closing; the connection stays the caller's.
//
// Every method waits at most for the client's timeout, unless its ctx has a deadline of its own. Errors are
// lattice.ErrNoResponders when no host listens to the request, lattice.ErrTimeout when none answers in time,
// lattice.ErrCanceled, lattice.ErrInvalid for a reply that cannot be read, and for a refusal the host's own words
// with the code that it gave, or lattice.ErrGuest when it gave none.
type Client struct {
	nc      *nats.Conn
	control subject.Control
	timeout time.Duration
	quiet   time.Duration
}

// NewClient makes a client for one lattice. A timeout of 0 is DefaultTimeout. Requests to all hosts stop waiting
// 200 ms after the last answer.
func NewClient(nc *nats.Conn, c subject.Control, timeout time.Duration) *Client {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Client{nc: nc, control: c, timeout: timeout, quiet: defaultQuiet}
}

// Patient is the client with requests to all hosts that wait for late answers, too: for as long as they may take in
// all. A busy host answers some hundred milliseconds after the others.
func (c *Client) Patient() *Client {
	patient := *c
	patient.quiet = math.MaxInt64
	return &patient
}

// Lattice returns the name of the lattice that the client talks to.
func (c *Client) Lattice() lattice.Name { return c.control.Lattice }

// PingHosts returns every host that answers. No host at all is an empty list and no error.
func (c *Client) PingHosts(ctx context.Context) ([]Host, error) {
	var hosts []Host
	err := c.gather(ctx, "ping hosts", c.control.PingHosts(), nil, func(b []byte) {
		if h, err := DecodeHost(b); err == nil {
			hosts = append(hosts, h)
		}
	})
	if errors.Is(err, lattice.ErrNoResponders) {
		err = nil
	}
	return hosts, err
}

// Inventory returns what runs on a host.
func (c *Client) Inventory(ctx context.Context, host lattice.HostID) (HostInventory, error) {
	var inv HostInventory
	err := c.query(ctx, "get inventory of "+string(host), c.control.Inventory(host), nil, &inv)
	return inv, err
}

// Inventories returns what runs on each host that answers a ping. When some do not answer for their inventory, those of
// the others come with the joined errors.
func (c *Client) Inventories(ctx context.Context) ([]HostInventory, error) {
	hosts, err := c.PingHosts(ctx)
	if err != nil {
		return nil, err
	}
	invs, errs := make([]HostInventory, len(hosts)), make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { invs[i], errs[i] = c.Inventory(ctx, h.ID) })
	}
	wg.Wait()
	got := invs[:0]
	for i := range invs {
		if errs[i] == nil {
			got = append(got, invs[i])
		}
	}
	return got, errors.Join(errs...)
}

// Claims returns what the lattice knows about actors and providers. Entries that cannot be read are left out.
func (c *Client) Claims(ctx context.Context) ([]Claims, error) {
	var r struct {
		Claims []json.RawMessage `json:"claims"`
	}
	if err := c.queryAny(ctx, "get claims", c.control.GetClaims(), &r); err != nil {
		return nil, err
	}
	var list []Claims
	for _, raw := range r.Claims {
		if cl, err := DecodeClaims(raw); err == nil {
			list = append(list, cl)
		}
	}
	return list, nil
}

// Links returns the link definitions of the lattice. Entries that cannot be read are left out.
func (c *Client) Links(ctx context.Context) ([]wire.LinkDefinition, error) {
	var r struct {
		Links []json.RawMessage `json:"links"`
	}
	if err := c.queryAny(ctx, "get links", c.control.GetLinks(), &r); err != nil {
		return nil, err
	}
	var list []wire.LinkDefinition
	for _, raw := range r.Links {
		if l, err := DecodeLink(raw); err == nil {
			list = append(list, l)
		}
	}
	return list, nil
}

// PutLink stores a link definition.
func (c *Client) PutLink(ctx context.Context, l wire.LinkDefinition) error {
	if l.Values == nil {
		l.Values = map[string]string{}
	}
	return c.command(ctx, "put link", c.control.LinkPut(), l)
}

// DelLink deletes a link definition.
func (c *Client) DelLink(ctx context.Context, r RemoveLinkRequest) error {
	// The whole definition is what the last generation of clients sends.
	l := wire.LinkDefinition{ActorID: r.ActorID, ContractID: r.ContractID, LinkName: r.LinkName,
		Values: map[string]string{}}
	return c.command(ctx, "delete link", c.control.LinkDel(), l)
}

// AuctionActor returns the bids of all hosts that could run an actor, best first come. None is an empty list.
func (c *Client) AuctionActor(ctx context.Context, r ActorAuctionRequest) ([]ActorAuctionAck, error) {
	r.Constraints = nonNil(r.Constraints)
	var bids []ActorAuctionAck
	err := c.gather(ctx, "auction actor "+r.ActorRef, c.control.AuctionActor(), r, func(b []byte) {
		o := readObject(b)
		host, err := lattice.ParseHostID(o.str("host_id"))
		if err == nil && len(o.errs) == 0 {
			bids = append(bids, ActorAuctionAck{ActorRef: o.str("actor_ref"), HostID: host,
				Constraints: o.strMap("constraints")})
		}
	})
	return bids, err
}

// AuctionProvider returns the bids of all hosts that could run a provider. None is an empty list.
func (c *Client) AuctionProvider(ctx context.Context, r ProviderAuctionRequest) ([]ProviderAuctionAck, error) {
	r.Constraints = nonNil(r.Constraints)
	r.LinkName = orDefault(r.LinkName)
	var bids []ProviderAuctionAck
	err := c.gather(ctx, "auction provider "+r.ProviderRef, c.control.AuctionProvider(), r, func(b []byte) {
		o := readObject(b)
		host, err := lattice.ParseHostID(o.str("host_id"))
		if err == nil && len(o.errs) == 0 {
			bids = append(bids, ProviderAuctionAck{ProviderRef: o.str("provider_ref"),
				LinkName: lattice.LinkName(o.str("link_name")),
				HostID:   host, Constraints: o.strMap("constraints")})
		}
	})
	return bids, err
}

// StartActor adds instances of an actor to those that run on r.HostID. New code uses ScaleActor.
func (c *Client) StartActor(ctx context.Context, r StartActorRequest) error {
	return c.toHost(ctx, "start actor "+r.ActorRef, r.HostID, subject.CmdStartActor, r)
}

// ScaleActor sets the scale of an actor on r.HostID.
func (c *Client) ScaleActor(ctx context.Context, r ScaleActorRequest) error {
	return c.toHost(ctx, "scale actor "+r.ActorRef, r.HostID, subject.CmdScaleActor, r)
}

// StopActor stops an actor on r.HostID.
func (c *Client) StopActor(ctx context.Context, r StopActorRequest) error {
	return c.toHost(ctx, "stop actor "+string(r.ActorID), r.HostID, subject.CmdStopActor, r)
}

// UpdateActor replaces an actor on r.HostID. It returns when the swap is done; fetching the new module may take longer
// than the client's timeout, so ctx should have a deadline.
func (c *Client) UpdateActor(ctx context.Context, r UpdateActorRequest) error {
	return c.toHost(ctx, "update actor to "+r.NewActorRef, r.HostID, subject.CmdUpdateActor, r)
}

// StartProvider starts a provider on r.HostID.
func (c *Client) StartProvider(ctx context.Context, r StartProviderRequest) error {
	r.LinkName = orDefault(r.LinkName)
	return c.toHost(ctx, "start provider "+r.ProviderRef, r.HostID, subject.CmdStartProvider, r)
}

// StopProvider stops a provider on r.HostID.
func (c *Client) StopProvider(ctx context.Context, r StopProviderRequest) error {
	r.LinkName = orDefault(r.LinkName)
	return c.toHost(ctx, "stop provider "+string(r.ProviderID), r.HostID, subject.CmdStopProvider, r)
}

// StopHost ends a host.
func (c *Client) StopHost(ctx context.Context, r StopHostRequest) error {
	return c.toHost(ctx, "stop host "+string(r.HostID), r.HostID, subject.CmdStopHost, r)
}

// DrainHost lets a host finish its work and then ends it. Only weft's hosts know it.
func (c *Client) DrainHost(ctx context.Context, r StopHostRequest) error {
	return c.toHost(ctx, "drain host "+string(r.HostID), r.HostID, subject.CmdDrainHost, r)
}

// ReloadHost makes a host read keys and credentials again. It returns when the host and its providers have taken them
// over, which takes as long as calls in progress do, so ctx should have a deadline. Only weft's hosts know it; others
// refuse with lattice.ErrNotFound.
func (c *Client) ReloadHost(ctx context.Context, host lattice.HostID) (Reloaded, error) {
	var r Reloaded
	if err := host.Check(); err != nil {
		return r, err
	}
	err := c.query(ctx, "reload host "+string(host), c.control.Command(host, subject.CmdReloadHost), nil, &r)
	return r, err
}

// PutLabel sets a label of a host.
func (c *Client) PutLabel(ctx context.Context, host lattice.HostID, key, value string) error {
	return c.command(ctx, "put label "+key, c.control.LabelPut(host), LabelRequest{key, value})
}

// DelLabel deletes a label of a host.
func (c *Client) DelLabel(ctx context.Context, host lattice.HostID, key string) error {
	return c.command(ctx, "delete label "+key, c.control.LabelDel(host), LabelRequest{Key: key})
}

// PutRegistries tells all hosts how to log in to registries and joins their refusals.
func (c *Client) PutRegistries(ctx context.Context, r RegistryCredentials) error {
	var refused []error
	err := c.gather(ctx, "put registries", c.control.RegistriesPut(), r, func(b []byte) {
		if a, err := decodeAck(b); err == nil && !a.Accepted {
			refused = append(refused, &refusal{op: "put registries", text: a.Error, code: lattice.ErrGuest})
		}
	})
	return errors.Join(append(refused, err)...)
}

func orDefault(l lattice.LinkName) lattice.LinkName {
	if l == "" {
		return lattice.DefaultLink
	}
	return l
}

// toHost gives a command to one host. Its id is checked first: it becomes a part of a subject.
func (c *Client) toHost(ctx context.Context, op string, host lattice.HostID, cmd string, body any) error {
	if err := host.Check(); err != nil {
		return err
	}
	return c.command(ctx, op, c.control.Command(host, cmd), body)
}

// command sends a request that is answered by an Ack.
func (c *Client) command(ctx context.Context, op, subj string, body any) error {
	m, err := c.request(ctx, op, subj, body)
	if err != nil {
		return err
	}
	a, err := decodeAck(m.Data)
	if err != nil {
		return replyError(op, subj, err)
	}
	if a.Accepted {
		return nil
	}
	return refused(op, a, m.Header)
}

// query sends a request whose answer is read into reply. A host that cannot answer sends an Ack instead.
func (c *Client) query(ctx context.Context, op, subj string, body, reply any) error {
	m, err := c.request(ctx, op, subj, body)
	if err != nil {
		return err
	}
	return readReply(op, subj, m, reply)
}

// askAgain is how long one host of those that answer for all may take before another one is asked, too: NATS may have
// chosen one that hangs.
const askAgain = 250 * time.Millisecond

// queryAny is query for a question that any host may answer; the first answer counts.
func (c *Client) queryAny(ctx context.Context, op, subj string, reply any) error {
	start := time.Now()
	ctx, cancel := c.bound(ctx)
	defer cancel()
	inbox := c.nc.NewInbox()
	answers := make(chan *nats.Msg, maxAnswers)
	sub, err := c.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return c.failed(op, subj, 0, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		m, err := newMsg(ctx, subj, nil)
		if err != nil {
			return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Err: err}
		}
		m.Reply = inbox
		if err := c.nc.PublishMsg(m); err != nil {
			return c.failed(op, subj, time.Since(start), err)
		}
		select {
		case got := <-answers:
			if len(got.Data) == 0 && got.Header.Get("Status") == statusNoResponders {
				return c.failed(op, subj, 0, nats.ErrNoResponders)
			}
			return readReply(op, subj, got, reply)
		case <-again.C:
		case <-ctx.Done():
			return c.failed(op, subj, time.Since(start), ctx.Err())
		}
	}
}

// readReply reads what a host answers to a question. Hosts refuse with an acknowledgement, of whatever form the answer
// would have been.
func readReply(op, subj string, m *nats.Msg, reply any) error {
	if a, err := decodeAck(m.Data); err == nil && !a.Accepted {
		return refused(op, a, m.Header)
	}
	if err := json.Unmarshal(m.Data, reply); err != nil {
		return replyError(op, subj, err)
	}
	return nil
}

func replyError(op, subj string, err error) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Detail: "the reply on " + subj + " cannot be read",
		Err: err, Remote: true}
}

// decodeAck reads an acknowledgement. The field accepted has to be there: other answers are JSON objects, too.
func decodeAck(b []byte) (Ack, error) {
	var a struct {
		Accepted *bool  `json:"accepted"`
		Error    string `json:"error"`
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return Ack{}, err
	}
	if a.Accepted == nil {
		return Ack{}, errors.New("no acknowledgement")
	}
	return Ack{*a.Accepted, a.Error}, nil
}

// refusal is a host's no, in its own words.
type refusal struct {
	op, text string
	code     lattice.Code
}

// refused is the error of a command that a host does not accept. Hosts of other software name no code.
func refused(op string, a Ack, h nats.Header) error {
	code, ok := lattice.ParseCode(h.Get(wire.HeaderError))
	if !ok {
		code = lattice.ErrGuest
	}
	if a.Error == "" {
		a.Error = "refused by the host without a reason"
	}
	return &refusal{op, a.Error, code}
}

func (r *refusal) Error() string { return r.op + ": " + r.text }
func (r *refusal) Unwrap() error { return r.code }

// bound gives a context without a deadline the client's time-out.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}

// date says for how long the client waits for the answer, so that no host carries a command out late.
func date(ctx context.Context, m *nats.Msg) {
	if end, ok := ctx.Deadline(); ok {
		dated.Mark(m.Header, time.Until(end))
	}
}

// newMsg makes a request with the caller's trace in its headers. Without a body it is empty, as the dialect's clients
// send it.
func newMsg(ctx context.Context, subj string, body any) (*nats.Msg, error) {
	m := nats.NewMsg(subj)
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		m.Data = b
	}
	if tc, ok := trace.From(ctx); ok {
		m.Header.Set(trace.ParentHeader, tc.Traceparent())
		if tc.State != "" {
			m.Header.Set(trace.StateHeader, tc.State)
		}
	}
	return m, nil
}

// request sends a request and waits for one answer. It says when it was sent and for how long its sender waits, so that
// a host does not carry out what nobody waits for.
func (c *Client) request(ctx context.Context, op, subj string, body any) (*nats.Msg, error) {
	m, err := newMsg(ctx, subj, body)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: op, Err: err}
	}
	start := time.Now()
	bounded, cancel := c.bound(ctx)
	defer cancel()
	date(bounded, m)
	reply, err := c.nc.RequestMsgWithContext(bounded, m)
	if err != nil {
		return nil, c.failed(op, subj, time.Since(start), err)
	}
	return reply, nil
}

// failed explains why a request brought no answer.
func (c *Client) failed(op, subj string, waited time.Duration, err error) error {
	e := &lattice.Error{Code: lattice.CodeOf(err), Op: op}
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		e.Code = lattice.ErrNoResponders
		e.Detail = fmt.Sprintf("no host in lattice %s answers on %s; is one running? weft host list",
			c.control.Lattice, subj)
	case errors.Is(err, nats.ErrTimeout), e.Code == lattice.ErrTimeout:
		if c.forbidden(subj) {
			e.Code = lattice.ErrUnavailable
			e.Detail = fmt.Sprintf("no host of lattice %s answers: NATS forbids these credentials %s; name the "+
				"lattice that they are for with --lattice, or make others there: weft token create",
				c.control.Lattice, subj)
			break
		}
		e.Code = lattice.ErrTimeout
		e.Detail = fmt.Sprintf("no answer on %s within %v", subj, waited.Round(time.Millisecond))
		if !c.nc.IsConnected() {
			e.Detail += "; the connection to NATS is down"
		}
	case e.Code == lattice.ErrCanceled:
	case errors.Is(err, nats.ErrMaxPayload):
		e.Code, e.Err = lattice.ErrTooLarge, err
	default:
		e.Code, e.Err = lattice.ErrUnavailable, err
	}
	return e
}

// forbidden reports whether NATS has last refused what was published on a subject, of which a sender hears only so.
func (c *Client) forbidden(subj string) bool {
	err := c.nc.LastError()
	return errors.Is(err, nats.ErrPermissionViolation) &&
		strings.Contains(strings.ToLower(err.Error()), strings.ToLower(strconv.Quote(subj)))
}
