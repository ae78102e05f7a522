package natsauth_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice/signing"
)

func TestATokenThatNobodyGotIsOnNoList(t *testing.T) {
	keys, err := signing.OpenKeystore(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	realm, err := natsauth.OpenRealm(t.TempDir(), keys)
	if err != nil {
		t.Fatal(err)
	}
	want := natsauth.Identity{Name: "tx", Roles: []natsauth.Role{natsauth.Host}, Lattice: "default"}
	full := errors.New("no space left")
	if _, err := realm.Issue(want, func(natsauth.Credentials) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if list, err := realm.Users().List(); err != nil || len(list) > 0 {
		t.Errorf("listed: %v, %v", list, err)
	}
	if _, err := realm.Issue(want, func(natsauth.Credentials) error { return nil }); err != nil {
		t.Error(err)
	}
	if list, err := realm.Users().List(); err != nil || len(list) != 1 || list[0].Name != "tx" {
		t.Errorf("listed: %v, %v", list, err)
	}
}
