package provider

import "github.com/weftlattice/weft/lattice/linkvalue"

// Values are the settings of a link, see linkvalue.Values. A linkvalue.Table reads and checks them.
type Values = linkvalue.Values
