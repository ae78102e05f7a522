package operate

import (
	"fmt"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// judge says why no host would run what a file holds as an actor, in the words of hosts and with the way out. check is
// what hosts do with a module, see Signer.Check.
func judge(path string, data []byte, check func([]byte) error) error {
	if form := signing.Form(data); form == signing.FormArchive {
		return &lattice.Error{Code: lattice.ErrBadModule, Op: "read module", Entity: path,
			Detail: form + ", and an actor is a WebAssembly module; a provider is started with: weft provider start " +
				path}
	}
	if check == nil {
		return nil
	}
	if err := check(data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// noModule refuses a WebAssembly module where a provider's executable is wanted (lattice.ErrBadModule).
func noModule(path string, data []byte) error {
	if !signing.IsModule(data) {
		return nil
	}
	return &lattice.Error{Code: lattice.ErrBadModule, Op: "read provider", Entity: path,
		Detail: signing.Form(data) + ", and a provider is a program of the operating system; " +
			"an actor is started with: weft actor start " + path}
}
