package host

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/internal/process/profile"
	"github.com/weftlattice/weft/lattice"
)

// A host serves profiles on its HTTP address where Config.Pprof asks for it: its own, and those of provider processes
// on weft's SDK. Those serve theirs on Unix sockets in a folder that only this user can enter.

// profiles is where provider processes serve theirs.
type profiles struct {
	dir string // "": they do not
	run atomic.Uint64
}

// openProfiles makes the folder for the sockets.
func (h *Host) openProfiles(opened func(func(context.Context) error)) error {
	if !h.cfg.Pprof {
		return nil
	}
	temp, err := files.NewTemp("", "weft-pprof-")
	if err != nil {
		return fmt.Errorf("make a folder for profiles: %w", err)
	}
	h.profiles.dir = temp.Dir()
	opened(func(context.Context) error { return temp.Close() })
	return nil
}

// offerProfile is the path of a socket for the next process of the provider, or "".
func (p *provider) offerProfile() string {
	if p.host.profiles.dir == "" || p.run != nil {
		return ""
	}
	path := filepath.Join(p.host.profiles.dir, strconv.FormatUint(p.host.profiles.run.Add(1), 10))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.profile = path
	return path
}

// handleProfiles adds the profiles of the host at /debug/pprof/, and those of a provider at
// /debug/providers/NAME/pprof/, with ?link=NAME for one that is not started for the default link name.
func (h *Host) handleProfiles(mux *http.ServeMux) {
	mux.Handle(profile.Path, fromHere(profile.Handler()))
	mux.Handle("/debug/providers/{provider}/pprof/{rest...}", fromHere(http.HandlerFunc(h.profileOfProvider)))
}

func (h *Host) profileOfProvider(w http.ResponseWriter, r *http.Request) {
	name, link := r.PathValue("provider"), lattice.DefaultLink
	if l := r.URL.Query().Get("link"); l != "" {
		link = lattice.LinkName(l)
	}
	for _, p := range h.allProviders() {
		if p.link != link || p.name != name && string(p.id) != name {
			continue
		}
		if p.run != nil {
			http.Error(w, p.name+" runs inside the host: its work is in the host's own profiles, "+profile.Path, http.StatusNotFound)
			return
		}
		p.mu.Lock()
		path := p.profile
		p.mu.Unlock()
		proxy := httputil.ReverseProxy{Transport: profile.Dialer(path),
			Rewrite: func(out *httputil.ProxyRequest) {
				out.Out.URL.Scheme, out.Out.URL.Host = "http", "provider"
				out.Out.URL.Path, out.Out.URL.RawPath = profile.Path+r.PathValue("rest"), ""
			},
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				http.Error(w, fmt.Sprintf("%s serves no profiles now: %v; it is starting, or not built on weft's SDK", p.name, err), http.StatusBadGateway)
			}}
		proxy.ServeHTTP(w, r)
		return
	}
	http.Error(w, fmt.Sprintf("no provider %q with link name %q on this host; see: weft provider list", name, link), http.StatusNotFound)
}

// fromHere refuses requests that a browser makes because some site's name leads to loopback.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.Host) {
			http.Error(w, "profiles are served to requests for localhost or 127.0.0.1 only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopback reports whether an address, with or without a port, is this machine's own.
func loopback(addr string) bool {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		name = strings.Trim(addr, "[]")
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}
