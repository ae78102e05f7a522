package subject

import (
	"encoding/base64"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Prefixes of the keys in a lattice's bucket.
const (
	linkKeyPrefix   = "LINKDEF_"
	claimsKeyPrefix = "CLAIMS_"
	refKeyPrefix    = "REFMAP_"
)

// KVLattice is the bucket of a lattice's links and claims.
func KVLattice(l lattice.Name) string { return "LATTICEDATA_" + string(l) }

// ChunkBucket is the object store of payloads that are too large for a message: the lattice's name itself.
func ChunkBucket(l lattice.Name) string { return string(l) }

// ChunkStream is the stream behind ChunkBucket.
func ChunkStream(l lattice.Name) string { return "OBJ_" + ChunkBucket(l) }

// ChunkData is the subject of the pieces of one object in ChunkBucket, and ChunkMeta that of its description. The forms
// are those of every NATS object store.
func ChunkData(l lattice.Name, nuid string) string { return "$O." + ChunkBucket(l) + ".C." + nuid }

// ChunkMeta is the subject of the description of an object with a name.
func ChunkMeta(l lattice.Name, object string) string {
	return "$O." + ChunkBucket(l) + ".M." + base64.URLEncoding.EncodeToString([]byte(object))
}

// ChunkAll is a pattern that matches ChunkData and ChunkMeta of all objects.
func ChunkAll(l lattice.Name) string { return "$O." + ChunkBucket(l) + ".>" }

// ParseChunk tells what a subject of the bucket holds: the pieces under a nuid, or the description of an object.
// Unknown subjects give ok == false.
func ParseChunk(l lattice.Name, s string) (nuid, object string, ok bool) {
	root := "$O." + ChunkBucket(l)
	if nuid, found := strings.CutPrefix(s, root+".C."); found && nuid != "" {
		return nuid, "", true
	}
	if name, found := strings.CutPrefix(s, root+".M."); found {
		if b, err := base64.URLEncoding.DecodeString(name); err == nil && len(b) > 0 {
			return "", string(b), true
		}
	}
	return "", "", false
}

// ArtifactBucket is the object store of modules and provider archives pushed into the lattice (weft).
func ArtifactBucket(l lattice.Name) string { return "WEFT_ARTIFACTS_" + string(l) }

// KVLinkKey is the key of the link whose identifier (the hash of its three names) is id.
func KVLinkKey(id string) string { return linkKeyPrefix + id }

// KVClaimsKey is the key of the claims of an actor or provider.
func KVClaimsKey(publicKey string) string { return claimsKeyPrefix + publicKey }

// KVRefKey is the key under which the lattice keeps whose reference an image reference is.
func KVRefKey(ref string) string {
	return refKeyPrefix + base64.RawURLEncoding.EncodeToString([]byte(ref))
}

// ParseKVRefKey is the inverse of KVRefKey.
func ParseKVRefKey(key string) (ref string, ok bool) {
	text, found := strings.CutPrefix(key, refKeyPrefix)
	b, err := base64.RawURLEncoding.DecodeString(text)
	return string(b), found && err == nil && len(b) > 0
}

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
