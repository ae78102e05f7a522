package channel

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// The handshake. The dialer sends its magic, the id of its credentials and a nonce. The listener answers with a nonce
// and a proof that it knows the secret. Then the dialer sends its proof. A proof is an HMAC-SHA256 under the secret
// over its direction and all that was said before, so it is good for this connection and this direction only. Then come
// frames.
const (
	magic      = "weftchn\x02" // the last byte is the version
	idBytes    = 16
	nonceBytes = 32
	// handshakeTimeout bounds the handshake.
	handshakeTimeout = 2 * time.Second
)

// Credentials let one process dial a Listener. The secret must reach it by a way that no other process can read.
type Credentials = wire.Channel

// newCredentials makes an id, by which the listener finds the offer, and a secret, which never goes over the socket.
func newCredentials(socket string) Credentials {
	var b [idBytes + sha256.Size]byte
	_, _ = rand.Read(b[:]) // never fails
	return Credentials{Socket: socket, ID: hex.EncodeToString(b[:idBytes]), Secret: hex.EncodeToString(b[idBytes:])}
}

func decode(c Credentials) (id, secret []byte, err error) {
	id, err1 := hex.DecodeString(c.ID)
	secret, err2 := hex.DecodeString(c.Secret)
	if err1 != nil || err2 != nil || len(id) != idBytes || len(secret) != sha256.Size {
		return nil, nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "open channel",
			Detail: "the credentials are malformed"}
	}
	return id, secret, nil
}

// proof shows that its maker has the secret. The direction keeps one end from sending the other's proof back, and the
// challenge of each connection keeps an old one from counting.
func proof(secret []byte, direction string, hello, challenge []byte) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(direction))
	m.Write(hello)
	m.Write(challenge)
	return m.Sum(nil)
}

var errProof = errors.New("the other process does not know the secret")

// Dial connects to a Listener and proves who it is.
func Dial(c Credentials) (net.Conn, error) {
	id, secret, err := decode(c)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("unix", c.Socket, handshakeTimeout)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "open channel", Err: err}
	}
	if err := dialerSide(conn, id, secret); err != nil {
		_ = conn.Close()
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "open channel", Entity: c.Socket, Err: err}
	}
	return conn, nil
}

// dialerSide lets the listener prove itself first, over numbers that both have chosen: the dialer sends nothing of
// worth to a process that has made a socket at the same path.
func dialerSide(conn net.Conn, id, secret []byte) error {
	_ = conn.SetDeadline(time.Now().Add(handshakeTimeout))
	hello := append([]byte(magic), id...)
	hello = append(hello, make([]byte, nonceBytes)...)
	_, _ = rand.Read(hello[len(hello)-nonceBytes:])
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	var answer [nonceBytes + sha256.Size]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	if !hmac.Equal(answer[nonceBytes:], proof(secret, "listener", hello, answer[:nonceBytes])) {
		return errProof
	}
	if _, err := conn.Write(proof(secret, "dialer", hello, answer[:nonceBytes])); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// listenerSide finds the secret for the id that the dialer says.
func listenerSide(conn net.Conn, find func(id string) (secret []byte)) (id string, err error) {
	_ = conn.SetDeadline(time.Now().Add(handshakeTimeout))
	var hello [len(magic) + idBytes + nonceBytes]byte
	if _, err := io.ReadFull(conn, hello[:]); err != nil {
		return "", err
	}
	if string(hello[:len(magic)]) != magic {
		return "", errors.New("not the hello of a channel of this version")
	}
	id = hex.EncodeToString(hello[len(magic) : len(magic)+idBytes])
	secret := find(id)
	known := secret != nil
	if !known {
		secret = make([]byte, sha256.Size)
		_, _ = rand.Read(secret)
	}
	var challenge [nonceBytes]byte
	_, _ = rand.Read(challenge[:])
	if _, err := conn.Write(append(challenge[:], proof(secret, "listener", hello[:], challenge[:])...)); err != nil {
		return id, err
	}
	var got [sha256.Size]byte
	if _, err := io.ReadFull(conn, got[:]); err != nil {
		return id, err
	}
	if !hmac.Equal(got[:], proof(secret, "dialer", hello[:], challenge[:])) || !known {
		return id, errProof
	}
	return id, conn.SetDeadline(time.Time{})
}
