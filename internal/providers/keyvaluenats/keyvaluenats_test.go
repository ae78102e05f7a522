package keyvaluenats

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/providers/keyvalue/kvtest"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

var cfg = providertest.Config{Info: Info, New: New, Operation: contract.Increment,
	Payload:   contract.IncrementRequest{Key: "n", Value: 1}.Encode(),
	Values:    func(_ testing.TB, n int) map[string]string { return map[string]string{"PREFIX": fmt.Sprint(n)} },
	BadValues: map[string]string{"bucket": "no.dots"}}

func TestContract(t *testing.T) { providertest.Run(t, cfg) }

func TestKeyValue(t *testing.T) {
	long.Test(t, "waits for values to expire")
	c := cfg
	c.Values = func(testing.TB, int) map[string]string { return nil }
	kvtest.Run(t, c)
}

// Expired messages do not stay in the stream, nor do the marks of deleted ones hold values.
func TestExpiredIsRemoved(t *testing.T) {
	long.Test(t, "waits for values to expire")
	env := providertest.NewLattice(t)
	c := kvtest.Link(t, providertest.Start(t, env, cfg), nil)
	if err := errors.Join(c.Set("k", "v", 1), c.Set("gone", "v", 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Del("gone"); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(env.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	kv, err := js.KeyValue(ctx, defaultBucket(env.Name))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(ctx, "k"); err != nil || string(e.Value()) != "v" {
		t.Fatalf("other tools read %v, %v", e, err)
	}
	latticetest.Eventually(t, func() error {
		_, err := kv.Get(ctx, "k")
		if !errors.Is(err, jetstream.ErrKeyNotFound) {
			return fmt.Errorf("message of the expired key: %w", err)
		}
		return nil
	})
	if keys, err := kv.Keys(ctx); !errors.Is(err, jetstream.ErrNoKeysFound) {
		t.Errorf("keys left: %v, %v", keys, err)
	}
}

// What other tools write without headers is a string.
func TestForeignWriter(t *testing.T) {
	env := providertest.NewLattice(t)
	c := kvtest.Link(t, providertest.Start(t, env, cfg), nil)
	js, err := jetstream.New(env.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(context.Background(), defaultBucket(env.Name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(context.Background(), "n", "41"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Increment("n", 1); n != 42 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestLinkValues(t *testing.T) {
	env := providertest.NewLattice(t)
	p := providertest.Start(t, env, cfg, providertest.WithConfig(`{"bucket": "shared", "storage": "memory"}`))
	js, err := jetstream.New(p.NC)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "plain"}); err != nil {
		t.Fatal(err)
	}
	c := kvtest.Link(t, p, nil)
	if err := c.Set("k", "v", 0); err != nil {
		t.Fatal(err)
	}
	if kv, err := js.KeyValue(ctx, "shared"); err != nil {
		t.Error(err)
	} else if e, err := kv.Get(ctx, "k"); err != nil || string(e.Value()) != "v" {
		t.Errorf("bucket of the configuration holds %v, %v", e, err)
	}
	for name, c := range map[string]struct {
		values map[string]string
		want   string
	}{
		"bucket without expiry": {map[string]string{"bucket": "plain"}, "without expiry"},
		"bucket name":           {map[string]string{"Bucket": "a b"}, "read link value Bucket"},
		"replicas":              {map[string]string{"replicas": "9"}, "1 to 5"},
		"no number":             {map[string]string{"replicas": "x"}, "replicas"},
		"storage":               {map[string]string{"storage": "tape"}, "file or memory"},
	} {
		t.Run(name, func(t *testing.T) {
			if s := p.PutLink(env.ActorID(t), c.values); !providertest.Failed(&s) ||
				!strings.Contains(s.Error, c.want) {
				t.Errorf("state %+v, want failed with %q", s, c.want)
			}
		})
	}
	if h := p.Health(); !h.Healthy {
		t.Errorf("health %+v", h)
	}
}

// Too large a value is refused, and nothing of it stays.
func TestTooLarge(t *testing.T) {
	env := providertest.NewLattice(t)
	p := providertest.Start(t, env, cfg)
	c := kvtest.Link(t, p, nil)
	bytes := make([]byte, p.NC.MaxPayload()/10*7) // that no compression makes smaller
	_, _ = rand.NewChaCha8([32]byte{}).Read(bytes)
	item := string(bytes)
	if _, err := c.ListAdd("l", item); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ListAdd("l", item); !errors.Is(err, lattice.ErrTooLarge) {
		t.Errorf("got %v, want too large", err)
	}
	if got, err := c.ListRange("l", 0, -1); err != nil || len(got) != 1 {
		t.Errorf("%d items, %v", len(got), err)
	}
}

// The server goes away and comes back: the provider heals; even when all data is lost, the bucket is made again.
func TestServerRestarts(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	env := providertest.NewLattice(t)
	p := providertest.Start(t, env, cfg)
	c := kvtest.Link(t, p, nil)
	if err := c.Set("k", "v", 0); err != nil {
		t.Fatal(err)
	}
	again := func(check func() error) {
		env.Stop(t)
		env.Start(t)
		latticetest.Eventually(t, check)
	}
	again(func() error {
		got, err := c.Get("k")
		if err == nil && got.Value != "v" {
			err = fmt.Errorf("got %+v", got)
		}
		return err
	})
	env.Stop(t)
	env.LoseData(t)
	env.Start(t)
	latticetest.Eventually(t, func() error { return c.Set("k", "new", 0) })
	if got, err := c.Get("k"); err != nil || got.Value != "new" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Different keys never meet in one encoded key, and every encoded key is one that JetStream takes.
func FuzzEncodeKey(f *testing.F) {
	f.Add("a", "b")
	f.Add("=", "=3D")
	f.Add("", "=0")
	f.Add("a.b", "a=2Eb")
	f.Add(strings.Repeat("é", 300), "x")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := encodeKey(a), encodeKey(b)
		if (a == b) != (x == y) {
			t.Fatalf("%q and %q become %q and %q", a, b, x, y)
		}
		if !hashed(x) && decodeKey(x) != a {
			t.Fatalf("%q becomes %q and then %q", a, x, decodeKey(x))
		}
		_ = decodeKey(a) // of what other tools put there
		if x == "" || len(x) > 512 || strings.ContainsAny(x, " .*>\r\n\t") {
			t.Fatalf("%q becomes %q", a, x)
		}
	})
}

func BenchmarkIncrement(b *testing.B) {
	env := providertest.NewLattice(b)
	store := benchStore(b, env)
	for want := int64(1); b.Loop(); want++ {
		if n, err := store.Increment(context.Background(), "n", 1, 32); n != want || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	env := providertest.NewLattice(b)
	store := benchStore(b, env)
	if err := store.Set(context.Background(), "k", "v", 0); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if v, ok, err := store.Get(context.Background(), "k"); v != "v" || !ok || err != nil {
			b.Fatal(v, ok, err)
		}
	}
}

func benchStore(b *testing.B, env *providertest.Lattice) *store {
	js, err := jetstream.New(env.Conn(b))
	if err != nil {
		b.Fatal(err)
	}
	c, _, err := readSettings(provider.Values{"bucket": nuid.Next()}, nil, env.Name)
	if err != nil {
		b.Fatal(err)
	}
	bk, err := openBucket(context.Background(), js, c)
	if err != nil {
		b.Fatal(err)
	}
	return &store{bucket: bk}
}

// slowStream is a bucket on a link so slow that its messages take more time than a call has: the first comes at once,
// the second after 60 % of the time, the third never.
type slowStream struct {
	jetstream.Stream
	asked int
}

func (s *slowStream) GetMsg(ctx context.Context, seq uint64,
	_ ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	end, _ := ctx.Deadline()
	switch s.asked++; s.asked {
	case 2:
		time.Sleep(time.Until(end) * 6 / 10)
	case 3:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &jetstream.RawStreamMsg{Subject: fmt.Sprint("$KV.B.k", seq), Sequence: seq}, nil
}

// A list of keys over a slow link comes in shorter pages, rather than never.
func TestKeysComeInTheTimeThatACallHas(t *testing.T) {
	s := &store{bucket: &bucket{stream: &slowStream{}, subject: "$KV.B."}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	p, err := s.Keys(ctx, 0, contract.MaxKeys)
	if err != nil || len(p.Keys) == 0 || p.Cursor != uint64(len(p.Keys)) || p.Keys[0] != "k1" {
		t.Errorf("%+v, %v", p, err)
	}
}
