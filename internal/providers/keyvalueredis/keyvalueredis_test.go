package keyvalueredis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/internal/providers/keyvalue/kvtest"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

const secret = "s3cret-of-the-test"

// redisServer is a real one, of this test.
type redisServer struct {
	t    testing.TB
	port string
	args []string
	cmd  *exec.Cmd
}

func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	r := &redisServer{t: t, port: freePort(t), args: args}
	r.start()
	t.Cleanup(r.kill)
	return r
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (r *redisServer) start() {
	r.t.Helper()
	long.Test(r.t, "starts Redis")
	exe, err := exec.LookPath("redis-server")
	if err != nil {
		r.t.Fatal("these tests need a real redis-server: apt-get install redis-server, or the like")
	}
	r.cmd = exec.Command(exe, append([]string{"--port", r.port, "--bind", "127.0.0.1", "--save", "", "--appendonly",
		"no", "--dir", r.t.TempDir()}, r.args...)...)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	latticetest.Eventually(r.t, func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+r.port)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

func (r *redisServer) kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		r.cmd = nil
	}
}

func (r *redisServer) signal(s os.Signal) {
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *redisServer) url() string { return "redis://127.0.0.1:" + r.port }

func config(r *redisServer) providertest.Config {
	return providertest.Config{Info: Info, New: New, Operation: contract.Increment,
		Payload: contract.IncrementRequest{Key: "n", Value: 1}.Encode(),
		Values: func(_ testing.TB, n int) map[string]string {
			return map[string]string{"URL": r.url(), "db": fmt.Sprint(n)}
		},
		BadValues: map[string]string{"url": "http://example.org"}}
}

func TestContract(t *testing.T) { providertest.Run(t, config(startRedis(t))) }

func TestKeyValue(t *testing.T) { kvtest.Run(t, config(startRedis(t))) }

// While Redis is away callers hear so quickly; when it is back it works again, without anybody's help.
func TestAwayAndBack(t *testing.T) {
	r := startRedis(t, "--requirepass", secret)
	p := providertest.Start(t, providertest.NewLattice(t), config(r))
	values := map[string]string{"url": r.url(), "password": secret}
	c := kvtest.Link(t, p, values)
	for name, away := range map[string]struct{ leave, comeBack func() }{
		"killed":  {r.kill, r.start},
		"stopped": {func() { r.signal(syscall.SIGSTOP) }, func() { r.signal(syscall.SIGCONT) }},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.Set("k", "v", 0); err != nil {
				t.Fatal(err)
			}
			away.leave()
			quick := 0
			for range 20 {
				start := time.Now()
				_, err := c.Get("k")
				took := time.Since(start)
				if !errors.Is(err, lattice.ErrUnavailable) || !strings.Contains(err.Error(),
					"redis at 127.0.0.1:"+r.port) {
					t.Errorf("while away: %v, want unavailable", err)
				}
				if took > 1500*time.Millisecond {
					t.Errorf("took %v, want well below the timeout of 2s", took)
				}
				if took < 100*time.Millisecond {
					quick++
				}
				if strings.Contains(err.Error(), secret) {
					t.Error("the password shows")
				}
			}
			if quick < 15 {
				t.Errorf("only %d of 20 failures were quick", quick)
			}
			if h := p.Health(); h.Healthy || !strings.Contains(h.Message, "redis at") ||
				strings.Contains(h.Message, secret) {
				t.Errorf("health while away %+v", h)
			}
			if other := kvtest.Link(t, p, map[string]string{"url": r.url(), "prefix": name}); other == nil {
				t.Error("links cannot be put while redis is away")
			}
			away.comeBack()
			latticetest.Eventually(t, func() error { return c.Set("k", "again", 0) })
			if got, err := c.Get("k"); err != nil || got.Value != "again" {
				t.Errorf("afterwards %+v, %v", got, err)
			}
		})
	}
	if strings.Contains(p.Log(), secret) {
		t.Error("the password is in the log")
	}
}

