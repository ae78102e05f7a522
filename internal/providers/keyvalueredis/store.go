package keyvalueredis

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weftlattice/weft/internal/providers/keyvalue"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
)

// store is the keyvalue.Store of one link: a server and a prefix. Each operation is one command, so Redis makes it
// atomic.
type store struct {
	server *server
	prefix string
	calls  sync.WaitGroup // in progress; Add only under redisProvider.mu while it is the store of an actor
}

// idle waits until the calls in progress have ended, at most until ctx ends.
func (s *store) idle(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with the calls, which all have deadlines
		s.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *store) keys(keys []string) []string {
	full := make([]string, len(keys))
	for i, k := range keys {
		full[i] = s.prefix + k
	}
	return full
}

func (s *store) Get(ctx context.Context, key string) (string, bool, error) {
	type found struct {
		value string
		ok    bool
	}
	f, err := run(ctx, s, "string", key, func(c redis.Cmdable, key string) (found, error) {
		value, err := c.Get(ctx, key).Result()
		return found{value, err == nil}, err
	})
	return f.value, f.ok, err
}

func (s *store) Set(ctx context.Context, key, value string, expires time.Duration) error {
	_, err := run(ctx, s, "string", key, func(c redis.Cmdable, key string) (string, error) {
		return c.Set(ctx, key,
			value, expires).Result()
	})
	return err
}

func (s *store) Contains(ctx context.Context, key string) (bool, error) {
	n, err := run(ctx, s, "key", key, func(c redis.Cmdable, key string) (int64,
		error) {
		return c.Exists(ctx, key).Result()
	})
	return n > 0, err
}

func (s *store) Del(ctx context.Context, key string) (bool, error) {
	n, err := run(ctx, s, "key", key, func(c redis.Cmdable, key string) (int64,
		error) {
		return c.Del(ctx, key).Result()
	})
	return n > 0, err
}

// increment counts within the 32 bits of the contract. Redis itself has 64.
var increment = redis.NewScript(`
local n = redis.call('INCRBY', KEYS[1], ARGV[1])
if n > 2147483647 or n < -2147483648 then
  redis.call('DECRBY', KEYS[1], ARGV[1])
  return redis.error_reply('ERR increment would overflow 32 bits')
end
return n`)

// Increment uses Redis's own command where the width is the same, and a script for 32 bits.
func (s *store) Increment(ctx context.Context, key string, by int64, bits keyvalue.Bits) (int64, error) {
	if bits == 64 {
		return run(ctx, s, counter64, key, func(c redis.Cmdable, key string) (int64, error) {
			return c.IncrBy(ctx, key, by).Result()
		})
	}
	return run(ctx, s, "counter", key, func(c redis.Cmdable, key string) (int64, error) {
		return increment.Run(ctx, c, []string{key}, by).Int64()
	})
}

// swap stores the third argument when the key holds the second one, or nothing where the first one is 0.
var swap = redis.NewScript(`
local now = redis.call('GET', KEYS[1])
if (ARGV[1] == '1') ~= (now ~= false) or now and now ~= ARGV[2] then
  return {0, now}
end
redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
return {1}`)

// Swap runs as a script, which Redis carries out as one.
func (s *store) Swap(ctx context.Context, q contract.SwapRequest) (p contract.SwapResponse, err error) {
	exists := 0
	if q.Exists {
		exists = 1
	}
	out, err := run(ctx, s, "string", q.Key, func(c redis.Cmdable, key string) ([]any, error) {
		return swap.Run(ctx, c, []string{key}, exists, q.Old, q.New).Slice()
	})
	if err != nil {
		return p, err
	}
	p.Swapped = len(out) == 1
	if !p.Swapped {
		p.Value, p.Exists = out[1].(string)
	}
	return p, nil
}

func (s *store) ListAdd(ctx context.Context, list, value string) (uint32, error) {
	n, err := run(ctx, s, "list", list, func(c redis.Cmdable, key string) (int64, error) {
		return c.RPush(ctx, key,
			value).Result()
	})
	return uint32(n), err
}

