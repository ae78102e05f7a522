package subject

import (
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Prefixes of the keys in a lattice's bucket.
const (
	linkKeyPrefix   = "LINKDEF_"
	claimsKeyPrefix = "CLAIMS_"
)

// KVLattice is the bucket of a lattice's links and claims.
func KVLattice(l lattice.Name) string { return "LATTICEDATA_" + string(l) }

// ChunkBucket is the object store of payloads that are too large for a message: the lattice's name itself.
func ChunkBucket(l lattice.Name) string { return string(l) }

// ArtifactBucket is the object store of modules and provider archives pushed into the lattice (weft).
func ArtifactBucket(l lattice.Name) string { return "WEFT_ARTIFACTS_" + string(l) }

// KVLinkKey is the key of the link whose identifier (the hash of its three names) is id.
func KVLinkKey(id string) string { return linkKeyPrefix + id }

// KVClaimsKey is the key of the claims of an actor or provider.
func KVClaimsKey(publicKey string) string { return claimsKeyPrefix + publicKey }

// ParseKVKey tells what a key of the bucket holds. Unknown keys give ok == false and are to be ignored.
func ParseKVKey(key string) (linkID, publicKey string, ok bool) {
	if id, found := strings.CutPrefix(key, linkKeyPrefix); found && id != "" {
		return id, "", true
	}
	if pk, found := strings.CutPrefix(key, claimsKeyPrefix); found && pk != "" {
		return "", pk, true
	}
	return "", "", false
}
