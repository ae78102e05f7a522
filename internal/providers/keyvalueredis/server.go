package keyvalueredis

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/lattice"
)

const (
	// probePause is how often one call tries a node that is away; the others fail at once.
	probePause = 250 * time.Millisecond
	// maxMoves is how often a command follows a key that moves between the nodes of a cluster, and movePause the time
	// between two attempts, in which the client learns where keys are.
	maxMoves  = 10
	movePause = 25 * time.Millisecond
)

// server is one Redis, the one that Sentinels name, or a Redis Cluster, with one set of credentials. It is safe for
// concurrent use.
//
// A cluster is recognised by its answers, so that no link needs to say that there is one. Commands go to the master of
// their key by this package's own hand: the library's would send a command again whose answer was lost, and a counter
// would count twice. Here it is sent again only when a node has refused it.
type server struct {
	settings settings
	target   target
	address  string                              // of all that is known at first, for messages
	client   *redis.Client                       // nil: several nodes of a cluster are named
	cluster  atomic.Pointer[redis.ClusterClient] // nil: the server is not a cluster, as far as is known
	single   atomic.Bool                         // it has said that it is no cluster
	links    int                                 // guarded by redisProvider.mu
	whole    node                                // the one Redis, or the cluster as a whole

	mu    sync.Mutex
	nodes map[string]*node // by address. guarded by mu
}

// newServer makes a client of a server, a cluster, or what sentinels say. Nothing is connected yet.
func newServer(s settings, readFile certfile.Reader, log *slog.Logger) (*server, error) {
	t, err := s.target(readFile, log)
	if err != nil {
		return nil, err
	}
	srv := &server{settings: s, target: t, address: strings.Join(t.addresses, ","), nodes: map[string]*node{}}
	switch {
	case s.sentinelMaster != "":
		srv.client = redis.NewFailoverClient(t.failover(s))
		srv.address += ", master " + s.sentinelMaster
	case len(t.addresses) > 1:
		srv.cluster.Store(redis.NewClusterClient(t.cluster()))
	default:
		srv.client = redis.NewClient(t.Options)
	}
	return srv, nil
}

// becomeCluster is called when a node has said that it belongs to a cluster.
func (s *server) becomeCluster() (*redis.ClusterClient, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cluster.Load(); c != nil {
		return c, nil
	}
	if s.target.DB != 0 {
		return nil, invalid("db", "a Redis Cluster has database 0 only")
	}
	c := redis.NewClusterClient(s.target.cluster())
	s.cluster.Store(c)
	return c, nil
}

// close ends all connections. It may be called once, when no call is under way.
func (s *server) close() error {
	var errs []error
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if c := s.cluster.Load(); c != nil {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// ping asks the server even when it is known to be away; of a cluster it asks every master. A user who may not ping has
// at least logged in.
func (s *server) ping(ctx context.Context) error {
	cluster := s.cluster.Load()
	if cluster == nil {
		return s.learn(&s.whole, s.address, "ping", "", allowed(s.client.Ping(ctx).Err()))
	}
	return s.learn(&s.whole, s.address, "ping", "",
		cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
			address := c.Options().Addr
			return s.learn(s.node(address), address, "ping", "", allowed(c.Ping(ctx).Err()))
		}))
}

// allowed takes a refusal by rights for a sign of life: the user may use keys and not this command.
func allowed(err error) error {
	if redis.IsPermissionError(err) {
		return nil
	}
	return err
}

// run sends a command on a key of a link to the node that has it. The command gets the key with the link's prefix; kind
// is what it is wanted as.
func run[R any](ctx context.Context, link *store, kind, key string, command func(c redis.Cmdable, key string) (R,
	error)) (r R, err error) {
	s, full := link.server, link.prefix+key
	if s.cluster.Load() == nil {
		n := &s.whole
		if err := n.admit(); err != nil {
			return r, err
		}
		r, err = command(s.client, full)
		if _, moved := redis.IsMovedError(err); !moved {
			return r, s.learn(n, s.address, kind, key, err)
		}
		n.learn(nil)
	}
	cluster, err := s.becomeCluster()
	if err != nil {
		return r, err
	}
	at, asking := "", false
	for range maxMoves {
		client, err := s.owner(ctx, cluster, full, at)
		if err != nil {
			return r, err
		}
		address := client.Options().Addr
		n := s.node(address)
		if err := n.admit(); err != nil {
			cluster.ReloadState(ctx) // another one may have taken its place
			return r, err
		}
		if asking && address == at {
			r, err = ask(ctx, client, full, command)
		} else {
			r, err = command(client, full)
		}
		var moved bool
		if at, moved = redis.IsMovedError(err); moved {
			cluster.ReloadState(ctx)
			asking = false
		} else if at, asking = redis.IsAskError(err); !asking {
			if err = s.learn(n, address, kind, key, err); lattice.CodeOf(err) == lattice.ErrUnavailable {
				cluster.ReloadState(ctx)
			}
			return r, err
		}
		n.learn(nil)
	}
	return r, &lattice.Error{Code: lattice.ErrUnavailable, Op: "find key in", Entity: "redis at " + s.address,
		Detail: "its nodes point at each other; look at: redis-cli --cluster check " + s.address}
}

