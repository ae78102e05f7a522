package manifest_test

import (
	"fmt"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
)

func ExampleParse() {
	f, err := manifest.Parse("shop.yaml", []byte(manifest.Example()))
	if err != nil {
		fmt.Println(err)
		return
	}
	web := f.App.ActorNamed("web")
	links, missing, err := f.App.LinksOf(web, nil)
	fmt.Println(f.Format, f.App.Name, f.App.Version, web.Replicas, len(web.Rollout.Steps), missing, err)
	for _, l := range links {
		fmt.Println(l.Provider.Name, l.Contract, l.Values)
	}

	_, err = manifest.Parse("shop.yaml", []byte("app: {name: shop}\nactors:\n- {name: web, image: web, link: [kv]}\n"))
	fmt.Println(err)
	// Output:
	// weft shop 1.2.0 100 4 [] <nil>
	// kv wasmcloud:keyvalue map[url:(secret redis-url)]
	// http wasmcloud:httpserver map[host:shop.example.com path:/shop port:8080]
	// shop.yaml:3:27: actors[0].link: unknown field; did you mean "links"?
}
