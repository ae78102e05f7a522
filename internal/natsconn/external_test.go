package natsconn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// external starts a NATS server as somebody else would run it, and returns its address.
func external(t *testing.T, o *server.Options) string {
	t.Helper()
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", -1, true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not become ready")
	}
	return "nats://" + s.Addr().String()
}

func nkey(t *testing.T, kind byte) nkeys.KeyPair {
	t.Helper()
	k, err := signing.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.FromSeed([]byte(k.Seed()))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func public(t *testing.T, k nkeys.KeyPair) string {
	t.Helper()
	p, err := k.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// operatorMode is a server of which nsc would be the tool, and a credentials file for it.
func operatorMode(t *testing.T, dir string) (*server.Options, string) {
	t.Helper()
	op, acc, user := nkey(t, 'O'), nkey(t, 'A'), nkey(t, 'U')
	oc := jwt.NewOperatorClaims(public(t, op))
	ac := jwt.NewAccountClaims(public(t, acc))
	accountJWT, err := ac.Encode(op)
	if err != nil {
		t.Fatal(err)
	}
	userJWT, err := jwt.NewUserClaims(public(t, user)).Encode(acc)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(userJWT, seed)
	if err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(public(t, acc), accountJWT); err != nil {
		t.Fatal(err)
	}
	return &server.Options{TrustedOperators: []*jwt.OperatorClaims{oc}, AccountResolver: resolver},
		write(t, dir, "user.creds", creds)
}

// certificates makes an authority, a server's certificate for 127.0.0.1 and a client's.
func certificates(t *testing.T, dir string) (ca, cert, key string, serverTLS *tls.Config) {
	t.Helper()
	var parent *x509.Certificate
	var parentKey *ecdsa.PrivateKey
	issue := func(name string, ca bool) (certPEM, keyPEM []byte) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotAfter:    time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: ca, BasicConstraintsValid: true,
			KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
		if parent == nil {
			parent, parentKey = c, k
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), parentKey)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	}
	caPEM, _ := issue("authority", true)
	serverCert, serverKey := issue("server", false)
	clientCert, clientKey := issue("weft-client", false)
	pair, err := tls.X509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(caPEM)
	return write(t, dir, "ca.pem", caPEM), write(t, dir, "cert.pem", clientCert), write(t, dir, "key.pem", clientKey),
		&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
			MinVersion: tls.VersionTLS12}
}

// Somebody else's NATS server, in every way that it may know its users, by settings and by a context of the nats tool.
func TestExternalServers(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	if err := os.MkdirAll(contextDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	operator, creds := operatorMode(t, dir)
	_, strangerCreds := operatorMode(t, t.TempDir())
	user, stranger := nkey(t, 'U'), nkey(t, 'U')
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	strangerSeed, err := stranger.Seed()
	if err != nil {
		t.Fatal(err)
	}
	ca, cert, key, serverTLS := certificates(t, dir)
	otherCA, otherCert, otherKey, _ := certificates(t, t.TempDir())
	seedFile := write(t, dir, "user.nk", append(seed, '\n'))
	for _, tc := range []struct {
		name    string
		server  *server.Options
		cfg     Config
		context map[string]any
		wrong   Config
		want    error
	}{
		{"creds", operator, Config{CredsFile: creds}, map[string]any{"creds": creds}, Config{CredsFile: strangerCreds},
			lattice.ErrDenied},
		{"nkey", &server.Options{Nkeys: []*server.NkeyUser{{Nkey: public(t, user)}}}, Config{Seed: string(seed)},
			map[string]any{"nkey": seedFile},
			Config{Seed: string(strangerSeed)}, lattice.ErrDenied},
		{"user", &server.Options{Username: "u", Password: "hunter2"}, Config{User: "u", Password: "hunter2"},
			map[string]any{"user": "u", "password": "hunter2"},
			Config{User: "u", Password: "guess"}, lattice.ErrDenied},
		{"token", &server.Options{Authorization: "sesame"}, Config{Token: "sesame"}, map[string]any{"token": "sesame"},
			Config{Token: "guess"}, lattice.ErrDenied},
		{"certificate", &server.Options{TLSConfig: serverTLS, TLSVerify: true, TLSMap: true,
			Users: []*server.User{{Username: "CN=weft-client"}}},
			Config{TLSCA: ca, TLSCert: cert, TLSKey: key}, map[string]any{"ca": ca, "cert": cert, "key": key},
			Config{TLSCA: ca, TLSCert: otherCert, TLSKey: otherKey}, lattice.ErrUnavailable},
		{"other authority", &server.Options{TLSConfig: serverTLS, TLSVerify: true}, Config{TLSCA: ca, TLSCert: cert,
			TLSKey: key}, map[string]any{"ca": ca, "cert": cert, "key": key},
			Config{TLSCA: otherCA, TLSCert: cert, TLSKey: key}, lattice.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			url := external(t, tc.server)
			tc.cfg.URL, tc.wrong.URL = url, url
			works(t, connect(t, tc.cfg))

			tc.context["url"], tc.context["description"], tc.context["color_scheme"] = url, "a test", ""
			text, err := json.Marshal(tc.context)
			if err != nil {
				t.Fatal(err)
			}
			write(t, contextDir(), "mine.json", text)
			cfg, err := LoadContext("mine")
			if err != nil {
				t.Fatal(err)
			}
			works(t, connect(t, cfg))

			for name, bad := range map[string]Config{"wrong": tc.wrong, "none": {URL: url}} {
				nc, err := Connect(t.Context(), bad)
				if err == nil {
					nc.Close()
				}
				if name == "wrong" && !errors.Is(err, tc.want) || err == nil {
					t.Errorf("%s credentials: %v, want %v", name, err, tc.want)
				}
				for _, secret := range []string{"hunter2", "sesame", "guess", string(strangerSeed)} {
					if err != nil && strings.Contains(err.Error(), secret) {
						t.Errorf("%q is shown: %v", secret, err)
					}
				}
			}
		})
	}
}

