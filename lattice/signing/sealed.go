package signing

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/weftlattice/weft/lattice"
)

// A sealed key file is one line of five fields with '$' between them:
//
//	weft-key-1 $ PUBLIC $ argon2id,T,M,P $ SALT $ BOX
//
// PUBLIC is the key that the file is about, so that it can be listed without the passphrase; T, M (KiB) and P are
// Argon2id's passes, memory and lanes; SALT is 16 bytes; BOX is the nonce and what XChaCha20-Poly1305 made of the plain
// text, with everything before BOX as associated data. Both are base64 without padding.
const sealedVersion = "weft-key-1"

// sealCost is the second recommended option of RFC 9106, section 4: 64 MiB, which small devices have, too.
var sealCost = argonCost{passes: 3, memory: 64 << 10, lanes: 4}

// maxCost bounds what a file may ask for before the passphrase is known to be right.
var maxCost = argonCost{passes: 16, memory: 512 << 10, lanes: 16}

const (
	saltBytes      = 16
	maxPassphrase  = 1024 // bytes
	maxSealedBytes = 8 << 10
)

type argonCost struct {
	passes, memory uint32
	lanes          uint8
}

// Passphrase returns the secret that seals key files. why tells the person who is asked which file it is for. fresh
// means that it is to be chosen, so that a person is asked twice.
type Passphrase func(why string, fresh bool) ([]byte, error)

// isSealed reports whether the text of a key file wants a passphrase.
func isSealed(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "weft-key-") }

// seal encrypts the text of a key file.
func seal(text, public string, passphrase []byte) (string, error) {
	if len(passphrase) == 0 || len(passphrase) > maxPassphrase {
		return "", keyError("seal key", fmt.Sprintf("a passphrase has 1 to %d bytes", maxPassphrase))
	}
	var random [saltBytes + chacha20poly1305.NonceSizeX]byte
	rand.Read(random[:]) // never fails
	salt, nonce := random[:saltBytes], random[saltBytes:]
	head := fmt.Sprintf("%s$%s$argon2id,%d,%d,%d$%s$", sealedVersion, public, sealCost.passes, sealCost.memory,
		sealCost.lanes, b64.EncodeToString(salt))
	aead, err := chacha20poly1305.NewX(sealCost.derive(passphrase, salt))
	if err != nil {
		return "", err
	}
	return head + b64.EncodeToString(aead.Seal(bytes.Clone(nonce), nonce, []byte(text), []byte(head))) + "\n", nil
}

var b64 = base64.RawStdEncoding.Strict()

func (c argonCost) derive(passphrase, salt []byte) []byte {
	return argon2.IDKey(passphrase, salt, c.passes, c.memory, c.lanes, chacha20poly1305.KeySize)
}

// sealed is a sealed key file that has been taken apart.
type sealed struct {
	head   string // associated data
	public string
	cost   argonCost
	salt   []byte
	box    []byte
}

// parseSealed reads the form without the passphrase. Errors are ErrInvalid.
func parseSealed(text string) (s sealed, err error) {
	bad := func(detail string) (sealed, error) { return sealed{}, keyError("read sealed key", detail) }
	text = strings.TrimSpace(text)
	if len(text) > maxSealedBytes {
		return bad(fmt.Sprintf("it has more than %d bytes", maxSealedBytes))
	}
	f := strings.Split(text, "$")
	if f[0] != sealedVersion {
		return bad("its format " + lattice.Printable(f[0]) + " is not known to this version of weft, which writes " +
			sealedVersion)
	}
	if len(f) != 5 {
		return bad("it is not whole, or not a sealed key; restore it from a copy")
	}
	if _, _, err := decodePublic(f[1]); err != nil {
		return bad("it names no public key")
	}
	kdf, cost, _ := strings.Cut(f[2], ",")
	if kdf != "argon2id" {
		return bad("it wants " + lattice.Printable(kdf) + ", which this version of weft does not know")
	}
	c := argonCost{}
	if n, err := fmt.Sscanf(cost+";", "%d,%d,%d;", &c.passes, &c.memory, &c.lanes); n != 3 || err != nil ||
		fmt.Sprintf("%d,%d,%d", c.passes, c.memory, c.lanes) != cost {
		return bad("the cost of its passphrase cannot be read")
	}
	if c.passes < 1 || c.lanes < 1 || c.memory < 8*uint32(c.lanes) || c.passes > maxCost.passes ||
		c.memory > maxCost.memory || c.lanes > maxCost.lanes {
		return bad(fmt.Sprintf("it wants %d passes over %d KiB in %d lanes, at most %d, %d and %d are accepted",
			c.passes, c.memory, c.lanes,
			maxCost.passes, maxCost.memory, maxCost.lanes))
	}
	s = sealed{head: text[:len(text)-len(f[4])], public: f[1], cost: c}
	var err1, err2 error
	s.salt, err1 = b64.DecodeString(f[3])
	s.box, err2 = b64.DecodeString(f[4])
	if err1 != nil || err2 != nil || len(s.salt) != saltBytes || len(s.box) < chacha20poly1305.NonceSizeX+
		chacha20poly1305.Overhead {
		return bad("it is not whole; restore it from a copy")
	}
	return s, nil
}

// open decrypts. A wrong passphrase and a file that was changed cannot be told apart: ErrDenied.
func (s sealed) open(passphrase []byte) (string, error) {
	aead, err := chacha20poly1305.NewX(s.cost.derive(passphrase, s.salt))
	if err != nil {
		return "", err
	}
	nonce, box := s.box[:chacha20poly1305.NonceSizeX], s.box[chacha20poly1305.NonceSizeX:]
	text, err := aead.Open(nil, nonce, box, []byte(s.head))
	if err != nil {
		return "", &lattice.Error{Code: lattice.ErrDenied, Op: "open sealed key", Entity: s.public,
			Detail: "the passphrase is wrong, or the file was changed"}
	}
	return string(text), nil
}