func TestCredentials(t *testing.T) {
	r := startRedis(t, "--requirepass", secret)
	p := providertest.Start(t, providertest.NewLattice(t), config(r),
		providertest.WithConfig(`{"URL": "redis://:`+secret+`@127.0.0.1:`+r.port+`/3"}`))
	c := kvtest.Link(t, p, nil) // all from the configuration
	if err := c.Set("k", "v", 0); err != nil {
		t.Fatal(err)
	}
	direct := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + r.port, Password: secret, DB: 3})
	defer direct.Close()
	if v, err := direct.Get(context.Background(), "k").Result(); v != "v" || err != nil {
		t.Errorf("database 3 holds %q, %v", v, err)
	}
	for name, values := range map[string]map[string]string{
		"none":           {"url": r.url()},
		"wrong":          {"url": "redis://:x" + secret + "@127.0.0.1:" + r.port},
		"wrong value":    {"password": "x" + secret},
		"malformed":      {"url": "redis://:" + secret + "@[::1"},
		"bad port":       {"url": "redis://:" + secret + "@h:port"},
		"unknown scheme": {"url": "http://:" + secret + "@h"},
		"database":       {"db": "99"},
		"no database":    {"db": secret[:1] + "x"},
		"CA without TLS": {"ca_file": "/nowhere"},
		"no CA":          {"url": "rediss://:" + secret + "@127.0.0.1:" + r.port, "ca_file": "/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			s := p.PutLink(p.Lattice.ActorID(t), values)
			if !providertest.Failed(&s) || strings.Contains(s.Error, secret) {
				t.Errorf("state %+v, want failed without the password", s)
			}
		})
	}
	if strings.Contains(p.Log(), secret) {
		t.Error("the password is in the log")
	}
	if s := fmt.Sprintf("%v %+v %#v", settings{url: secret}, settings{password: secret},
		settings{password: secret}); strings.Contains(s, secret) {
		t.Errorf("settings print as %s", s)
	}
}

func TestTLS(t *testing.T) {
	cert, key, _ := latticetest.Certificate(t)
	tlsPort := freePort(t)
	r := startRedis(t, "--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file",
		cert)
	p := providertest.Start(t, providertest.NewLattice(t), config(r), providertest.WithFiles(filepath.Dir(cert),
		filepath.Dir(key)))
	url := "rediss://127.0.0.1:" + tlsPort
	c := kvtest.Link(t, p, map[string]string{"url": url, "ca_file": cert, "cert_file": cert, "key_file": key})
	if err := c.Set("k", "v", 0); err != nil {
		t.Error(err)
	}
	untrusted := kvtest.Link(t, p, map[string]string{"url": url + "?skip_verify=true"})
	if err := untrusted.Set("k", "v", 0); !errors.Is(err, lattice.ErrUnavailable) || !strings.Contains(err.Error(),
		"ca_file") {
		t.Errorf("unknown authority: %v", err)
	}
	plain := kvtest.Link(t, p, map[string]string{"url": "rediss://127.0.0.1:" + r.port, "ca_file": cert})
	if err := plain.Set("k", "v", 0); err == nil {
		t.Error("TLS to a port without it worked")
	}
}

// A link that is refused for what its files hold becomes active by itself when they are replaced, whichever of them it
// was.
func TestLinkIsTriedAgainWhenItsFilesAreMended(t *testing.T) {
	cert, key, _ := latticetest.Certificate(t)
	tlsPort, dir := freePort(t), t.TempDir()
	r := startRedis(t, "--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file",
		cert)
	p := providertest.Start(t, providertest.NewLattice(t), config(r), providertest.WithFiles(dir, filepath.Dir(cert)))
	for name, spoil := range map[string]func(file string) error{
		"broken":    func(file string) error { return os.WriteFile(file, []byte("-----BEGIN CERT"), 0o600) },
		"too large": func(file string) error { return os.WriteFile(file, make([]byte, linkfile.MaxBytes+1), 0o600) },
		"a folder":  func(file string) error { return os.Mkdir(file, 0o700) },
	} {
		for _, field := range []string{"ca_file", "cert_file"} {
			t.Run(name+" "+field, func(t *testing.T) {
				file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+"-"+field)
				values := map[string]string{"url": "rediss://127.0.0.1:" + tlsPort, "ca_file": cert, "cert_file": cert,
					"key_file": key}
				values[field] = file
				if err := spoil(file); err != nil {
					t.Fatal(err)
				}
				actor := p.Lattice.ActorID(t)
				s := p.PutLink(actor, values)
				if !providertest.Failed(&s) || s.Code != lattice.ErrUnavailable.Name() || s.RetryMS == 0 {
					t.Errorf("with a file that cannot be used: %+v", s)
				}
				if err := os.RemoveAll(file); err != nil {
					t.Fatal(err)
				}
				latticetest.Replace(t, file, cert)
				p.WaitLink(actor, providertest.Active)
			})
		}
	}
}

