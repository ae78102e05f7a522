// Package ownlinks is the contract weft:builtin:links, by which a host tells a guest what the lattice says of the
// guest's own links. It needs no claim: it grants nothing.
package ownlinks

import (
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// ID names the contract.
const ID lattice.ContractID = "weft:builtin:links"

// The operations.
const (
	// CheckRequest: str, the public key of whom the link leads to; "" when there is no such link
	Check  = "Links.Check"
	Config = "Links.Config" // nothing: []string, names and values in turn, see wire.LinkDefinition.ActorConfig
)

// CheckRequest names a link of the actor.
type CheckRequest struct {
	Contract lattice.ContractID
	Link     lattice.LinkName
}

// Encode returns the payload.
func (q CheckRequest) Encode() []byte {
	return msgpack.EncodeStrs([]string{string(q.Contract), string(q.Link)})
}

// DecodeCheckRequest reads the argument of Check. Errors wrap lattice.ErrInvalid.
func DecodeCheckRequest(b []byte) (CheckRequest, error) {
	list, err := msgpack.DecodeStrs(b)
	if err == nil && len(list) != 2 {
		err = &lattice.Error{Code: lattice.ErrInvalid, Op: Check, Detail: "the argument is a contract and a link name"}
	}
	if err != nil {
		return CheckRequest{}, err
	}
	return CheckRequest{lattice.ContractID(list[0]), lattice.LinkName(list[1])}, nil
}