// owner is the node at an address that another one has named, or the master of a key.
func (s *server) owner(ctx context.Context, cluster *redis.ClusterClient, key, at string) (*redis.Client, error) {
	whole := &s.whole
	if err := whole.admit(); err != nil {
		return nil, err
	}
	owner, err := cluster.MasterForKey(ctx, key)
	if err = s.learn(whole, s.address, "key", key, err); err != nil || at == "" || owner.Options().Addr == at {
		return owner, err
	}
	var mu sync.Mutex
	found := false
	_ = cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error { // it has no error of its own
		mu.Lock()
		defer mu.Unlock()
		if c.Options().Addr == at {
			owner, found = c, true
		}
		return nil
	})
	if !found { // the client learns of it in a moment
		select {
		case <-time.After(movePause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return owner, nil
}

// master is a node that has keys.
type master struct {
	client  *redis.Client
	node    *node
	address string
}

// recognise asks the server whether it is a cluster, until it has said so once. No command on a key would tell when all
// keys are wanted. Of a user who may not ask it is taken for one server.
func (s *server) recognise(ctx context.Context) (*redis.ClusterClient, error) {
	if c := s.cluster.Load(); c != nil || s.single.Load() {
		return c, nil
	}
	if err := s.whole.admit(); err != nil {
		return nil, err
	}
	info, err := s.client.Info(ctx, "cluster").Result()
	if err := s.learn(&s.whole, s.address, "keys", "", allowed(err)); err != nil {
		return nil, err
	}
	if strings.Contains(info, "cluster_enabled:1") {
		return s.becomeCluster()
	}
	s.single.Store(err == nil)
	return nil, nil
}

// masters are those of a cluster, by address, or the one server.
func (s *server) masters(ctx context.Context) ([]master, error) {
	cluster, err := s.recognise(ctx)
	if err != nil {
		return nil, err
	}
	if cluster == nil {
		return []master{{s.client, &s.whole, s.address}}, nil
	}
	var mu sync.Mutex
	var all []master
	err = cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		address := c.Options().Addr
		all = append(all, master{c, s.node(address), address})
		return nil
	})
	slices.SortFunc(all, func(a, b master) int { return strings.Compare(a.address, b.address) })
	if err == nil && len(all) == 0 {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "list keys",
			Detail: "redis at " + s.address + " names no node that has keys"}
	}
	return all, s.learn(&s.whole, s.address, "keys", "", err)
}

// ask runs a command on the node that a key is just moving to.
func ask[R any](ctx context.Context, client *redis.Client, key string, command func(redis.Cmdable, string) (R,
	error)) (r R, err error) {
	conn := client.Conn()
	defer conn.Close()
	if err := conn.Do(ctx, "asking").Err(); err != nil {
		return r, err
	}
	return command(conn, key)
}

func (s *server) node(address string) *node {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[address]
	if n == nil {
		n = &node{}
		s.nodes[address] = n
	}
	return n
}

// learn translates the error of a call to a node and remembers whether that is there.
func (s *server) learn(n *node, address, kind, key string, err error) error {
	if err == redis.Nil { //nolint:errorlint // the answer to a command, not what a dialer got from a sentinel
		err = nil
	}
	err, away := s.translate(address, kind, key, err)
	switch code := lattice.CodeOf(err); {
	case away:
		n.learn(err)
	case code == lattice.ErrTimeout, code == lattice.ErrCanceled, code == lattice.ErrBusy: // they say nothing
	default:
		n.learn(nil)
	}
	return err
}

// node is what is known of one Redis process.
type node struct {
	mu    sync.Mutex
	away  error     // why, since the last failure; nil when it answers. guarded by mu
	since time.Time // when it was first found away; guarded by mu
	probe time.Time // when the next call may try. guarded by mu
}

// admit fails at once when the node is known to be away, except one call now and then.
func (n *node) admit() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if n.away == nil || now.After(n.probe) {
		n.probe = now.Add(probePause)
		return nil
	}
	return n.away
}

// learn notes whether the node was there, since when it is away, and when to look again.
func (n *node) learn(away error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if away != nil && n.away == nil {
		n.since = now
	}
	n.away, n.probe = away, now.Add(probePause)
}

// forgotten is how long ago a node of a cluster may have been tried last, for its absence to count: others take its
// place.
const forgotten = time.Minute

// isAway tells why the node is away, and since when; nil when it is there, as far as is known.
func (n *node) isAway() (since time.Time, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.since, n.away
}

// isAway tells of the server as a whole, or of the node of a cluster that has been away for longest.
func (s *server) isAway() (since time.Time, why error) {
	if since, why = s.whole.isAway(); why != nil {
		return since, why
	}
	s.mu.Lock()
	nodes := slices.Collect(maps.Values(s.nodes))
	s.mu.Unlock()
	for _, n := range nodes {
		n.mu.Lock()
		tried := n.probe
		n.mu.Unlock()
		if from, err := n.isAway(); err != nil && time.Since(tried) < forgotten && (why == nil || from.Before(since)) {
			since, why = from, err
		}
	}
	return since, why
}
