package main

import (
	"github.com/weftlattice/weft/provider/httpserver"
	"github.com/weftlattice/weft/provider/keyvaluenats"
	"github.com/weftlattice/weft/provider/keyvalueredis"
)

// providerMains are the built-in providers.
func providerMains() map[string]providerMain {
	return map[string]providerMain{
		"httpserver":     {httpserver.Info, httpserver.New},
		"keyvalue-redis": {keyvalueredis.Info, keyvalueredis.New},
		"keyvalue-nats":  {keyvaluenats.Info, keyvaluenats.New},
	}
}
