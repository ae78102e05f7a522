package providers

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/internal/process/profile"
	"github.com/weftlattice/weft/lattice"
)

// profiles is where provider processes serve theirs.
type profiles struct {
	temp *files.Temp
	dir  string // "": they do not
	run  atomic.Uint64
}

// open makes the folder for the sockets.
func (s *profiles) open() error {
	temp, err := files.NewTemp("", "weft-pprof-")
	if err != nil {
		return fmt.Errorf("make a folder for profiles: %w", err)
	}
	s.temp, s.dir = temp, temp.Dir()
	return nil
}

func (s *profiles) close() error {
	if s.temp == nil {
		return nil
	}
	return s.temp.Close()
}

// offerProfile is the path of a socket for the next process of the provider, or "".
func (p *Provider) offerProfile() string {
	if p.all.profiles.dir == "" || p.run != nil {
		return ""
	}
	path := filepath.Join(p.all.profiles.dir, strconv.FormatUint(p.all.profiles.run.Add(1), 10))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.profile = path
	return path
}

// ServeProfile proxies a request to the profiles of the provider that its path names, with ?link=NAME for one that is
// not started for the default link name.
func (ps *Providers) ServeProfile(w http.ResponseWriter, r *http.Request) {
	name, link := r.PathValue("provider"), lattice.DefaultLink
	if l := r.URL.Query().Get("link"); l != "" {
		link = lattice.LinkName(l)
	}
	for _, p := range ps.list() {
		if p.link != link || p.name != name && string(p.id) != name {
			continue
		}
		if p.run != nil {
			http.Error(w, p.name+" runs inside the host: its work is in the host's own profiles, "+profile.Path,
				http.StatusNotFound)
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
				http.Error(w, fmt.Sprintf("%s serves no profiles now: %v; it is starting, or not built on weft's SDK",
					p.name, err),
					http.StatusBadGateway)
			}}
		proxy.ServeHTTP(w, r)
		return
	}
	http.Error(w, fmt.Sprintf("no provider %q with link name %q on this host; see: weft provider list", name, link),
		http.StatusNotFound)
}
