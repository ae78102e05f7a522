package natsconn

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
)

const (
	// patientRefusals is how many refusals in a row pass for those of a server that is just starting. After them a
	// connection tries less and less often, down to once in maxRefused.
	patientRefusals = 5
	maxRefused      = 30 * time.Second
	// refusalSilence is the time between two lines in the log about the same refusal.
	refusalSilence = time.Minute
)

// refused are the connections whose credentials the server does not take at present: *nats.Conn to error.
var refused sync.Map

// Refused tells that the server does not take the credentials of a connection, why and what to do, as
// lattice.ErrDenied; nil when it takes them, or cannot be reached. The connection goes on trying.
func Refused(nc *nats.Conn) error {
	if err, ok := refused.Load(nc); ok {
		return err.(error)
	}
	return nil
}

// refusals counts those of one connection in a row.
type refusals struct {
	cfg Config
	log *slog.Logger

	mu   sync.Mutex
	n    int       // guarded by mu
	told time.Time // guarded by mu
}

// isRefusal reports whether a NATS server let the user in no more, or never did.
func isRefusal(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) ||
		errors.Is(err, nats.ErrAuthRevoked) ||
		errors.Is(err, nats.ErrAccountAuthExpired)
}

// add notes one, and says so in the log, at most once a minute.
func (r *refusals) add(nc *nats.Conn) {
	err := r.cfg.refusal(time.Now())
	refused.Store(nc, err)
	r.mu.Lock()
	r.n++
	tell := r.n > 1 && time.Since(r.told) >= refusalSilence // the first may be of a server that starts
	if tell {
		r.told = time.Now()
	}
	r.mu.Unlock()
	if tell {
		r.log.Error("NATS does not take these credentials any more", lattice.LogErr, err)
	}
}

// end is called when the connection is there again, or closed.
func (r *refusals) end(nc *nats.Conn) {
	refused.Delete(nc)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n, r.told = 0, time.Time{}
}

// delay is the pause before attempt n to reconnect.
func (r *refusals) delay(n int) time.Duration {
	r.mu.Lock()
	over := r.n - patientRefusals
	r.mu.Unlock()
	if over <= 0 {
		return reconnectPause(n)
	}
	return backoff.Policy{First: maxReconnect, Max: maxRefused}.Pause(over) - maxReconnect + reconnectPause(n)
}

// refusal says why a server refuses the credentials, as far as they tell it, and what to do.
func (c Config) refusal(now time.Time) *lattice.Error {
	e := &lattice.Error{Code: lattice.ErrDenied, Op: "use NATS at", Entity: SafeURL(c.URL)}
	jwt := c.currentJWT()
	id, err := natsauth.Read(jwt)
	who := "these credentials"
	if id.Name != "" {
		who = "the credentials of " + lattice.Printable(id.Name)
	}
	again := "make a new token where the NATS server runs (weft token create), and give that (--join)"
	switch {
	case id.Has(natsauth.Provider):
		who, again = "the credentials that the host gave this provider",
			"when the host gets new ones, so does the provider"
	case c.Login != nil: // it is asked again at each attempt
		again = "make a new token where the NATS server runs (weft token create): " +
			"when it replaces the file that --join names, this host takes it by itself; " +
			"without such a file start again with it"
	case c.CredsFile != "":
		again = "they are in " + lattice.Visible(c.CredsFile) +
			"; have new ones made where the NATS server runs; weft's own are made with: " +
			"weft token create --creds-out FILE"
	}
	expires := id.Expires
	if err != nil {
		expires = expiry(jwt)
	}
	switch {
	case !expires.IsZero() && !now.Before(expires):
		e.Detail = who + " expired at " + expires.UTC().Format(time.RFC3339) + "; " + again
	case err != nil:
		e.Detail = "the server refuses these credentials; pass a credentials file, seed, " +
			"token or user and password that it knows"
	default:
		e.Detail = who + " were revoked, or are of another server; " + again
	}
	return e
}

// expiry is until when the user JWT of any NATS server is good, by its own account. It is zero when the JWT does not
// say, or is none.
func expiry(jwt string) time.Time {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	var claims struct {
		Expires int64 `json:"exp"` // seconds
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(data, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(claims.Expires, 0)
}

// currentJWT is the user JWT that the next attempt to connect would use; "" for other kinds of credentials.
func (c Config) currentJWT() string {
	switch {
	case c.Login != nil:
		return c.Login().JWT
	case c.CredsFile != "":
		if text, err := os.ReadFile(c.CredsFile); err == nil {
			jwt, _ := nkeys.ParseDecoratedJWT(text)
			return jwt
		}
	}
	return c.JWT
}
