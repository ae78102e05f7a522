package grant

import (
	"slices"
	"strings"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// Grant is what a client of NATS may do. An empty list allows nothing.
type Grant struct {
	Publish, Subscribe []string
	DenyPublish        []string // out of Publish
	DenySubscribe      []string // out of Subscribe: NATS lets who may subscribe to "a.*" subscribe to "a.>"
	Respond            bool     // may answer the messages that it was sent, wherever their reply goes
}

// Join returns all that either allows; what one denies stays denied.
func (g Grant) Join(o Grant) Grant {
	union := func(a, b []string) []string {
		all := slices.Concat(a, b)
		slices.Sort(all)
		return slices.Compact(all)
	}
	return Grant{union(g.Publish, o.Publish), union(g.Subscribe, o.Subscribe), union(g.DenyPublish, o.DenyPublish),
		union(g.DenySubscribe, o.DenySubscribe), g.Respond || o.Respond}
}

// sharedInboxes is where clients of other software receive their answers.
const sharedInboxes = "_INBOX.>"

// IsInbox reports whether a subject is one on which a client awaits answers: its own, or one that all clients of NATS
// use.
func IsInbox(s string) bool {
	return strings.HasPrefix(s, "_INBOX.") || strings.HasPrefix(s, "_INBOX_") && strings.Contains(s, ".")
}

// Where the answers to the hosts, the operators and one provider of a lattice come, which others may not read. They are
// the same for all users of a role, so that a connection keeps its own when it gets new credentials.
func HostInbox(l lattice.Name) string     { return "_INBOX_host_" + string(l) }
func OperatorInbox(l lattice.Name) string { return "_INBOX_operator_" + string(l) }
func ProviderInbox(l lattice.Name, id lattice.ProviderID, link lattice.LinkName) string {
	return "_INBOX_" + string(id) + "_" + string(l) + "_" + string(link)
}

// Inbox lets a user receive answers in its inboxes and, with shared, in those that all clients of NATS use unless
// told otherwise.
func Inbox(prefix string, shared bool) Grant {
	g := Grant{Subscribe: []string{prefix + ".>"}}
	if shared {
		g.Subscribe = append(g.Subscribe, sharedInboxes)
	}
	return g
}

// Host is what a host needs: it obeys the control interface, tells what happens, serves actors, calls actors and
// providers, hears from the beats of other hosts where to do so best and from their events what is lost with them,
// looks after its providers, and keeps the lattice's state. It sends no commands.
func Host(c subject.Control) Grant {
	l := c.Lattice
	g := Grant{
		Publish: []string{subject.Event(l), subject.EventAll(l), subject.BeatAll(l), subject.Log(l, "*"),
			subject.Actor(l, ">"), subject.AppPresence(l)},
		Subscribe: append(subject.HostEvents(l), c.All(), subject.Actor(l, "*"), subject.AppRequests(l).Subject,
			subject.BeatAll(l)),
		// What providers are sent is not for hosts.
		DenySubscribe: []string{subject.Provider(l, "*", ">")},
		Respond:       true,
	}
	return g.Join(state(l))
}

// Operator is what people and their tools need: commands, events, logs, calls, and the lattice's state. It does
// not speak as a host, and cannot be called.
func Operator(c subject.Control) Grant {
	l := c.Lattice
	g := Grant{
		Publish: []string{c.All(), subject.Actor(l, "*"), subject.Provider(l, "*", "*"),
			subject.LinkStates(l, "*", "*"), subject.Health(l, "*", "*"), subject.AppRequests(l).Subject},
		Subscribe: []string{subject.Event(l), subject.EventAll(l), subject.BeatAll(l), subject.Log(l, "*")},
	}
	return g.Join(state(l))
}

// Provider is what one provider needs: to be called and looked after under its own name, to call actors and to
// hear from the hosts' beats where to do so best, and the store of large payloads, which the host has made. With
// storage it also gets JetStream's key-value buckets, except those of the lattice itself. A client that may make
// streams can read and forge much, so only trusted code gets this grant.
func Provider(l lattice.Name, id lattice.ProviderID, link lattice.LinkName, storage bool) Grant {
	self := subject.Provider(l, id, link)
	chunks := subject.ChunkStream(l)
	g := Grant{
		Publish:   []string{subject.Actor(l, "*")},
		Subscribe: []string{self, self + ".>", subject.BeatAll(l)},
		Respond:   true,
	}
	g = g.Join(reading(chunks)).Join(objects(subject.ChunkBucket(l)))
	if !storage {
		return g
	}
	g.Publish = append(g.Publish, "$KV.>", jsAPI+"STREAM.INFO.*", jsAPI+"STREAM.CREATE.*", jsAPI+"STREAM.MSG.GET.*",
		jsAPI+"DIRECT.GET.>")
	g.DenyPublish = append(g.DenyPublish, jsAPI+"STREAM.CREATE."+chunks, "$KV."+subject.KVLattice(l)+".>")
	for _, s := range []string{kvStream(l), artifactStream(l)} {
		g.DenyPublish = append(g.DenyPublish, jsAPI+"STREAM.INFO."+s, jsAPI+"STREAM.CREATE."+s,
			jsAPI+"STREAM.MSG.GET."+s, jsAPI+"DIRECT.GET."+s, jsAPI+"DIRECT.GET."+s+".>")
	}
	return g
}

const jsAPI = "$JS.API."

func kvStream(l lattice.Name) string       { return "KV_" + subject.KVLattice(l) }
func artifactStream(l lattice.Name) string { return "OBJ_" + subject.ArtifactBucket(l) }

// state is full use of the lattice's own buckets.
func state(l lattice.Name) Grant {
	g := Grant{Publish: []string{"$KV." + subject.KVLattice(l) +
		".>"}}.Join(objects(subject.ChunkBucket(l))).Join(objects(subject.ArtifactBucket(l)))
	for _, s := range []string{kvStream(l), subject.ChunkStream(l), artifactStream(l)} {
		g = g.Join(reading(s))
		g.Publish = append(g.Publish, jsAPI+"STREAM.CREATE."+s, jsAPI+"STREAM.PURGE."+s, jsAPI+"STREAM.MSG.DELETE."+s)
	}
	return g
}

// reading is what bucket clients do to read a stream: get, watch, and acknowledge what they are sent.
func reading(stream string) Grant {
	return Grant{Publish: []string{jsAPI + "INFO", jsAPI + "STREAM.INFO." + stream, jsAPI + "STREAM.MSG.GET." + stream,
		jsAPI + "DIRECT.GET." + stream, jsAPI + "DIRECT.GET." + stream + ".>", jsAPI + "STREAM.NAMES",
		jsAPI + "CONSUMER.CREATE." + stream, jsAPI + "CONSUMER.CREATE." + stream + ".>",
		jsAPI + "CONSUMER.INFO." + stream + ".*",
		jsAPI + "CONSUMER.DELETE." + stream + ".*", jsAPI + "CONSUMER.MSG.NEXT." + stream + ".*",
		"$JS.ACK." + stream + ".>", "$JS.FC." + stream + ".>"}}
}

// objects lets a client put and delete objects of a store that exists.
func objects(bucket string) Grant {
	return Grant{Publish: []string{"$O." + bucket + ".C.>", "$O." + bucket + ".M.>",
		jsAPI + "STREAM.PURGE.OBJ_" + bucket}}
}

// ValidSubject reports whether s is a subject, with or without wildcards, that NATS accepts.
func ValidSubject(s string) bool {
	tokens := strings.Split(s, ".")
	for i, t := range tokens {
		if t == "" || strings.ContainsAny(t, " \t\r\n\f\x00") || t == ">" && i < len(tokens)-1 {
			return false
		}
	}
	return len(s) <= 512
}
