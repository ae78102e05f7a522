package keyvalueredis

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
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

func (s *store) Increment(ctx context.Context, key string, by int32) (int32, error) {
	n, err := run(ctx, s, "counter", key, func(c redis.Cmdable, key string) (int64, error) {
		return increment.Run(ctx, c, []string{key}, by).Int64()
	})
	return int32(n), err
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
