package natsserver

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/grant"
	"github.com/weftlattice/weft/lattice"
)

const (
	apiRoot  = "$JS.API."
	gateRoot = "weft.js." // where the server takes the requests that the gate is to see
	// gateUser is the name of the gate's own connections; gateSystem in the place of an account is that to the system
	// account.
	gateUser    = "weft gate "
	gateSystem  = "$SYS"
	gateWorkers = 4                // requests of one lattice in progress
	gateBacklog = 1024             // that wait; the server drops those beyond
	gateTimeout = 10 * time.Second // of a request that was passed on

	// maxInactive is how long a consumer without a reader may be kept: what clients of NATS ask for by themselves.
	maxInactive = 5 * time.Minute
	// defaultInactive is that of a consumer whose maker does not say: the server's.
	defaultInactive = server.JsDeleteWaitTimeDefault
	// maxReaders is how many consumers an object store has; the server's limit, beyond which it makes none, is 1000.
	maxReaders = 900
)

// guarded are the requests to JetStream whose bodies say where messages come from or go to. NATS permissions look at
// subjects alone, so that the gate looks at the bodies.
var guarded = map[string]string{
	apiRoot + "STREAM.CREATE.>":   gateRoot + "STREAM.CREATE.>",
	apiRoot + "CONSUMER.CREATE.>": gateRoot + "CONSUMER.CREATE.>",
}

// throughGate names a subject that a role may publish to as the server sees it.
func throughGate(s string) string {
	for from := range guarded {
		if root := strings.TrimSuffix(from, ">"); strings.HasPrefix(s, root) {
			return gateRoot + strings.TrimPrefix(s, apiRoot)
		}
	}
	return s
}

// gate passes on to JetStream what makes a bucket as weft and the clients of NATS make them, or reads one into the
// asker's inbox, and refuses the rest. It is the server's own client in each account.
type gate struct {
	srv    *server.Server
	log    *slog.Logger
	limit  *rate.Limiter // of refusals in the log, which any role can cause
	secret string        // of its connections
	most   int           // consumers of an object store

	mu     sync.Mutex
	conns  []*nats.Conn // guarded by mu
	system *nats.Conn   // guarded by mu
	wg     sync.WaitGroup

	// readers are the consumers of each object store, by account and stream, in the order in which they were made;
	// those that have gone may be among them. Guarded by mu.
	readers map[[2]string][]string
}

// newGate makes a gate with a password of its own for its connections, which lives as long as the process.
func newGate(srv *server.Server, log *slog.Logger) (*gate, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	return &gate{srv: srv, log: log, limit: rate.NewLimiter(1, 10), secret: hex.EncodeToString(secret),
		most: maxReaders, readers: map[[2]string][]string{}}, nil
}

// admits returns the account that a client wants that has the gate's secret; "" for other clients.
func (g *gate) admits(user, password string) string {
	account, ok := strings.CutPrefix(user, gateUser)
	if !ok || subtle.ConstantTimeCompare([]byte(password), []byte(g.secret)) != 1 {
		return ""
	}
	return account
}

// connect opens the gate's connection to an account, in this process. It comes back by itself when the server does. mu
// is held.
func (g *gate) connect(account string) (*nats.Conn, error) {
	nc, err := nats.Connect("", nats.InProcessServer(g.srv), nats.UserInfo(gateUser+account, g.secret),
		nats.Name("weft gate"),
		nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.IgnoreAuthErrorAbort())
	if err == nil {
		g.conns = append(g.conns, nc)
	}
	return nc, err
}

// watch begins to serve the requests of an account.
func (g *gate) watch(acc *server.Account) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.system == nil {
		nc, err := g.connect(gateSystem)
		if err != nil {
			return err
		}
		g.system = nc
	}
	nc, err := g.connect(acc.Name)
	if err != nil {
		return err
	}
	requests := make(chan *nats.Msg, gateBacklog)
	if _, err := nc.ChanSubscribe(gateRoot+">", requests); err != nil {
		return err
	}
	stop := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(stop) })
	for range gateWorkers {
		g.wg.Go(func() {
			for {
				select {
				case m := <-requests:
					g.serve(acc.Name, m)
				case <-stop:
					return
				}
			}
		})
	}
	return nc.FlushTimeout(gateTimeout)
}

// close ends the connections and waits for requests in progress. A nil gate has none.
func (g *gate) close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	for _, nc := range g.conns {
		nc.Close()
	}
	g.mu.Unlock()
	g.wg.Wait()
}

