package monitor

import (
	"net"
	"net/http"
	"strings"

	"github.com/weftlattice/weft/internal/process/profile"
)

// Profiles are served on the host's HTTP address where its configuration asks for it: those of the host, and those of
// provider processes on weft's SDK, which serve them on Unix sockets in a folder that only this user can enter.

// handleProfiles adds the profiles of the host at /debug/pprof/, and those of a provider at
// /debug/providers/NAME/pprof/, with ?link=NAME for one that is not started for the default link name.
func handleProfiles(mux *http.ServeMux, ofProvider http.HandlerFunc) {
	mux.Handle(profile.Path, fromHere(profile.Handler()))
	mux.Handle("/debug/providers/{provider}/pprof/{rest...}", fromHere(ofProvider))
}

// fromHere refuses requests that a browser makes because some site's name leads to loopback.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Loopback(r.Host) {
			http.Error(w, "profiles are served to requests for localhost or 127.0.0.1 only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Loopback reports whether an address, with or without a port, is this machine's own.
func Loopback(addr string) bool {
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		name = strings.Trim(addr, "[]")
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}
