package signing_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// A module is signed by an account, and read with its claims. A byte that changes is seen.
func ExampleSignModule() {
	account, module := signing.Derive(signing.KindAccount, "an account"), signing.Derive(signing.KindModule, "a module")
	empty := []byte("\x00asm\x01\x00\x00\x00")
	signed, err := signing.SignModule(empty, account, module, signing.ActorClaims{
		Name: "echo", Caps: []lattice.ContractID{"wasmcloud:keyvalue"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := signing.ReadModule(signed, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(claims.Name, claims.Caps, string(claims.Issuer) == account.Public())

	more := append(signed, 0, 2, 1, 'x') // a section that the account has not signed
	_, err = signing.ReadModule(more, time.Now())
	fmt.Println(errors.Is(err, lattice.ErrHashMismatch))
	// Output:
	// echo [wasmcloud:keyvalue] true
	// true
}

// A key pair shows its seed to nobody who prints it.
func ExampleKeyPair() {
	k := signing.Derive(signing.KindHost, "a host")
	fmt.Println(strings.Contains(fmt.Sprintf("%v %+v %#v", k, k, k), k.Seed()), k.Seed()[:2], k.Public()[:1])
	// Output: false SN N
}
