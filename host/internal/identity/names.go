package identity

import (
	"fmt"
	"hash/fnv"
)

var (
	adjectives = []string{"amber", "brave", "calm", "deep", "early", "fair", "gentle", "hidden", "idle", "keen",
		"lively",
		"merry", "noble", "olive", "proud", "quiet", "rapid", "silent", "tidy", "vivid", "warm", "young"}
	nouns = []string{"anchor", "birch", "cedar", "dune", "ember", "fjord", "grove", "harbor", "island", "juniper",
		"kestrel", "lagoon", "meadow", "otter", "pine", "quarry", "river", "shuttle", "thicket", "valley", "willow",
		"yarn"}
)

// friendlyName makes adjective-noun-NNNN from a host's key, so that a host keeps its name over restarts.
func friendlyName(publicKey string) string {
	f := fnv.New64a()
	_, _ = f.Write([]byte(publicKey))
	n := f.Sum64()
	return fmt.Sprintf("%s-%s-%04d", adjectives[n%uint64(len(adjectives))], nouns[n/64%uint64(len(nouns))],
		n/4096%10000)
}
