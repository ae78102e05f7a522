package host

import (
	"log/slog"

	"github.com/weftlattice/weft/internal/natsconn"
)

// NATS says where the NATS server of the lattice is, and as whom the host logs in. It logs in with the same after
// Host.Reload, or with what CredsFile holds then. At most one of CredsFile, JWT (with Seed), Seed alone, User (with
// Password) and Token may be set. Printing it shows no secret.
type NATS struct {
	URL string // one or more, comma separated; required. User information in it counts as credentials

	CredsFile      string // a NATS credentials file with JWT and seed
	JWT            string // user JWT; needs Seed
	Seed           string // user nkey seed ("SU...")
	User, Password string
	Token          string
	// Login, when set, is asked for the user JWT and its seed at each attempt to connect and at Host.Reload, in the
	// place of JWT and Seed. It returns those to use also with an error, which Reload returns.
	Login func() (jwt, seed string, err error)

	TLS      bool   // require TLS, also with a nats:// URL
	TLSCA    string // PEM file of the authorities to trust instead of the system's; read again when it is replaced
	TLSRoots string // the same as text instead of a file
	TLSName  string // name that the server's certificate must have; default: the host in the URL
	TLSCert  string // PEM files of the client's certificate; both or none; read again when they are replaced
	TLSKey   string
	TLSFirst bool // the handshake comes before the server's greeting, as the server is configured to want

	InboxPrefix string // where answers come; default: as the credentials say, else that of all NATS clients
}

// config is the same for package natsconn.
func (n NATS) config() natsconn.Config {
	c := natsconn.Config{URL: n.URL, CredsFile: n.CredsFile, JWT: n.JWT, Seed: n.Seed, User: n.User,
		Password: n.Password,
		Token:    n.Token, TLS: n.TLS, TLSCA: n.TLSCA, TLSRoots: n.TLSRoots, TLSName: n.TLSName, TLSCert: n.TLSCert,
		TLSKey: n.TLSKey, TLSFirst: n.TLSFirst, InboxPrefix: n.InboxPrefix}
	if n.Login != nil {
		c.Login = func() natsconn.Login {
			jwt, seed, _ := n.Login()
			return natsconn.Login{JWT: jwt, Seed: seed}
		}
	}
	return c
}

// broken says why what the host logs in with cannot be read again.
func (n NATS) broken() error {
	if n.Login == nil {
		return nil
	}
	_, _, err := n.Login()
	return err
}

// String tells where the connection leads. It never shows credentials.
func (n NATS) String() string { return "host.NATS{" + natsconn.SafeURL(n.URL) + "}" }

// GoString is String, so that %#v does not show credentials either.
func (n NATS) GoString() string { return n.String() }

// LogValue is String, so that slog does not show credentials either.
func (n NATS) LogValue() slog.Value { return slog.StringValue(n.String()) }
