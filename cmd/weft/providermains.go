package main

import (
	"github.com/weftlattice/weft/provider/httpserver"
	"github.com/weftlattice/weft/provider/keyvaluenats"
)

// providerMains are the built-in providers.
func providerMains() map[string]providerMain {
	return map[string]providerMain{
		"httpserver":    {httpserver.Info, httpserver.New},
		"keyvalue-nats": {keyvaluenats.Info, keyvaluenats.New},
	}
}
