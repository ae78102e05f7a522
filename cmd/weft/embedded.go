package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice"
)

// natsFlags are the settings of the embedded NATS server.
type natsFlags struct {
	port          int
	listen        string
	auth, plain   bool
	cert, key, ca string
	storeMax      string
}

func (n *natsFlags) flags(f *pflag.FlagSet) {
	f.IntVar(&n.port, "nats-port", natsserver.DefaultPort, "port of the embedded NATS server; -1 is a free one")
	f.StringVar(&n.listen, "nats-listen", natsserver.DefaultHost, "address that the embedded NATS server listens on; beyond loopback with TLS and credentials only")
	f.BoolVar(&n.auth, "nats-auth", false, "want credentials and TLS on loopback, too")
	f.StringVar(&n.cert, "nats-server-cert", "", "PEM file of the embedded server's own certificate (default: one of a generated authority)")
	f.StringVar(&n.key, "nats-server-key", "", "PEM file of that certificate's key")
	f.StringVar(&n.ca, "nats-server-ca", "", "PEM file of the authority that clients shall trust for it (default: those that their machines trust)")
	f.StringVar(&n.storeMax, "store-max", "", "what the embedded server may keep on disk, as 2GiB (default: all but a reserve of what is free at the time)")
	f.BoolVar(&n.plain, "nats-plain", false, "no TLS: whoever can listen to the network reads everything, secrets as well")
}

// public reports whether other machines can reach the server.
func (n *natsFlags) public() bool {
	ip := net.ParseIP(n.listen)
	return n.listen != "localhost" && (ip == nil || !ip.IsLoopback())
}

// embedded is a NATS server in this process and how to reach it from this machine.
type embedded struct {
	*natsserver.Server
	host, operator natsconn.Config // for a host, and for who gives it commands
	realm          *natsauth.Realm // nil: the server does not know users by roles
}

// start runs the embedded server. extra names the subjects that the host on this machine needs besides those of its
// role.
func (n *natsFlags) start(ctx context.Context, a *app, log *slog.Logger, extra natsauth.Identity) (*embedded, error) {
	if _, port, err := net.SplitHostPort(n.listen); err == nil {
		return nil, usagef("--nats-listen %s: want the address alone; the port is --nats-port %s", n.listen, port)
	}
	if good := netaddr.Bracketed(n.listen); good != "" && net.ParseIP(n.listen) == nil {
		return nil, usagef("--nats-listen %s: want the address alone; the port is --nats-port", n.listen)
	}
	n.listen = strings.Trim(n.listen, "[]")
	cfg := natsserver.Config{Host: n.listen, Port: n.port, DataDir: filepath.Join(a.dataDir, "nats"), Logger: log, Plain: n.plain,
		User: a.conn.user, Password: a.conn.password, Token: a.conn.token, TLSCert: n.cert, TLSKey: n.key}
	if n.storeMax != "" {
		most, err := lattice.ParseSize(n.storeMax)
		if err != nil {
			return nil, fmt.Errorf("--store-max: %w", err)
		}
		cfg.MaxStoreBytes = int64(most)
	}
	cfg.Domain = a.conn.domain
	conn := natsconn.Config{User: cfg.User, Password: cfg.Password, Token: cfg.Token, JSDomain: cfg.Domain}
	e := &embedded{host: conn, operator: conn}
	if n.auth || n.public() || n.cert != "" {
		keys, err := a.keys()
		if err != nil {
			return nil, err
		}
		realm, err := natsauth.OpenRealm(a.realmDir(), keys)
		if err != nil {
			return nil, err
		}
		if err := n.secure(&cfg, &conn, realm); err != nil {
			return nil, err
		}
		e.host, e.operator = conn, conn
		if cfg.User == "" && cfg.Token == "" {
			e.realm, cfg.Users = realm, realm.Verifier(log)
			if cfg.Lattice, err = a.latticeName(); err != nil {
				return nil, err
			}
			if err := e.localUsers(a, extra); err != nil {
				return nil, err
			}
		}
	}
	// With users weft listens itself, and 0.0.0.0 is IPv4 alone.
	if cfg.Users == nil && n.listen == "0.0.0.0" && hasIPv6() {
		a.say("weft: warning: NATS listens on IPv6 as well, as its server takes 0.0.0.0 for all addresses; where only IPv4 " +
			"is meant, name one address with --nats-listen, or keep IPv6 out with a firewall")
	}
	s, err := natsserver.Start(ctx, cfg)
	if lattice.CodeOf(err) == lattice.ErrConflict {
		err = fmt.Errorf("%w\nAnother lattice runs here? Join it with --nats-url, or take another port with --nats-port", err)
	}
	if err != nil {
		return nil, err
	}
	e.Server = s
	url := s.URL()
	if ip := net.ParseIP(n.listen); ip != nil && ip.IsUnspecified() { // from here, loopback is the way
		url = "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port()))
	}
	e.host.URL, e.operator.URL = url, url
	if err := n.announce(a, e); err != nil {
		return nil, fmt.Errorf("%w%s", err, closing(s))
	}
	return e, nil
}

