package keyvalueredis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/providers/keyvalue/kvtest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

func (r *redisServer) addr() string { return "127.0.0.1:" + r.port }

// direct runs commands past the provider, each a line of words.
func (r *redisServer) direct(commands ...string) {
	r.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.addr()})
	defer c.Close()
	for _, line := range commands {
		var args []any
		for word := range strings.FieldsSeq(line) {
			args = append(args, word)
		}
		if err := c.Do(context.Background(), args...).Err(); err != nil {
			r.t.Fatalf("%s: %v", line, err)
		}
	}
}

func cli(t testing.TB, args ...string) string {
	t.Helper()
	exe, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatal("these tests need redis-cli: apt-get install redis-tools, or the like")
	}
	out, err := exec.Command(exe, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// Redis out of memory refuses writes; it answers reads, and every link gets them.
func TestOutOfMemoryFailsWritesOnly(t *testing.T) {
	r := startRedis(t)
	p := providertest.Start(t, providertest.NewLattice(t), config(r))
	writer, reader := kvtest.Link(t, p, map[string]string{"url": r.url()}),
		kvtest.Link(t, p, map[string]string{"url": r.url()})
	if err := writer.Set("k", "v", 0); err != nil {
		t.Fatal(err)
	}
	r.direct("config set maxmemory 1")
	for range 100 {
		if err := writer.Set("k2", strings.Repeat("x", 1000), 0); !errors.Is(err, lattice.ErrUnavailable) ||
			!strings.Contains(err.Error(), "maxmemory") {
			t.Fatalf("a write: %v", err)
		}
		if got, err := reader.Get("k"); err != nil || got.Value != "v" {
			t.Fatalf("a read after a write that was refused: %+v, %v", got, err)
		}
	}
	r.direct("config set maxmemory 0")
	if err := writer.Set("k2", "v", 0); err != nil {
		t.Error(err)
	}
}

// A replica serves reads and refuses writes, with what to do.
func TestReplicaServesReads(t *testing.T) {
	master := startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+master.port)
	master.direct("set k v")
	p := providertest.Start(t, providertest.NewLattice(t), config(replica))
	c := kvtest.Link(t, p, map[string]string{"url": replica.url()})
	latticetest.Eventually(t, func() error {
		if got, err := c.Get("k"); err != nil || got.Value != "v" {
			return fmt.Errorf("%+v, %w", got, err)
		}
		return nil
	})
	for range 100 {
		if err := c.Set("k", "w", 0); !errors.Is(err, lattice.ErrUnavailable) || !strings.Contains(err.Error(),
			"sentinel_master") {
			t.Fatalf("a write to a replica: %v", err)
		}
		if got, err := c.Get("k"); err != nil || got.Value != "v" {
			t.Fatalf("a read after that: %+v, %v", got, err)
		}
	}
}

