package keyvalueredis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// store is the keyvalue.Store of one link: a server and a prefix. Each operation is one command, so Redis makes it atomic.
type store struct {
	server *server
	prefix string
}

func (s *store) keys(keys []string) []string {
	full := make([]string, len(keys))
	for i, k := range keys {
		full[i] = s.prefix + k
	}
	return full
}

// do runs a command on a key that is wanted as a kind.
func do[R any](s *store, kind, key string, command func(*redis.Client) (R, error)) (R, error) {
	var none R
	if err := s.server.admit(); err != nil {
		return none, err
	}
	r, err := command(s.server.client)
	if errors.Is(err, redis.Nil) {
		return none, errors.Join(s.server.learn(kind, key, nil), redis.Nil)
	}
	if err = s.server.learn(kind, key, err); err != nil {
		return none, err
	}
	return r, nil
}

func (s *store) Get(ctx context.Context, key string) (string, bool, error) {
	value, err := do(s, "string", key, func(c *redis.Client) (string, error) { return c.Get(ctx, s.prefix+key).Result() })
	if errors.Is(err, redis.Nil) {
		return "", false, nil
	}
	return value, err == nil, err
}

func (s *store) Set(ctx context.Context, key, value string, expires time.Duration) error {
	_, err := do(s, "string", key, func(c *redis.Client) (string, error) { return c.Set(ctx, s.prefix+key, value, expires).Result() })
	return err
}

func (s *store) Contains(ctx context.Context, key string) (bool, error) {
	n, err := do(s, "key", key, func(c *redis.Client) (int64, error) { return c.Exists(ctx, s.prefix+key).Result() })
	return n > 0, err
}

func (s *store) Del(ctx context.Context, key string) (bool, error) {
	n, err := do(s, "key", key, func(c *redis.Client) (int64, error) { return c.Del(ctx, s.prefix+key).Result() })
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

func (s *store) Increment(ctx context.Context, key string, by int32) (int32, error) {
	n, err := do(s, "counter", key, func(c *redis.Client) (int64, error) {
		return increment.Run(ctx, c, []string{s.prefix + key}, by).Int64()
	})
	return int32(n), err
}

func (s *store) ListAdd(ctx context.Context, list, value string) (uint32, error) {
	n, err := do(s, "list", list, func(c *redis.Client) (int64, error) { return c.RPush(ctx, s.prefix+list, value).Result() })
	return uint32(n), err
}

func (s *store) ListDel(ctx context.Context, list, value string) (bool, error) {
	n, err := do(s, "list", list, func(c *redis.Client) (int64, error) { return c.LRem(ctx, s.prefix+list, 1, value).Result() })
	return n > 0, err
}

func (s *store) ListRange(ctx context.Context, list string, start, stop int32) ([]string, error) {
	return do(s, "list", list, func(c *redis.Client) ([]string, error) {
		return c.LRange(ctx, s.prefix+list, int64(start), int64(stop)).Result()
	})
}

func (s *store) SetAdd(ctx context.Context, set, value string) (uint32, error) {
	n, err := do(s, "set", set, func(c *redis.Client) (int64, error) { return c.SAdd(ctx, s.prefix+set, value).Result() })
	return uint32(n), err
}

func (s *store) SetDel(ctx context.Context, set, value string) (uint32, error) {
	n, err := do(s, "set", set, func(c *redis.Client) (int64, error) { return c.SRem(ctx, s.prefix+set, value).Result() })
	return uint32(n), err
}

func (s *store) SetMembers(ctx context.Context, set string) ([]string, error) {
	return do(s, "set", set, func(c *redis.Client) ([]string, error) { return c.SMembers(ctx, s.prefix+set).Result() })
}

func (s *store) SetUnion(ctx context.Context, sets []string) ([]string, error) {
	if len(sets) == 0 { // Redis has no union of none
		return nil, nil
	}
	return do(s, "set", sets[0], func(c *redis.Client) ([]string, error) { return c.SUnion(ctx, s.keys(sets)...).Result() })
}

func (s *store) SetIntersection(ctx context.Context, sets []string) ([]string, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	return do(s, "set", sets[0], func(c *redis.Client) ([]string, error) { return c.SInter(ctx, s.keys(sets)...).Result() })
}
