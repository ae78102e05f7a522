package natsauth

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Verifier decides in a NATS server whether a client is who it says. It is safe for concurrent use.
type Verifier struct {
	authority string // public account key
	file      string
	log       *slog.Logger

	mu      sync.Mutex
	read    time.Time       // modification time of the file that was read; guarded by mu
	size    int64           // guarded by mu
	revoked map[string]bool // users; guarded by mu
}

// NewVerifier makes a Verifier that believes the account key authority. file is the list of users that Users keeps, ""
// for none; revocations take effect while the server runs.
func NewVerifier(authority, file string, log *slog.Logger) *Verifier {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Verifier{authority: authority, file: file, log: log}
}

// Verify tells the identity of a client that presents jwt and signed the server's nonce. Errors say what is wrong, for
// the server's log: ErrTokenMalformed, ErrTokenSignature, ErrTokenExpired, ErrTokenNotYetValid, ErrUnknownIssuer when
// another authority has issued it, ErrDenied when it was revoked.
func (v *Verifier) Verify(jwt string, nonce, sig []byte) (Identity, error) {
	if jwt == "" {
		return Identity{}, &lattice.Error{Code: lattice.ErrDenied, Op: "admit NATS client",
			Detail: "it has no credentials"}
	}
	id, issuer, err := read(jwt, true)
	if err != nil {
		return id, err
	}
	if issuer != v.authority {
		return id, &lattice.Error{Code: lattice.ErrUnknownIssuer, Op: "admit NATS client", Entity: id.ID,
			Detail: "issued by " + issuer + ", this server trusts " + v.authority}
	}
	if len(nonce) == 0 || signing.Verify(id.ID, nonce, sig) != nil {
		return id, &lattice.Error{Code: lattice.ErrTokenSignature, Op: "admit NATS client", Entity: id.ID,
			Detail: "it does not have the seed of this user"}
	}
	return id, v.Valid(id)
}

// Valid tells whether a user that was admitted still may be there.
func (v *Verifier) Valid(id Identity) error {
	if !id.Expires.IsZero() && !time.Now().Before(id.Expires) {
		return &lattice.Error{Code: lattice.ErrTokenExpired, Op: "admit NATS client", Entity: id.ID,
			Detail: "expired at " + id.Expires.UTC().Format(time.RFC3339)}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reload()
	if v.revoked[id.ID] || id.Via != "" && v.revoked[id.Via] {
		return &lattice.Error{Code: lattice.ErrDenied, Op: "admit NATS client", Entity: id.ID, Detail: "it was revoked"}
	}
	return nil
}

// reload reads the list again when it has changed. A list that cannot be read leaves what is known. v.mu is held.
func (v *Verifier) reload() {
	if v.file == "" {
		return
	}
	info, err := os.Stat(v.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil && info.ModTime().Equal(v.read) && info.Size() == v.size {
		return
	}
	var list userList
	if err == nil {
		var data []byte
		if data, err = os.ReadFile(v.file); err == nil {
			err = json.Unmarshal(data, &list)
		}
	}
	if err != nil {
		v.log.Error("list of NATS users not read; revocations may be missing", "file", v.file, lattice.LogErr, err)
		return
	}
	v.read, v.size, v.revoked = info.ModTime(), info.Size(), map[string]bool{}
	for _, u := range list.Users {
		if !u.Revoked.IsZero() {
			v.revoked[u.ID] = true
		}
	}
}
