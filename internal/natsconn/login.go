package natsconn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Login says as which user a client presents itself to NATS: a JWT with its seed, a seed alone, a user, or a token. The
// empty one has no credentials.
type Login struct{ JWT, Seed, User, Password, Token string }

// kind tells which fields are set; a connection keeps the kind that it began with.
func (l Login) kind() string {
	switch {
	case l.JWT != "":
		return "JWT"
	case l.Seed != "":
		return "seed"
	case l.User != "":
		return "user"
	case l.Token != "":
		return "token"
	}
	return ""
}

// CanBecome reports whether a connection made with l can take over another login when it reconnects: one of the same
// kind, and no other seed where there is no JWT, since NATS names such clients by their key.
func (l Login) CanBecome(next Login) bool {
	return l.kind() == next.kind() && (l.kind() != "seed" || l.Seed == next.Seed)
}

// String shows no secret.
func (l Login) String() string { return "natsconn.Login{" + l.kind() + "}" }

// GoString is String.
func (l Login) GoString() string { return l.String() }

// loginOptions ask for the login at each attempt to connect.
func loginOptions(login func() Login) ([]nats.Option, error) {
	switch l := login(); l.kind() {
	case "JWT":
		return []nats.Option{nats.UserJWT(func() (string, error) { return login().JWT, nil },
			func(nonce []byte) ([]byte, error) {
				k, err := signing.FromSeed(login().Seed)
				return k.Sign(nonce), err
			})}, nil
	case "seed":
		k, err := signing.FromSeed(l.Seed)
		if err != nil {
			return nil, err
		}
		return []nats.Option{nats.Nkey(k.Public(), func(nonce []byte) ([]byte, error) { return k.Sign(nonce), nil })},
			nil
	case "user":
		return []nats.Option{nats.UserInfoHandler(func() (string, string) { l := login(); return l.User, l.Password })},
			nil
	case "token":
		return []nats.Option{nats.TokenHandler(func() string { return login().Token })}, nil
	}
	return nil, nil
}

// Fingerprint changes when what the connection reads when it connects is another: files of credentials, client
// certificate and its key, and what Login returns. It tells nothing about them. A file that cannot be read is
// lattice.ErrInvalid.
func (c Config) Fingerprint() (string, error) {
	h := sha256.New()
	if c.Login != nil {
		l := c.Login()
		fmt.Fprintf(h, "%q", []string{l.JWT, l.Seed, l.User, l.Password, l.Token})
	}
	for _, path := range []string{c.CredsFile, c.TLSCert, c.TLSKey} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err == nil {
			_, err = io.Copy(h, io.LimitReader(f, 1<<20))
			_ = f.Close()
		}
		if err != nil {
			return "", &lattice.Error{Code: lattice.ErrInvalid, Op: "read", Entity: path, Err: err}
		}
		fmt.Fprintf(h, "\x00%s\x00", path)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Reconnect ends the connection and makes it anew, with the credentials that its files or Config.Login hold now. It
// flushes first, and returns when the server knows all subscriptions again, or after defaultReconnectTimeout when ctx
// has no deadline. Requests that wait for an answer on nc fail, and messages on their way to it are lost: move what
// matters to another connection before.
func Reconnect(ctx context.Context, nc *nats.Conn) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultReconnectTimeout)
		defer cancel()
	}
	fail := func(err error) error {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "reconnect to NATS at",
			Entity: SafeURL(nc.ConnectedUrl()), Err: err}
	}
	if err := nc.FlushWithContext(ctx); err != nil && !errors.Is(err, nats.ErrConnectionReconnecting) {
		return fail(err)
	}
	back := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(back)
	if err := nc.ForceReconnect(); err != nil {
		return fail(err)
	}
	select {
	case <-back:
	case <-ctx.Done():
		return fail(ctx.Err())
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return fail(err)
	}
	return nil
}