func (s *store) ListDel(ctx context.Context, list, value string) (bool, error) {
	n, err := run(ctx, s, "list", list, func(c redis.Cmdable, key string) (int64, error) {
		return c.LRem(ctx, key, 1,
			value).Result()
	})
	return n > 0, err
}

func (s *store) ListRange(ctx context.Context, list string, start, stop int32) ([]string, error) {
	return run(ctx, s, "list", list, func(c redis.Cmdable, key string) ([]string, error) {
		return c.LRange(ctx, key, int64(start), int64(stop)).Result()
	})
}

func (s *store) SetAdd(ctx context.Context, set, value string) (uint32, error) {
	n, err := run(ctx, s, "set", set, func(c redis.Cmdable, key string) (int64, error) {
		return c.SAdd(ctx, key,
			value).Result()
	})
	return uint32(n), err
}

func (s *store) SetDel(ctx context.Context, set, value string) (uint32, error) {
	n, err := run(ctx, s, "set", set, func(c redis.Cmdable, key string) (int64, error) {
		return c.SRem(ctx, key,
			value).Result()
	})
	return uint32(n), err
}

func (s *store) SetMembers(ctx context.Context, set string) ([]string, error) {
	return run(ctx, s, "set", set, func(c redis.Cmdable, key string) ([]string, error) {
		return c.SMembers(ctx,
			key).Result()
	})
}

func (s *store) SetUnion(ctx context.Context, sets []string) ([]string, error) {
	if len(sets) == 0 { // Redis has no union of none
		return nil, nil
	}
	return run(ctx, s, "set", sets[0], func(c redis.Cmdable, key string) ([]string,
		error) {
		return c.SUnion(ctx, s.keys(sets)...).Result()
	})
}

func (s *store) SetIntersection(ctx context.Context, sets []string) ([]string, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	return run(ctx, s, "set", sets[0], func(c redis.Cmdable, key string) ([]string,
		error) {
		return c.SInter(ctx, s.keys(sets)...).Result()
	})
}

// nodeBits are those of a cursor that say which node of a cluster is read. Redis counts in those that are left.
const nodeBits, cursorBits = 12, 52

// Keys reads one node of a cluster after the other, in the order of their addresses.
func (s *store) Keys(ctx context.Context, cursor uint64, limit int) (p contract.KeysResponse, err error) {
	masters, err := s.server.masters(ctx)
	if err != nil {
		return p, err
	}
	n := int(cursor >> cursorBits)
	if n >= len(masters) {
		return p, keyvalue.BadCursor(cursor)
	}
	at := masters[n]
	if err := at.node.admit(); err != nil {
		return p, err
	}
	found, next, err := at.client.ScanType(ctx, cursor&(1<<cursorBits-1), escapeGlob(s.prefix)+"*", int64(limit),
		"string").Result()
	if err := s.server.learn(at.node, at.address, "keys", "", err); err != nil {
		return p, err
	}
	if next>>cursorBits != 0 || len(masters) > 1<<nodeBits {
		return p, &lattice.Error{Code: lattice.ErrTooLarge, Op: "list keys",
			Detail: "redis at " + at.address + " has too many keys or nodes to be listed"}
	}
	for _, key := range found {
		p.Keys = append(p.Keys, strings.TrimPrefix(key, s.prefix))
	}
	slices.Sort(p.Keys)
	p.Keys = slices.Compact(p.Keys)
	switch {
	case next != 0:
		p.Cursor = uint64(n)<<cursorBits | next
	case n+1 < len(masters):
		p.Cursor = uint64(n+1) << cursorBits
	}
	return p, nil
}

var globbed = strings.NewReplacer("\\", "\\\\", "*", "\\*", "?", "\\?", "[", "\\[", "]", "\\]")

// escapeGlob makes a pattern that matches text alone.
func escapeGlob(text string) string { return globbed.Replace(text) }
