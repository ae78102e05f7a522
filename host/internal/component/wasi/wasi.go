// Package wasi is the interfaces that the host provides to components: WASI 0.2, and what wasmCloud adds. Each family
// of interfaces has a folder below, with its functions and, in types.txt, their types: package face says how. Adding
// one is adding a folder, and a word in families.
package wasi

import (
	"embed"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/component/wasi/bus"
	"github.com/weftlattice/weft/host/internal/component/wasi/cli"
	"github.com/weftlattice/weft/host/internal/component/wasi/clocks"
	"github.com/weftlattice/weft/host/internal/component/wasi/config"
	"github.com/weftlattice/weft/host/internal/component/wasi/filesystem"
	"github.com/weftlattice/weft/host/internal/component/wasi/http"
	"github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/host/internal/component/wasi/keyvalue"
	"github.com/weftlattice/weft/host/internal/component/wasi/logging"
	"github.com/weftlattice/weft/host/internal/component/wasi/random"
	"github.com/weftlattice/weft/host/internal/component/wasi/snapshot"
	"github.com/weftlattice/weft/host/internal/component/wasi/sockets"
	"github.com/weftlattice/weft/lattice"
)

// families are all that there is, by their folders.
var families = map[string]face.Family{"bus": bus.Family, "cli": cli.Family, "clocks": clocks.Family,
	"config": config.Family, "filesystem": filesystem.Family, "http": http.Family, "io": io.Family,
	"keyvalue": keyvalue.Family, "logging": logging.Family, "random": random.Family, "snapshot": snapshot.Family,
	"sockets": sockets.Family}

//go:embed */types.txt
var types embed.FS

// interfacesOf are those of the family in a folder, with the types that lie beside its code.
func interfacesOf(folder string) map[string]*face.Interface {
	b, err := types.ReadFile(folder + "/types.txt")
	if err != nil {
		panic(err)
	}
	return families[folder].Interfaces(string(b))
}

var interfaces = sync.OnceValue(func() map[string]*face.Interface {
	all := map[string]*face.Interface{}
	for folder := range families {
		maps.Copy(all, interfacesOf(folder))
	}
	return all
})

// Find returns a function of an interface's version, as a component names it, and the shape that its type must have, as
// wit.Shape writes it; nil: the host has none.
func Find(name, function string) (*face.Func, string) {
	i := interfaces()[face.Track(name)]
	if i == nil {
		return nil, ""
	}
	f, ok := i.Functions[function]
	if !ok {
		return nil, ""
	}
	return &f, i.Shapes[function]
}

// Export is the shape of a function that the host calls; "": it calls none of that name.
func Export(name, function string) string {
	i := interfaces()[face.Track(name)]
	if i == nil {
		return ""
	}
	return i.Exports[function]
}

// Contract is the contract that a guest must be granted to import or export an interface; "": none.
func Contract(name string) lattice.ContractID {
	if i := interfaces()[face.Track(name)]; i != nil {
		return i.Contract
	}
	return ""
}

// WayOut says what one does about an interface of which the host lacks something; "": it has it, in this version.
func WayOut(name string) string {
	if interfaces()[face.Track(name)] != nil {
		return ""
	}
	bare, version, _ := strings.Cut(name, "@")
	var tracks []string
	for have := range interfaces() {
		if other, track, _ := strings.Cut(have, "@"); other == bare {
			tracks = append(tracks, track)
		}
	}
	slices.Sort(tracks)
	pkg, _, _ := strings.Cut(bare, "/")
	switch {
	case strings.HasPrefix(bare, "wasi:") && strings.HasPrefix(version, "0.3"):
		return "built for " + name + "; weft runs 0.2: build for wasm32-wasip2"
	case len(tracks) > 0:
		return "built for " + name + "; weft runs " + strings.Join(tracks, ", ")
	case strings.HasPrefix(bare, "fermyon:spin"), strings.HasPrefix(bare, "spin:"):
		return "weft has none of Spin's own interfaces (" + pkg + "): use wasi:http, wasi:keyvalue and wasi:config"
	case strings.HasPrefix(bare, "wasmcloud:"), strings.HasPrefix(bare, "wasi:"):
		return "weft has nothing of " + pkg
	}
	return ""
}

// WayOutOfExport says what one does about an interface of WASI that a component exports and nobody calls.
func WayOutOfExport(name string) string {
	bare, _, _ := strings.Cut(name, "@")
	switch i := interfaces()[face.Track(name)]; {
	case i != nil && len(i.Exports) > 0:
		return "the host calls " + name + " with another type: build it with WASI's"
	case bare == "wasi:keyvalue/watcher":
		return "no store tells a component what changes: take " + bare +
			" out of the world, and read the store where it counts"
	}
	return "of WASI a host calls wasi:http/incoming-handler and wasi:cli/run: take " + bare + " out of the world"
}

// Outward is the contract by which calls of an interface go out, which is named without its version: that of Contract,
// or the interface itself, which another actor serves.
func Outward(face string) lattice.ContractID {
	for name, i := range interfaces() {
		if before, _, _ := strings.Cut(name, "@"); before == face && i.Contract != "" {
			return i.Contract
		}
	}
	return lattice.ContractID(face)
}

// Names are the interfaces that guests may import, each with its version track, sorted.
func Names() []string {
	var names []string
	for name, i := range interfaces() {
		if len(i.Exports) == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
