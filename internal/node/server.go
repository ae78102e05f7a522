package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
)

// ServerConfig is the NATS server of a machine. Dir, Keys, Control, Listen and Warn are required.
//
// The server knows its users by roles when other machines can reach it, with Auth, and with a certificate, unless there
// is one User or Token for all.
type ServerConfig struct {
	Dir     datadir.Dir
	Keys    func() (*signing.Keystore, error)
	Control subject.Control // of the lattice that it is for

	Listen        string // an address without a port
	Port          int    // -1: a free one
	Auth          bool   // roles and TLS on loopback, too
	Plain         bool   // no TLS
	Cert, Key, CA string // PEM files of a certificate of its own, and the authority that clients shall trust for it
	MaxStoreBytes int64  // 0: see natsserver.Config

	User, Password, Token string
	Domain                string // of JetStream

	Host   natsauth.Identity // subjects that the host of this machine needs besides those of its role
	Logger *slog.Logger
	Warn   func(text string) // called with what a person should know
}

// Server is a NATS server in this process and how this machine reaches it.
type Server struct {
	*natsserver.Server
	ForHost     natsconn.Config
	ForOperator natsconn.Config // for those who give the host commands
	Joinable    bool            // by those who have a token: it knows its users by roles

	realm *natsauth.Realm // nil unless Joinable
}

// StartServer starts the server and waits until it serves. lattice.ErrConflict: its port is taken.
func StartServer(ctx context.Context, c ServerConfig) (*Server, error) {
	if err := c.checkListen(); err != nil {
		return nil, err
	}
	cfg := natsserver.Config{Host: c.Listen, Port: c.Port, DataDir: c.Dir.NATS(), Logger: c.Logger, Plain: c.Plain,
		User: c.User, Password: c.Password, Token: c.Token, TLSCert: c.Cert, TLSKey: c.Key,
		MaxStoreBytes: c.MaxStoreBytes, Domain: c.Domain}
	conn := natsconn.Config{User: c.User, Password: c.Password, Token: c.Token, JSDomain: c.Domain}
	s := &Server{ForHost: conn, ForOperator: conn}
	if c.Auth || public(c.Listen) || c.Cert != "" {
		if err := s.secure(c, &cfg, conn); err != nil {
			return nil, err
		}
	}
	// With users weft listens itself, and 0.0.0.0 is IPv4 alone.
	if cfg.Users == nil && c.Listen == "0.0.0.0" && hasIPv6() {
		c.Warn("NATS listens on IPv6 as well, as its server takes 0.0.0.0 for all addresses; where only IPv4 " +
			"is meant, name one address with --nats-listen, or keep IPv6 out with a firewall")
	}
	var err error
	if s.Server, err = natsserver.Start(ctx, cfg); err != nil {
		if lattice.CodeOf(err) == lattice.ErrConflict {
			err = fmt.Errorf("%w\nAnother lattice runs here? Join it with --nats-url, "+
				"or take another port with --nats-port", err)
		}
		return nil, err
	}
	url := s.URL()
	if ip := net.ParseIP(c.Listen); ip != nil && ip.IsUnspecified() { // from here, loopback is the way
		url = "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port()))
	}
	s.ForHost.URL, s.ForOperator.URL = url, url
	if err := c.Dir.SaveServer(s.announcement(c)); err != nil {
		if closeErr := s.Close(context.Background()); closeErr != nil {
			err = fmt.Errorf("%w\n%w", err, closeErr)
		}
		return nil, err
	}
	return s, nil
}

// checkListen takes the brackets of an IPv6 address away, and refuses a port.
func (c *ServerConfig) checkListen() error {
	if _, port, err := net.SplitHostPort(c.Listen); err == nil {
		return usage.Errorf("--nats-listen %s: want the address alone; the port is --nats-port %s", c.Listen, port)
	}
	if good := netaddr.Bracketed(c.Listen); good != "" && net.ParseIP(c.Listen) == nil {
		return usage.Errorf("--nats-listen %s: want the address alone; the port is --nats-port", c.Listen)
	}
	c.Listen = strings.Trim(c.Listen, "[]")
	return nil
}

// public reports whether other machines can reach a server that listens there.
func public(listen string) bool {
	ip := net.ParseIP(listen)
	return listen != "localhost" && (ip == nil || !ip.IsLoopback())
}

// hasIPv6 reports whether other machines can reach this one over IPv6.
func hasIPv6() bool {
	all, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(all, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.To4() == nil && n.IP.IsGlobalUnicast()
	})
}

// secure sets TLS up and, unless one user or token is for all, the users of roles.
func (s *Server) secure(c ServerConfig, cfg *natsserver.Config, conn natsconn.Config) error {
	keys, err := c.Keys()
	if err != nil {
		return err
	}
	realm, err := c.Dir.Realm(keys)
	if err != nil {
		return err
	}
	switch {
	case c.Cert != "":
		if conn.TLSName, err = nameIn(c.Cert, c.Key); err != nil {
			return err
		}
		conn.TLS, conn.TLSCA = true, c.CA
	case !c.Plain:
		cfg.TLS = realm.CA().ServerTLS(c.Listen)
		conn.TLSCA, conn.TLSName = realm.CA().File(), natsauth.ServerName
	}
	s.ForHost, s.ForOperator = conn, conn
	if c.User != "" || c.Token != "" {
		return nil
	}
	s.realm, s.Joinable = realm, true
	cfg.Users, cfg.Lattice = realm.Verifier(c.Logger), c.Control.Lattice
	return s.localUsers(c)
}

// nameIn is a name that a certificate has: from here the server is reached by address.
func nameIn(cert, key string) (string, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return "", &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS certificate", Entity: cert, Err: err}
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return "", &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS certificate", Entity: cert, Err: err}
	}
	switch {
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0], nil
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String(), nil
	}
	return "", nil
}

// localUsers makes the users of this machine: its host, and the commands of those who own the data directory.
func (s *Server) localUsers(c ServerConfig) error {
	id := connect.LocalHost(c.Control, c.Host)
	host, err := s.realm.Local(id)
	if err != nil {
		return err
	}
	s.ForHost.JWT, s.ForHost.Seed = host.JWT, host.Seed
	id.Roles, id.Publish, id.Subscribe = []natsauth.Role{natsauth.Operator}, nil, nil
	id.SharedInbox = true // the file serves other tools as well
	s.ForOperator.CredsFile, err = s.realm.SaveLocal("operator", id)
	return err
}

// announcement is what an invitation has to know; nil when none can be made.
func (s *Server) announcement(c ServerConfig) *datadir.Server {
	if !s.Joinable {
		return nil
	}
	a := &datadir.Server{Lattice: c.Control.Lattice, Listen: c.Listen, Port: s.Port(), Plain: c.Plain,
		CAFile: s.ForOperator.TLSCA, ServerName: s.ForOperator.TLSName}
	if c.Cert != "" { // others reach it by a name that the certificate has
		a.ServerName = ""
	}
	return a
}
