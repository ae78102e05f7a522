package natsserver

import (
	"encoding/base64"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/grant"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

const (
	sweepInterval = time.Second // between looks for users who may no longer be there
	// answerTime is how long a client may take to answer a message that it was sent.
	answerTime = 10 * time.Minute
)

// door admits clients by their credentials, gives each what its roles allow, and disconnects those that lost them.
type door struct {
	users    *natsauth.Verifier
	log      *slog.Logger
	limit    *rate.Limiter // of refusals in the log, which any client can cause
	gate     *gate         // set before the server starts, as accounts is
	accounts *accounts

	mu     sync.Mutex
	inside map[uint64]natsauth.Identity // by client; guarded by mu

	stop chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

// newDoor logs a refusal a second at most, after ten at once: a client that is refused comes again.
func newDoor(users *natsauth.Verifier, log *slog.Logger) *door {
	return &door{users: users, log: log.With("part", "nats-server"), limit: rate.NewLimiter(1, 10),
		inside: map[uint64]natsauth.Identity{},
		stop:   make(chan struct{})}
}

// guard puts the door into the options of a server.
func (d *door) guard(o *server.Options) error {
	// The server throws away the JWTs of clients unless it trusts some operator. This one is never asked for, since
	// Check decides alone, and its key is forgotten here.
	nobody, err := signing.New(signing.KindOperator)
	if err != nil {
		return err
	}
	o.CustomClientAuthentication, o.AlwaysEnableNonce, o.TrustedKeys = d, true, []string{nobody.Public()}
	return nil
}

// prepare gives the server its system account before it starts; the server makes one by itself only when it trusts no
// operator. home is the lattice whose data is where a server without users keeps it.
func (d *door) prepare(srv *server.Server, o *server.Options, home lattice.Name) (err error) {
	system, _ := srv.LookupOrRegisterAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	system.Issuer = o.TrustedKeys[0]
	o.SystemAccount = system.Name
	if d.gate, err = newGate(srv, d.log); err == nil {
		d.accounts = newAccounts(srv, home, o.StoreDir, o.JetStreamDomain, d.gate)
	}
	return err
}

// Check is called by the server for every connection, after TLS.
func (d *door) Check(c server.ClientAuthentication) bool {
	if c.Kind() != server.CLIENT { // routes, gateways and leaf nodes are not in use
		return false
	}
	if name := d.gate.admits(c.GetOpts().Username, c.GetOpts().Password); name != "" {
		acc, err := d.accounts.srv.LookupAccount(name)
		if err == nil {
			c.RegisterUser(&server.User{Username: gateUser, Account: acc})
		}
		return err == nil
	}
	id, err := d.verify(c)
	var acc *server.Account
	if err == nil {
		acc, err = d.accounts.of(id.Lattice)
	}
	if err != nil {
		if d.limit.Allow() {
			d.log.Warn("NATS client refused", "address", c.RemoteAddress(), "name",
				lattice.Printable(c.GetOpts().Name), lattice.LogErr, err)
		}
		return false
	}
	d.mu.Lock()
	d.inside[c.GetID()] = id
	d.mu.Unlock()
	// The server would take the limits that a JWT of its own operator names from this one, which names none.
	c.GetOpts().JWT = ""
	c.RegisterUser(&server.User{Username: id.ID, Account: acc, ConnectionDeadline: id.Expires,
		Permissions: permissions(id.Grant())})
	return true
}

// verify checks a user's token, and that its holder has the seed: it has signed the nonce of this very connection.
func (d *door) verify(c server.ClientAuthentication) (natsauth.Identity, error) {
	opts := c.GetOpts()
	sig, err := base64.RawURLEncoding.DecodeString(opts.Sig)
	if err != nil {
		sig, err = base64.StdEncoding.DecodeString(opts.Sig) // old clients
	}
	if err != nil {
		sig = nil
	}
	return d.users.Verify(opts.JWT, c.GetNonce(), sig)
}

// permissions are what a user may publish and subscribe to. An empty list means nothing, where the server takes a
// missing one for everything. A user that may answer may do so once for each message, for a while.
func permissions(g grant.Grant) *server.Permissions {
	publish := func(list []string) []string {
		out := []string{} // never nil, which would allow everything
		for _, s := range list {
			out = append(out, throughGate(s))
		}
		return out
	}
	p := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish(g.Publish), Deny: publish(g.DenyPublish)},
		Subscribe: &server.SubjectPermission{Allow: append([]string{}, g.Subscribe...), Deny: g.DenySubscribe},
	}
	if g.Respond {
		p.Response = &server.ResponsePermission{MaxMsgs: 1, Expires: answerTime}
	}
	return p
}

// open begins to watch who is inside. A nil door does nothing.
func (d *door) open(srv *server.Server) {
	if d == nil {
		return
	}
	d.wg.Go(func() {
		tick := time.NewTicker(sweepInterval)
		defer tick.Stop()
		for {
			select {
			case <-d.stop:
				return
			case <-tick.C:
				d.sweep(srv)
			}
		}
	})
}

// who names the user of a client of the server; "" while the client has not said its name.
func (d *door) who(client uint64) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.inside[client]
	return lattice.Printable(strings.TrimSpace(id.Name + " " + id.ID))
}

// sweep forgets clients that have gone, and disconnects those that may not stay.
func (d *door) sweep(srv *server.Server) {
	gone := map[uint64]error{}
	d.mu.Lock()
	for client, id := range d.inside {
		if srv.GetClient(client) == nil {
			delete(d.inside, client)
		} else if err := d.users.Valid(id); err != nil {
			gone[client] = err
			delete(d.inside, client)
		}
	}
	d.mu.Unlock()
	for client, why := range gone {
		d.log.Warn("NATS client disconnected", lattice.LogErr, why)
		_ = srv.DisconnectClientByID(client) // it may have gone by itself
	}
}

// close ends the goroutines of the door and its gate, and waits for them. A nil door has none.
func (d *door) close() {
	if d == nil {
		return
	}
	d.once.Do(func() { close(d.stop) })
	d.wg.Wait()
	d.gate.close()
}
