package signing

import (
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Kind letters: the first letter of a public key, and the second of a seed.
const (
	KindHost     byte = 'N'
	KindCluster  byte = 'C'
	KindOperator byte = 'O'
	KindAccount  byte = 'A'
	KindUser     byte = 'U'
	KindModule   byte = 'M'
	KindProvider byte = 'V'
)

const (
	publicBytes = 1 + 32 + 2 // prefix, key, checksum
	seedBytes   = 2 + 32 + 2
	seedLength  = 58
	seedPrefix  = 0x90 // 'S' in the top five bits
)

var kinds = []struct {
	letter  byte
	prefix  byte
	name    string
	aliases string // other words for it, each between spaces
}{
	{KindHost, 13 << 3, "host", " server "},
	{KindCluster, 2 << 3, "cluster", ""},
	{KindOperator, 14 << 3, "operator", ""},
	{KindAccount, 0, "account", ""},
	{KindUser, 20 << 3, "user", ""},
	{KindModule, 12 << 3, "module", " actor "},
	{KindProvider, 21 << 3, "provider", " service "},
}

var nkeyEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// KindName returns the word for a kind letter: "account" for 'A'. An unknown letter gives the empty string.
func KindName(kind byte) string {
	for _, k := range kinds {
		if k.letter == kind {
			return k.name
		}
	}
	return ""
}

// ParseKind reads a kind by its word ("account", "module" or "actor", "provider" or "service", "host" or "server", ...)
// or its letter, in any case. Anything else is ErrInvalid.
func ParseKind(s string) (byte, error) {
	word := strings.ToLower(s)
	for _, k := range kinds {
		if word == k.name || word != "" && strings.Contains(k.aliases, " "+word+" ") ||
			strings.ToUpper(s) == string(k.letter) {
			return k.letter, nil
		}
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return 0, &lattice.Error{Code: lattice.ErrInvalid, Op: "parse key kind", Entity: lattice.Printable(s),
		Detail: "want one of " + strings.Join(names, ", ")}
}

// CheckPublic verifies that s is a public key of the given kind, its checksum included. It returns ErrInvalid if not.
func CheckPublic[S ~string](s S, kind byte) error {
	have, _, err := decodePublic(s)
	if err != nil {
		return err
	}
	if have != kind {
		return keyError("parse public key", fmt.Sprintf("is a key of kind %c, want %c", have, kind))
	}
	return nil
}

func prefixOf(kind byte) (byte, bool) {
	for _, k := range kinds {
		if k.letter == kind {
			return k.prefix, true
		}
	}
	return 0, false
}

func kindOf(prefix byte) (byte, bool) {
	for _, k := range kinds {
		if k.prefix == prefix {
			return k.letter, true
		}
	}
	return 0, false
}

func encodePublic(prefix byte, key []byte) string {
	raw := make([]byte, 0, publicBytes)
	raw = append(raw, prefix)
	raw = append(raw, key...)
	return nkeyEncoding.EncodeToString(appendCRC(raw))
}

func encodeSeed(prefix byte, seed []byte) string {
	raw := make([]byte, 0, seedBytes)
	raw = append(raw, seedPrefix|prefix>>5, prefix&31<<3)
	raw = append(raw, seed...)
	return nkeyEncoding.EncodeToString(appendCRC(raw))
}

// decodePublic returns the kind and the 32 bytes of a public key.
func decodePublic[S ~string](s S) (kind byte, key []byte, err error) {
	raw := make([]byte, publicBytes)
	if len(s) != lattice.KeyLength {
		return 0, nil, keyError("parse public key", fmt.Sprintf("has %d characters, want %d", len(s),
			lattice.KeyLength))
	}
	// The decoder skips line breaks; then fewer bytes come out.
	if n, err := nkeyEncoding.Decode(raw, []byte(s)); err != nil || n != publicBytes {
		return 0, nil, keyError("parse public key", "is not base32 (A-Z, 2-7)")
	}
	if !checkCRC(raw) {
		return 0, nil, keyError("parse public key", "has a wrong checksum: a character is missing or mistyped")
	}
	kind, ok := kindOf(raw[0])
	if !ok {
		return 0, nil, keyError("parse public key", "is of an unknown kind")
	}
	return kind, raw[1:33], nil
}

// decodeSeed returns the kind and the 32 secret bytes of a seed. Its errors never quote the input.
func decodeSeed(s string) (kind byte, seed []byte, err error) {
	raw := make([]byte, seedBytes+1)
	if len(s) != seedLength {
		return 0, nil, keyError("parse seed", fmt.Sprintf("has %d characters, want %d", len(s), seedLength))
	}
	n, err := nkeyEncoding.Decode(raw, []byte(s))
	if err != nil || n != seedBytes {
		return 0, nil, keyError("parse seed", "is not base32 (A-Z, 2-7)")
	}
	raw = raw[:n]
	if !checkCRC(raw) {
		return 0, nil, keyError("parse seed", "has a wrong checksum: a character is missing or mistyped")
	}
	kind, ok := kindOf(raw[0]&7<<5 | raw[1]>>3)
	if !ok || raw[0]&0xf8 != seedPrefix || raw[1]&7 != 0 {
		return 0, nil, keyError("parse seed", "is no seed of a known kind")
	}
	// 58 characters hold two bits more than 36 bytes: one seed has one spelling.
	if nkeyEncoding.EncodeToString(raw) != s {
		return 0, nil, keyError("parse seed", "has stray bits at its end")
	}
	return kind, raw[2:34], nil
}

func keyError(op, detail string) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Detail: detail}
}

// crc16 is CRC-16/XMODEM: polynomial 0x1021, initial value 0.
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

// appendCRC appends the checksum of raw, low byte first.
func appendCRC(raw []byte) []byte {
	crc := crc16(raw)
	return append(raw, byte(crc), byte(crc>>8))
}

func checkCRC(raw []byte) bool {
	body, sum := raw[:len(raw)-2], raw[len(raw)-2:]
	crc := crc16(body)
	return sum[0] == byte(crc) && sum[1] == byte(crc>>8)
}