// works does a round trip.
func works(t *testing.T, nc *nats.Conn) {
	t.Helper()
	sub, err := nc.SubscribeSync("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Publish("a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(5 * time.Second); err != nil || string(m.Data) != "x" {
		t.Fatalf("got %v, %v", m, err)
	}
}

// A provider that knows nothing of authorities and certificates reaches the server over a bridge.
func TestBridge(t *testing.T) {
	dir := t.TempDir()
	ca, cert, key, serverTLS := certificates(t, dir)
	open := func(cfg Config) *Bridge {
		b, err := StartBridge(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
		return b
	}
	plain := func(url string) error {
		nc, err := nats.Connect(url)
		if err == nil {
			works(t, nc)
			nc.Close()
		}
		return err
	}
	onlyServer := serverTLS.Clone()
	onlyServer.ClientAuth = tls.NoClientCert
	byUser := external(t, &server.Options{TLSConfig: onlyServer, Username: "u", Password: "p"})
	b := open(Config{URL: byUser, TLSCA: ca, User: "u", Password: "p"})
	if err := plain(strings.Replace(b.URL(), "//", "//u:p@", 1)); err != nil {
		t.Error(err)
	}
	if err := plain(b.URL()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("the bridge lends its credentials: %v", err)
	}
	inURL := strings.Replace(byUser, "//", "//u:p@", 1)
	if err := plain(open(Config{URL: inURL, TLSCA: ca}).URL()); err != nil {
		t.Errorf("credentials in the address: %v", err)
	}

	byCert := external(t, &server.Options{TLSConfig: serverTLS, TLSVerify: true})
	b = open(Config{URL: byCert, TLSCA: ca, TLSCert: cert, TLSKey: key})
	if err := plain(b.URL()); err != nil {
		t.Error(err)
	}
	if err := plain("nats://" + b.conns.Addr().String()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("anybody on this machine may use the certificate: %v", err)
	}
	if err := plain("nats://guess@" + b.conns.Addr().String()); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("any secret will do: %v", err)
	}
	otherCA, _, _, _ := certificates(t, t.TempDir())
	if err := plain(open(Config{URL: byUser, TLSCA: otherCA}).URL()); err == nil {
		t.Error("the bridge believes any server")
	}
	nc, err := nats.Connect(b.URL(), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	closed := nc.StatusChanged(nats.CLOSED)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Error("a connection outlives its bridge")
	}
}

func TestContextFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	if err := os.MkdirAll(contextDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	file := write(t, contextDir(), "full.json",
		[]byte(`{"description":"","url":"tls://a:1,tls://b:2","socks_proxy":"","token":"","user":"u","password":"p",
		"creds":"","nkey":"","cert":"","key":"","ca":"~/ca.pem","nsc":"","jetstream_domain":"hub",
		"jetstream_api_prefix":"","jetstream_event_prefix":"",
		"inbox_prefix":"_MINE","user_jwt":"","color_scheme":"","tls_first":true}`))
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"full", file} {
		cfg, err := LoadContext(name)
		if err != nil || cfg.JSDomain != "hub" || cfg.URL != "tls://a:1,tls://b:2" || cfg.User != "u" ||
			cfg.Password != "p" || cfg.InboxPrefix != "_MINE" ||
			!cfg.TLSFirst || cfg.TLSCA != filepath.Join(home, "ca.pem") {
			t.Errorf("%s: %+v %s %v", name, cfg, cfg.JSDomain, err)
		}
	}
	if _, err := LoadContext("fulll"); !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(),
		"there are: full") {
		t.Errorf("missing: %v", err)
	}
	for name, text := range map[string]string{"nsc": `{"nsc":"nsc://op/acc/user"}`,
		"socks": `{"socks_proxy":"socks5://x"}`, "garbage": `{"password":"hunter2"`,
		"prefix": `{"jetstream_api_prefix":"X.API"}`, "two": `{"user":"u","password":"hunter2","token":"t"}`,
		"nkey": `{"nkey":"/nonexistent"}`, "url": `{"url":"http://x"}`} {
		write(t, contextDir(), "bad.json", []byte(text))
		if _, err := LoadContext("bad"); !errors.Is(err, lattice.ErrInvalid) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
