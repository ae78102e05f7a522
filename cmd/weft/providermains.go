package main

import (
	"github.com/weftlattice/weft/internal/providers/httpserver"
	"github.com/weftlattice/weft/internal/providers/keyvaluenats"
	"github.com/weftlattice/weft/internal/providers/keyvalueredis"
)

// providerMains are the built-in providers.
func providerMains() map[string]providerMain {
	return map[string]providerMain{
		"httpserver":     {httpserver.Info, httpserver.New},
		"keyvalue-redis": {keyvalueredis.Info, keyvalueredis.New},
		"keyvalue-nats":  {keyvaluenats.Info, keyvaluenats.New},
	}
}
