// Package weft is the root of the module; it carries the sources of the actor SDK, so that the weft binary can lay them
// down in a new project without a network.
//
// The parts of weft lie in the folders beside it: see ARCHITECTURE.md.
package weft

import "embed"

// SDK holds the sources of the actor SDK and of the packages it stands on, as they lie in the module. Tests are among
// them; the examples are not. Package internal/deploy/scaffold lays them down.
//
//go:embed lattice/*.go lattice/msgpack/*.go lattice/contract/*/*.go
//go:embed actor-sdk/*.go actor-sdk/*/*.go actor-sdk/internal/*/*.go
var SDK embed.FS