// serve answers one request. An answer goes to an inbox only: NATS does not check whether a client may publish to the
// reply subject of its request.
func (g *gate) serve(account string, m *nats.Msg) {
	if !grant.IsInbox(m.Reply) {
		g.refused(account, m.Subject, "its answer would go to "+lattice.Printable(m.Reply)+", which is no inbox")
		return
	}
	request := strings.TrimPrefix(m.Subject, gateRoot)
	body, err := cleanRequest(request, m.Data)
	if err != nil {
		g.refused(account, m.Subject, err.Error())
		_ = m.Respond(apiError(403, err))
		return
	}
	stream, reads := readsObjects(request)
	if reads {
		g.remember(account, stream)
	}
	answer, err := g.ask(account, request, body)
	if err != nil {
		_ = m.Respond(apiError(503, fmt.Errorf("JetStream does not answer: %w", err)))
		return
	}
	if reads {
		g.bound(account, stream, answer)
	}
	_ = m.Respond(answer)
}

// ask makes a request of JetStream in the name of an account.
func (g *gate) ask(account, request string, body []byte) ([]byte, error) {
	info, err := json.Marshal(server.ClientInfo{Account: account})
	if err != nil {
		return nil, err
	}
	ask := &nats.Msg{Subject: apiRoot + request, Data: body, Header: nats.Header{server.ClientInfoHdr: {string(info)}}}
	ctx, cancel := context.WithTimeout(context.Background(), gateTimeout)
	defer cancel()
	answer, err := g.system.RequestMsgWithContext(ctx, ask)
	if err != nil {
		return nil, err
	}
	return answer.Data, nil
}

// readsObjects reports whether a request makes a consumer of an object store, and of which.
func readsObjects(request string) (stream string, ok bool) {
	rest, ok := strings.CutPrefix(request, "CONSUMER.CREATE.")
	stream, _, _ = strings.Cut(rest, ".")
	return stream, ok && strings.HasPrefix(stream, "OBJ_")
}