// What one caller does wrong is no matter of the others.
func TestErrorRepliesDoNotMeanAway(t *testing.T) {
	s := &server{address: "h:1"}
	for text, want := range map[string]struct {
		code lattice.Code
		away bool
	}{
		"OOM command not allowed when used memory > 'maxmemory'.":           {lattice.ErrUnavailable, false},
		"READONLY You can't write against a read only replica.":             {lattice.ErrUnavailable, false},
		"WRONGTYPE Operation against a key holding the wrong kind of value": {lattice.ErrConflict, false},
		"NOSCRIPT No matching script. Please use EVAL.":                     {lattice.ErrInternal, false},
		"MISCONF Redis is configured to save RDB snapshots":                 {lattice.ErrUnavailable, false},
		"NOREPLICAS Not enough good replicas to write.":                     {lattice.ErrUnavailable, false},
		"BUSY Redis is busy running a script.":                              {lattice.ErrUnavailable, false},
		"TRYAGAIN Multiple keys request during rehashing of slot":           {lattice.ErrUnavailable, false},
		"CROSSSLOT Keys in request don't hash to the same slot":             {lattice.ErrInvalid, false},
		"CLUSTERDOWN Hash slot not served":                                  {lattice.ErrUnavailable, false},
		"NOPERM User x has no permissions to run the 'get' command":         {lattice.ErrDenied, false},
		"ERR max number of clients reached": {lattice.ErrUnavailable,
			false},
		"ERR unknown command":                                                           {lattice.ErrInternal, false},
		"LOADING Redis is loading the dataset in memory":                                {lattice.ErrUnavailable, true},
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to no": {lattice.ErrUnavailable, true},
		"CLUSTERDOWN The cluster is down":                                               {lattice.ErrUnavailable, true},
	} {
		err, away := s.translate("h:1", "string", "k", reply(text))
		if lattice.CodeOf(err) != want.code || away != want.away {
			t.Errorf("%s: %v, away %t", text, err, away)
		}
	}
	for _, err := range []error{redis.ErrPoolTimeout, context.Canceled, context.DeadlineExceeded} {
		if _, away := s.translate("h:1", "string", "k", err); away {
			t.Errorf("%v says that Redis is away", err)
		}
	}
	for _, err := range []error{syscall.ECONNREFUSED, os.ErrDeadlineExceeded} {
		if _, away := s.translate("h:1", "string", "k", err); !away {
			t.Errorf("%v says that Redis is there", err)
		}
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

// startCluster makes a Redis Cluster of three masters.
func startCluster(t *testing.T) []*redisServer {
	t.Helper()
	var nodes []*redisServer
	args := []string{"--cluster", "create"}
	for range 3 {
		r := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
			"--cluster-require-full-coverage", "no",
			"--cluster-port", freePort(t))
		nodes = append(nodes, r)
		args = append(args, r.addr())
	}
	cli(t, append(args, "--cluster-replicas", "0", "--cluster-yes")...)
	latticetest.Eventually(t, func() error {
		for _, n := range nodes {
			if info := cli(t, "-p", n.port, "cluster", "info"); !strings.Contains(info, "cluster_state:ok") ||
				!strings.Contains(info, "cluster_known_nodes:3") {
				return errors.New(info)
			}
		}
		return nil
	})
	return nodes
}

// One address of a Redis Cluster is enough, and everything works there as on a single Redis.
func TestKeyValueOnRedisCluster(t *testing.T) {
	nodes := startCluster(t)
	c := config(nodes[0])
	c.Values = func(_ testing.TB, n int) map[string]string { // there is one database only
		return map[string]string{"url": nodes[0].url(), "prefix": fmt.Sprintf("{%d}", n)}
	}
	kvtest.Run(t, c)
}

func TestKeysOfAllClusterNodes(t *testing.T) {
	nodes := startCluster(t)
	p := providertest.Start(t, providertest.NewLattice(t), config(nodes[0]))
	several := "redis://" + nodes[2].addr() + "," + nodes[1].addr() + "," + nodes[0].addr()
	for name, url := range map[string]string{"one address": nodes[0].url(), "several addresses": several} {
		t.Run(name, func(t *testing.T) {
			// Nothing has told yet that it is a cluster.
			listed := kvtest.Link(t, p, map[string]string{"url": url, "prefix": "[" + name})
			if got, err := listed.Keys(0); err != nil || len(got) != 0 {
				t.Fatalf("keys at first: %q, %v", got, err)
			}
			for i := range 100 {
				if err := listed.Set(fmt.Sprint("k", i), "", 0); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := listed.Keys(10); err != nil || len(got) != 100 {
				t.Errorf("%d keys listed, %v; want 100", len(got), err)
			}
			c := kvtest.Link(t, p, map[string]string{"url": url})
			for i := range 100 {
				key := fmt.Sprint("k", i)
				if err := c.Set(key, key, 0); err != nil {
					t.Fatal(err)
				}
				if got, err := c.Get(key); err != nil || got.Value != key {
					t.Fatalf("%s: %+v, %v", key, got, err)
				}
				if n, err := c.Increment(fmt.Sprint(name, "n", i), 1); err != nil || n != 1 {
					t.Fatalf("counter %d: %v, %v", i, n, err)
				}
			}
			for _, set := range []string{"a", "b", "{t}a", "{t}b"} {
				for _, member := range []string{"both", "only " + set} {
					if _, err := c.SetAdd(set, member); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got, err := c.SetIntersection("{t}a", "{t}b"); err != nil || !slices.Equal(got, []string{"both"}) {
				t.Errorf("sets of one tag: %q, %v", got, err)
			}
			if _, err := c.SetUnion("a", "b"); !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(),
				"{tag}") {
				t.Errorf("sets of two nodes: %v", err)
			}
		})
	}
	if s := p.PutLink(p.Lattice.ActorID(t), map[string]string{"url": several, "db": "3"}); !providertest.Failed(&s) ||
		!strings.Contains(s.Error, "database 0") {
		t.Errorf("a database in a cluster: %+v", s)
	}

	// One node is away: the keys of the others are served, and its own fail at once.
	c := kvtest.Link(t, p, map[string]string{"url": several})
	nodes[1].kill()
	failed := func() (n int) {
		for i := range 100 {
			if got, err := c.Get(fmt.Sprint("k", i)); err != nil {
				n++
				if !errors.Is(err, lattice.ErrUnavailable) {
					t.Errorf("%v", err)
				}
			} else if got.Value != fmt.Sprint("k", i) {
				t.Errorf("k%d is %+v", i, got)
			}
		}
		return n
	}
	for range 3 {
		if n := failed(); n < 15 || n > 55 { // a third of the slots
			t.Errorf("%d of 100 keys fail while one of three nodes is away", n)
		}
	}
}

// Slots that move to another node meanwhile are followed, and no increment is lost or counted twice.
func TestClusterReshards(t *testing.T) {
	nodes := startCluster(t)
	p := providertest.Start(t, providertest.NewLattice(t), config(nodes[0]))
	c := kvtest.Link(t, p, map[string]string{"url": nodes[0].url()})
	const keys = 50
	want := make([]int32, keys)
	count := func() {
		for i := range keys {
			want[i]++
			if n, err := c.Increment(fmt.Sprint("k", i), 1); err != nil || n != want[i] {
				t.Fatalf("k%d: %d, %v, want %d", i, n, err, want[i])
			}
		}
	}
	count()
	id := func(r *redisServer) string { return strings.TrimSpace(cli(t, "-p", r.port, "cluster", "myid")) }
	done := make(chan string, 1)
	go func() {
		exe, _ := exec.LookPath("redis-cli")
		out, err := exec.Command(exe, "--cluster", "reshard", nodes[0].addr(), "--cluster-from", id(nodes[0]),
			"--cluster-to", id(nodes[2]), "--cluster-slots", "2000", "--cluster-yes").CombinedOutput()
		if err != nil {
			done <- fmt.Sprint(err, string(out))
		}
		close(done)
	}()
	for rounds := 0; ; rounds++ {
		count()
		select {
		case failure := <-done:
			if failure != "" {
				t.Fatal(failure)
			}
			count()
			t.Logf("%d rounds while slots moved", rounds)
			return
		default:
		}
	}
}

// A master dies, and its sentinels name another: calls go there by themselves.
func TestSentinelFailover(t *testing.T) {
	master := startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1 "+master.port)
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor weft 127.0.0.1 %s 1\nsentinel down-after-milliseconds weft 1000\n"+
		"sentinel failover-timeout weft 4000\n", master.port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := startSentinel(t, conf)
	p := providertest.Start(t, providertest.NewLattice(t), config(master))
	c := kvtest.Link(t, p, map[string]string{"url": "redis://127.0.0.1:" + sentinel, "sentinel_master": "weft"})
	latticetest.Eventually(t, func() error { return c.Set("k", "v", 0) })
	s := p.PutLink(p.Lattice.ActorID(t), map[string]string{"url": "redis://127.0.0.1:" + sentinel,
		"sentinel_master": "wrong"})
	if !providertest.Failed(&s) || !strings.Contains(s.Error, "master wrong") {
		t.Errorf("a master that nobody knows: %+v", s)
	}
	latticetest.Eventually(t, func() error { // the sentinel and the replica know of each other
		if out := cli(t, "-p", sentinel, "sentinel", "replicas", "weft"); !strings.Contains(out, replica.port) ||
			!strings.Contains(out, "master-link-status\nok") {
			return errors.New(out)
		}
		return nil
	})
	if n, err := c.Increment("n", 1); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	latticetest.Eventually(t, func() error {
		if out := cli(t, "-p", replica.port, "get", "n"); strings.TrimSpace(out) != "1" {
			return errors.New(out)
		}
		return nil
	})
	master.kill()
	latticetest.Eventually(t, func() error { return c.Set("k", "w", 0) })
	if n, err := c.Increment("n", 1); err != nil || n != 2 {
		t.Errorf("the counter after the failover: %d, %v", n, err)
	}
	if got := cli(t, "-p", replica.port, "get", "k"); strings.TrimSpace(got) != "w" {
		t.Errorf("the new master has %q", got)
	}
}

func startSentinel(t *testing.T, conf string) (port string) {
	t.Helper()
	exe, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	port = freePort(t)
	cmd := exec.Command(exe, conf, "--sentinel", "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return port
}

// A user who may do nothing but use the keys of one prefix, with the commands of the contract.
func TestUserWithFewRights(t *testing.T) {
	r := startRedis(t)
	r.direct(
		"acl setuser weft reset on >pw ~weft:* +get +set +exists +del +incrby +decrby +evalsha +eval +rpush +lrem "+
			"+lrange +sadd +srem +smembers +sunion +sinter +scan",
		"acl setuser reader reset on >pw ~weft:* +get")
	p := providertest.Start(t, providertest.NewLattice(t), config(r))
	c := kvtest.Link(t, p, map[string]string{"url": r.url(), "username": "weft", "password": "pw", "prefix": "weft:"})
	if err := c.Set("k", "v", 0); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get("k"); err != nil || got.Value != "v" {
		t.Errorf("%+v, %v", got, err)
	}
	if n, err := c.Increment("n", 2); err != nil || n != 2 {
		t.Errorf("increment: %d, %v", n, err)
	}
	if n, err := c.Increment64("n", 1<<40); err != nil || n != 1<<40+2 {
		t.Errorf("increment of 64 bits: %d, %v", n, err)
	}
	if got, err := c.Swap("k", "v", true, "v"); err != nil || !got.Swapped {
		t.Errorf("swap: %+v, %v", got, err)
	}
	if got, err := c.Keys(0); err != nil || !slices.Equal(got, []string{"k", "n"}) {
		t.Errorf("keys: %q, %v", got, err)
	}
	if h := p.Health(); !h.Healthy {
		t.Errorf("health of one who may not ping: %+v", h)
	}
	outside := kvtest.Link(t, p, map[string]string{"url": r.url(), "username": "weft", "password": "pw"})
	reader := kvtest.Link(t, p, map[string]string{"url": "redis://reader:pw@" + r.addr(), "prefix": "weft:"})
	for range 10 {
		if err := outside.Set("k", "v", 0); !errors.Is(err, lattice.ErrDenied) || !strings.Contains(err.Error(),
			"ACL") {
			t.Errorf("a key of others: %v", err)
		}
		if err := reader.Set("k", "w", 0); !errors.Is(err, lattice.ErrDenied) || !strings.Contains(err.Error(),
			"'set'") {
			t.Errorf("a command that is not allowed: %v", err)
		}
		if got, err := reader.Get("k"); err != nil || got.Value != "v" {
			t.Errorf("what is allowed: %+v, %v", got, err)
		}
	}
	for _, values := range []map[string]string{{"username": "weft", "password": "wrong"},
		{"username": "nobody", "password": "pw"}} {
		values["url"] = r.url()
		if s := p.PutLink(p.Lattice.ActorID(t), values); !providertest.Failed(&s) ||
			!strings.Contains(s.Error, "credentials") {
			t.Errorf("%v: %+v", values, s)
		}
	}
}

func TestSeveralHosts(t *testing.T) {
	for url, want := range map[string][]string{
		"redis://h":                   {"h:6379"},
		"redis://u:p@h:1,i,[::1]:3/0": {"h:1", "i:6379", "[::1]:3"},
		"rediss://a,b?protocol=2":     {"a:6379", "b:6379"},
		"redis://u:a,b@h":             {"h:6379"},
		"redis://":                    {"localhost:6379"},
		"redis:///0":                  {"localhost:6379"},
		"h:1,i:2":                     {"h:1", "i:2"},
		"redis://h,":                  nil,
		"redis://h:x,i":               nil,
		"redis://h,i/3":               nil, // a cluster has no databases
	} {
		s, _, err := readSettings(provider.Values{"url": url}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.target(nil, nil)
		if want == nil && err == nil || want != nil && !slices.Equal(got.addresses, want) {
			t.Errorf("%s: %q, %v, want %q", url, got.addresses, err, want)
		}
	}
}
