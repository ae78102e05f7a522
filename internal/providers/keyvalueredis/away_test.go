package keyvalueredis

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/provider"
)

// TestRedisIsAwaySince: a link whose Redis is away says so, and since when, also after more failures.
func TestRedisIsAwaySince(t *testing.T) {
	env := latticetest.NATS(t)
	p := &redisProvider{log: env.Logger, readFile: linkfile.Folders{}.Read, servers: map[settings]*server{},
		stores: map[lattice.ActorID]*store{}}
	actor := env.ActorID(t)
	begin := time.Now()
	if err := p.PutLink(t.Context(),
		provider.Link{Actor: actor, Values: provider.Values{"url": "redis://127.0.0.1:1"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.DelLink(t.Context(), provider.Link{Actor: actor}) })
	since, why := p.LinkAway(actor)
	if !errors.Is(why, lattice.ErrUnavailable) || !strings.Contains(why.Error(),
		"redis at 127.0.0.1:1 is away: dial tcp") || since.Before(begin) {
		t.Fatalf("got %v since %v", why, since)
	}
	_ = p.stores[actor].server.ping(t.Context())
	if again, why := p.LinkAway(actor); why == nil || !again.Equal(since) {
		t.Errorf("since %v, after another failure since %v: %v", since, again, why)
	}
	p.stores[actor].server.whole.learn(nil)
	if _, why := p.LinkAway(actor); why != nil {
		t.Errorf("it answers: %v", why)
	}
	if _, why := p.LinkAway(env.ActorID(t)); why != nil {
		t.Errorf("an actor without link: %v", why)
	}
}