// Redis gets a certificate of another authority, and the file of authorities follows: new connections trust it.
func TestReplacedAuthorityIsTrusted(t *testing.T) {
	cert, key, _ := latticetest.Certificate(t)
	next, nextKey, _ := latticetest.Certificate(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	latticetest.Replace(t, ca, next) // not that of the server
	tlsPort := freePort(t)
	r := startRedis(t, "--tls-port", tlsPort, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file",
		cert, "--tls-auth-clients", "no")
	p := providertest.Start(t, providertest.NewLattice(t), config(r), providertest.WithFiles(filepath.Dir(ca)))
	c := kvtest.Link(t, p, map[string]string{"url": "rediss://127.0.0.1:" + tlsPort, "ca_file": ca})
	if err := c.Set("k", "v", 0); !errors.Is(err, lattice.ErrUnavailable) {
		t.Fatalf("with another authority: %v", err)
	}
	latticetest.Replace(t, ca, cert)
	latticetest.Eventually(t, func() error { return c.Set("k", "v", 0) })
	r.kill()
	r.args = []string{"--tls-port", tlsPort, "--tls-cert-file", next, "--tls-key-file", nextKey, "--tls-ca-cert-file",
		next, "--tls-auth-clients", "no"}
	r.start()
	latticetest.Replace(t, ca, next)
	latticetest.Eventually(t, func() error { return c.Set("k", "w", 0) })
	if m := p.Metrics(); !strings.Contains(m, "weft_certificate_expiry_timestamp_seconds{file=") {
		t.Errorf("no metric of the end:\n%s", m)
	}
}

// Links with equal settings share connections; the last one closes them.
func TestSharedServers(t *testing.T) {
	p := &redisProvider{log: latticetest.Logger(t), servers: map[settings]*server{},
		stores: map[lattice.ActorID]*store{}}
	r := startRedis(t)
	link := func(actor, prefix string) provider.Link {
		return provider.Link{Actor: lattice.ActorID(actor), Values: provider.Values{"url": r.url(), "prefix": prefix}}
	}
	ctx := context.Background()
	for _, step := range []struct {
		do   error
		want int
	}{
		{p.PutLink(ctx, link("a", "1")), 1}, {p.PutLink(ctx, link("b", "2")), 1}, {p.DelLink(ctx, link("a", "1")), 1},
		{p.PutLink(ctx, link("a", "3")), 1},
		{p.DelLink(ctx, link("b", "2")), 1}, {p.DelLink(ctx, link("b", "2")), 1},
	} {
		if step.do != nil || len(p.servers) != step.want {
			t.Fatalf("%v, %d servers, want %d", step.do, len(p.servers), step.want)
		}
	}
	if err := p.DelLink(ctx, link("a", "3")); err != nil || len(p.servers) != 0 {
		t.Errorf("%v, %d servers left", err, len(p.servers))
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("redis://:"+secret+"@h:1/2", "3")
	f.Add("rediss://h?db=x", "")
	f.Add("h:1", "-1")
	f.Fuzz(func(t *testing.T, url, db string) {
		s, _, err := readSettings(provider.Values{"url": url, "db": db}, nil)
		if err == nil {
			_, err = s.target(nil, nil)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("the password shows: %v", err)
		}
	})
}
