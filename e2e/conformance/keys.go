package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/nats-io/nuid"
)

// Prefix bytes of keys (4.1).
const (
	kindAccount  = 0
	kindCluster  = 2 << 3
	kindModule   = 12 << 3
	kindHost     = 13 << 3
	kindProvider = 21 << 3
)

var base32Key = base32.StdEncoding.WithPadding(base32.NoPadding)

// crc16 is CRC-16/XMODEM.
func crc16(data []byte) uint16 {
	var crc uint16
	for _, b := range data {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// encodeKey writes a public key as text.
func encodeKey(kind byte, raw []byte) string {
	b := append([]byte{kind}, raw...)
	crc := crc16(b)
	return base32Key.EncodeToString(append(b, byte(crc), byte(crc>>8)))
}

// decodeKey reads a public key of a kind and checks its sum.
func decodeKey(s string, kind byte) ([]byte, error) {
	b, err := base32Key.DecodeString(s)
	if err != nil || len(b) != 35 {
		return nil, fmt.Errorf("%q is no key", s)
	}
	if crc := crc16(b[:33]); b[33] != byte(crc) || b[34] != byte(crc>>8) {
		return nil, fmt.Errorf("%q has a wrong check sum", s)
	}
	if b[0] != kind {
		return nil, fmt.Errorf("%q is a key of another kind", s)
	}
	return b[1:33], nil
}

// newKey makes a public key that nobody needs to sign with: of a module or a provider.
func newKey(kind byte) string {
	raw := make([]byte, 32)
	rand.Read(raw)
	return encodeKey(kind, raw)
}

// signer signs tokens. A nil signer knows no key.
type signer struct {
	pair   nkeys.KeyPair
	public string
}

func newSigner(kind nkeys.PrefixByte) (*signer, error) {
	pair, err := nkeys.CreatePair(kind)
	if err != nil {
		return nil, err
	}
	return signerOf(pair)
}

func signerFromSeed(seed string) (*signer, error) {
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(seed)))
	if err != nil {
		return nil, err
	}
	return signerOf(pair)
}

func signerOf(pair nkeys.KeyPair) (*signer, error) {
	public, err := pair.PublicKey()
	return &signer{pair, public}, err
}

func (s *signer) seed() string {
	seed, err := s.pair.Seed()
	if err != nil {
		return ""
	}
	return string(seed)
}

var base64Token = base64.RawURLEncoding

// tokenHeader is exactly what 3.5 demands.
const tokenHeader = `{"typ":"jwt","alg":"Ed25519"}`

// token signs claims.
func (s *signer) token(header string, claims map[string]any) string {
	body, err := json.Marshal(claims)
	if err != nil {
		return ""
	}
	signed := base64Token.EncodeToString([]byte(header)) + "." + base64Token.EncodeToString(body)
	signature, err := s.pair.Sign([]byte(signed))
	if err != nil {
		return ""
	}
	return signed + "." + base64Token.EncodeToString(signature)
}

// readToken verifies a token with its issuer's key, which begins with the given letter, and returns the claims.
func readToken(token string, issuer byte) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("a token has three parts")
	}
	header, err := base64Token.DecodeString(parts[0])
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var head struct{ Typ, Alg string }
	if json.Unmarshal(header, &head) != nil || head.Typ != "jwt" || head.Alg != "Ed25519" {
		return nil, fmt.Errorf("the header is %s", header)
	}
	body, err := base64Token.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(body, &claims); err != nil {
		return nil, err
	}
	signature, err := base64Token.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	iss, _ := claims["iss"].(string)
	if iss == "" || iss[0] != issuer {
		return nil, fmt.Errorf("iss is %q", iss)
	}
	key, err := nkeys.FromPublicKey(iss)
	if err != nil {
		return nil, err
	}
	if err := key.Verify([]byte(parts[0]+"."+parts[1]), signature); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return claims, nil
}

func upperSHA256(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
}

// signModule appends claims to a module that has none (4.2-4.4).
func signModule(module []byte, account *signer, subject string, wascap map[string]any) []byte {
	wascap["hash"], wascap["prov"] = moduleHash(module), false
	token := account.token(tokenHeader, map[string]any{"jti": nuid.Next(), "iat": time.Now().Unix(),
		"iss": account.public, "sub": subject,
		"wascap": wascap, "wascap_revision": 3})
	payload := append(uleb(uint64(len("wasmcloud_jwt"))), "wasmcloud_jwt"+token...)
	out := append([]byte{}, module...)
	out = append(out, 0)
	return append(append(out, uleb(uint64(len(payload)))...), payload...)
}

// moduleHash is the hash of a module that has no claims: its sections with their lengths as short as can be (4.4).
func moduleHash(module []byte) string {
	if len(module) < 8 {
		return upperSHA256(module)
	}
	out := append([]byte{}, module[:8]...)
	for rest := module[8:]; len(rest) > 1; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return upperSHA256(module) // hosts will say what is wrong with it
		}
		out = append(append(append(out, rest[0]), uleb(size)...), rest[1+n:1+n+int(size)]...)
		rest = rest[1+n+int(size):]
	}
	return upperSHA256(out)
}

func uleb(v uint64) []byte {
	var b []byte
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}