// hasIPv6 reports whether other machines can reach this one over IPv6.
func hasIPv6() bool {
	all, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(all, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.To4() == nil && n.IP.IsGlobalUnicast()
	})
}

func closing(s *natsserver.Server) string {
	if err := s.Close(context.Background()); err != nil {
		return "\n" + err.Error()
	}
	return ""
}

// secure sets TLS up, for the server and for the way to it.
func (n *natsFlags) secure(cfg *natsserver.Config, conn *natsconn.Config, realm *natsauth.Realm) error {
	switch {
	case n.cert != "":
		pair, err := tls.LoadX509KeyPair(n.cert, n.key)
		if err != nil {
			return &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS certificate", Entity: n.cert, Err: err}
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			return &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS certificate", Entity: n.cert, Err: err}
		}
		conn.TLS, conn.TLSCA = true, n.ca
		if len(leaf.DNSNames) > 0 { // from here it is reached by address
			conn.TLSName = leaf.DNSNames[0]
		} else if len(leaf.IPAddresses) > 0 {
			conn.TLSName = leaf.IPAddresses[0].String()
		}
	case !n.plain:
		cfg.TLS = realm.CA().ServerTLS(n.listen)
		conn.TLSCA, conn.TLSName = realm.CA().File(), natsauth.ServerName
	}
	return nil
}

// localUsers makes the users of this machine: its host, and the commands of who owns the data directory.
func (e *embedded) localUsers(a *app, extra natsauth.Identity) error {
	name, err := a.latticeName()
	if err != nil {
		return err
	}
	id := natsauth.Identity{Name: "local", Lattice: name, Control: a.controlPrefix()}
	id.Roles = []natsauth.Role{natsauth.Host}
	id.Publish, id.Subscribe = extra.Publish, extra.Subscribe
	host, err := e.realm.Local(id)
	if err != nil {
		return err
	}
	e.host.JWT, e.host.Seed = host.JWT, host.Seed
	id.Roles, id.Publish, id.Subscribe = []natsauth.Role{natsauth.Operator}, nil, nil
	id.SharedInbox = true // the file serves other tools as well
	e.operator.CredsFile, err = e.realm.SaveLocal("operator", id)
	return err
}

// listening is what "weft token create" has to know about the server of this data directory.
type listening struct {
	Lattice    lattice.Name `json:"lattice"`
	Listen     string       `json:"listen"`
	Port       int          `json:"port"`
	Plain      bool         `json:"plain,omitempty"`
	CAFile     string       `json:"ca_file,omitempty"`
	ServerName string       `json:"server_name,omitempty"`
}

func (a *app) realmDir() string      { return filepath.Join(a.dataDir, "access") }
func (a *app) listeningPath() string { return filepath.Join(a.realmDir(), "server.json") }

// announce notes where the server listens, for tokens.
func (n *natsFlags) announce(a *app, e *embedded) error {
	if e.realm == nil {
		if err := os.Remove(a.listeningPath()); err != nil && !os.IsNotExist(err) {
			return fileError("remove", a.listeningPath(), err)
		}
		return nil
	}
	name, err := a.latticeName()
	if err != nil {
		return err
	}
	l := listening{Lattice: name, Listen: n.listen, Port: e.Port(), Plain: n.plain, CAFile: e.operator.TLSCA, ServerName: e.operator.TLSName}
	if n.cert != "" { // others reach it by a name that the certificate has
		l.ServerName = ""
	}
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return operate.WriteFile(a.listeningPath(), append(data, '\n'), 0o600)
}

// listening reads that again. ErrNotFound when no server here can be joined.
func (a *app) listening() (l listening, err error) {
	data, err := os.ReadFile(a.listeningPath())
	if err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err != nil {
		return l, &lattice.Error{Code: lattice.ErrNotFound, Op: "find the NATS server of", Entity: a.dataDir,
			Detail: "none was started here that others can join; start one with: weft up --nats-listen 0.0.0.0"}
	}
	return l, nil
}

// controlPrefix is empty for the usual one.
func (a *app) controlPrefix() string {
	if a.prefix == defaultPrefix {
		return ""
	}
	return a.prefix
}