// remember learns, once, which consumers an object store had before this server started.
func (g *gate) remember(account, stream string) {
	key := [2]string{account, stream}
	g.mu.Lock()
	_, known := g.readers[key]
	g.mu.Unlock()
	if known {
		return
	}
	answer, err := g.ask(account, "CONSUMER.NAMES."+stream, nil)
	var list server.JSApiConsumerNamesResponse
	if err != nil || json.Unmarshal(answer, &list) != nil || list.Error != nil {
		return // there is no such store, and the request itself will say so
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.readers[key]; !known {
		g.readers[key] = list.Consumers
	}
}

// bound notes the consumer that an answer tells of, and deletes those of its object store that were made the longest
// ago where there are too many. No client needs one for long: a reader of an object makes one, reads to the end and
// deletes it. So a client that hoards consumers mostly loses its own. To refuse that client instead, the gate would
// have to know which client asks, which NATS does not tell it.
func (g *gate) bound(account, stream string, answer []byte) {
	var made server.JSApiConsumerCreateResponse
	if json.Unmarshal(answer, &made) != nil || made.ConsumerInfo == nil {
		return
	}
	key := [2]string{account, stream}
	g.mu.Lock()
	list := append(slices.DeleteFunc(g.readers[key], func(name string) bool { return name == made.Name }), made.Name)
	over := max(len(list)-g.most, 0)
	old := slices.Clone(list[:over])
	g.readers[key] = slices.Delete(list, 0, over)
	g.mu.Unlock()
	for _, name := range old {
		// most have gone by themselves
		if _, err := g.ask(account, "CONSUMER.DELETE."+stream+"."+name, nil); err != nil && g.limit.Allow() {
			g.log.Warn("consumer not deleted", "account", account, "stream", stream, "consumer", name, lattice.LogErr,
				err)
		}
	}
}

// refused logs a request that was refused, at a bounded rate.
func (g *gate) refused(account, subj, reason string) {
	if g.limit.Allow() {
		g.log.Warn("JetStream request refused", "account", account, "subject", lattice.Printable(subj), "reason",
			reason)
	}
}

// gateErrCode is the err_code of what the gate refuses, in a range that NATS does not use.
const gateErrCode = 60001

// apiError answers as JetStream itself does, so that clients show the text.
func apiError(code int, err error) []byte {
	b, _ := json.Marshal(server.ApiResponse{Type: server.JSApiSystemResponseType, // never fails: strings and numbers
		Error: &server.ApiError{Code: code, ErrCode: gateErrCode, Description: "weft: " + err.Error()}})
	return b
}

// cleanRequest returns the body of a request as it is passed on: what is understood and harmless, encoded anew. Other
// fields must say nothing.
func cleanRequest(request string, body []byte) ([]byte, error) {
	if name, ok := strings.CutPrefix(request, "STREAM.CREATE."); ok {
		return cleanStream(name, body)
	}
	if rest, ok := strings.CutPrefix(request, "CONSUMER.CREATE."); ok {
		return cleanConsumer(rest, body)
	}
	return nil, errors.New("unknown request")
}

// streamFields are those of a stream's configuration that concern only that stream. "subjects" follow from its name.
var streamFields = fieldSet("name", "description", "subjects", "retention", "max_consumers", "max_msgs", "max_bytes",
	"max_age",
	"max_msgs_per_subject", "max_msg_size", "discard", "storage", "num_replicas", "duplicate_window", "compression",
	"deny_delete",
	"deny_purge", "allow_rollup_hdrs", "allow_direct", "allow_msg_ttl", "subject_delete_marker_ttl", "metadata",
	"persist_mode", "allow_atomic", "allow_msg_counter", "first_seq", "consumer_limits", "no_ack")

// cleanStream returns the configuration of a stream as a user may have it: of a bucket or an object store, with exactly
// its subjects, and with none of the fields that reach beyond it (mirrors, sources, republishing). A field that is not
// known is refused, since a later server may read it.
func cleanStream(name string, body []byte) ([]byte, error) {
	config, err := onlyFields(body, streamFields)
	if err != nil {
		return nil, err
	}
	var subjects []string
	if bucket, ok := strings.CutPrefix(name, "KV_"); ok && bucket != "" {
		subjects = []string{"$KV." + bucket + ".>"}
	} else if bucket, ok := strings.CutPrefix(name, "OBJ_"); ok && bucket != "" {
		subjects = []string{"$O." + bucket + ".C.>", "$O." + bucket + ".M.>"}
	} else {
		return nil, errors.New("streams are made for key-value buckets (KV_...) and object stores (OBJ_...) only")
	}
	if err := mustBe(config, "name", name); err != nil {
		return nil, err
	}
	if err := mustBe(config, "subjects", subjects); err != nil {
		return nil, err
	}
	return json.Marshal(config)
}

// consumerFields are those of the configuration of a consumer that lives for a connection and says what it wants to
// read. "deliver_subject" must be an inbox.
var consumerFields = fieldSet("name", "description", "deliver_policy", "opt_start_seq", "opt_start_time", "ack_policy",
	"ack_wait",
	"max_deliver", "filter_subject", "filter_subjects", "replay_policy", "rate_limit_bps", "max_waiting",
	"max_ack_pending",
	"flow_control", "idle_heartbeat", "headers_only", "max_batch", "max_expires", "max_bytes", "deliver_subject",
	"inactive_threshold",
	"num_replicas", "mem_storage", "metadata", "backoff")

// cleanConsumer does the same for a consumer. It may deliver to inboxes only, since a server delivers past the user's
// own rights, and it goes by itself when it is not used.
func cleanConsumer(rest string, body []byte) ([]byte, error) {
	request, err := onlyFields(body, fieldSet("stream_name", "config", "action", "pedantic"))
	if err != nil {
		return nil, err
	}
	stream, _, _ := strings.Cut(rest, ".")
	if err := mustBe(request, "stream_name", stream); err != nil {
		return nil, err
	}
	config, err := onlyFields(request["config"], consumerFields)
	if err != nil {
		return nil, err
	}
	var deliver string
	if raw := config["deliver_subject"]; raw != nil {
		if err := json.Unmarshal(raw, &deliver); err != nil || deliver != "" && !grant.IsInbox(deliver) {
			return nil, errors.New("deliver_subject must be an inbox")
		}
	}
	var inactive time.Duration
	if raw := config["inactive_threshold"]; raw != nil {
		if err := json.Unmarshal(raw, &inactive); err != nil || inactive < 0 || inactive > maxInactive {
			return nil, fmt.Errorf("inactive_threshold must be nanoseconds, %d (%v) at most", maxInactive, maxInactive)
		}
	}
	if inactive == 0 {
		inactive = defaultInactive
	}
	if config["inactive_threshold"], err = json.Marshal(inactive); err != nil {
		return nil, err
	}
	if request["config"], err = json.Marshal(config); err != nil {
		return nil, err
	}
	return json.Marshal(request)
}

func fieldSet(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	return set
}

// onlyFields decodes an object. A field that is not allowed must be empty, and is left out.
func onlyFields(body []byte, allowed map[string]bool) (map[string]json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return nil, errors.New("the request is no JSON object")
	}
	for name, raw := range object {
		if allowed[name] {
			continue
		}
		switch text := string(raw); text {
		case "null", "false", "0", `""`, "[]", "{}":
			delete(object, name)
		default:
			return nil, fmt.Errorf("%q is not for clients to set", lattice.Printable(name))
		}
	}
	return object, nil
}

// mustBe reports when a field says something else than want.
func mustBe[T any](object map[string]json.RawMessage, name string, want T) error {
	b, err := json.Marshal(want)
	if err != nil {
		return err
	}
	var have T
	if json.Unmarshal(object[name], &have) != nil {
		return fmt.Errorf("%q must be %s", name, b)
	}
	if got, err := json.Marshal(have); err != nil || string(got) != string(b) {
		return fmt.Errorf("%q must be %s", name, b)
	}
	object[name] = b
	return nil
}
