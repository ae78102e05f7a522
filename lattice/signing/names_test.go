package signing_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

func TestNamesWithControlCharactersAreNotSigned(t *testing.T) {
	wasm, err := os.ReadFile("../../host/internal/wasm/testdata/echo.wasm")
	if err != nil {
		t.Fatal(err)
	}
	key := func(kind byte) signing.KeyPair {
		k, err := signing.New(kind)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	account, module, service := key(signing.KindAccount), key(signing.KindModule), key(signing.KindProvider)
	const evil = "ev\x1b[31mil\nname"
	for what, c := range map[string]signing.ActorClaims{
		"name": {Name: evil}, "version": {Version: evil}, "alias": {CallAlias: evil}, "tag": {Tags: []string{evil}},
		"contract": {Caps: []lattice.ContractID{evil}},
	} {
		if _, err := signing.SignModule(wasm, account, module, c); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, c := range map[string]signing.ProviderClaims{
		"name": {Name: evil, ContractID: "a:b"}, "contract": {ContractID: evil},
		"vendor": {ContractID: "a:b", Vendor: evil}, "version": {ContractID: "a:b", Version: evil},
	} {
		err := signing.WriteArchive(&bytes.Buffer{}, c, account, service, map[string][]byte{"x86_64-linux": {1}}, false)
		if lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := signing.SignModule(wasm, account, module, signing.ActorClaims{Name: "größe 名"}); err != nil {
		t.Error(err)
	}
}
