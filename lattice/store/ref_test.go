package store

import (
	"errors"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
)

func TestRefs(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	o := watchStore(t, s)
	must(t, s.PutRef(t.Context(), Ref{"reg.example/echo:1", actor}))
	must(t, s.PutRef(t.Context(), Ref{"reg.example/echo:1", actor})) // as it is
	kv := rawBucket(t, env)
	// The form of the dialect, byte by byte.
	if e, err := kv.Get(t.Context(), "REFMAP_cmVnLmV4YW1wbGUvZWNobzox"); err != nil ||
		string(e.Value()) != `{"oci_url":"reg.example/echo:1","public_key":"`+actor+`"}` || e.Revision() != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	// What others write: wrong ones are left out, and deletions of both kinds count.
	for key, value := range map[string]string{"REFMAP_eA": `{"oci_url":"y","public_key":"` + actor + `"}`,
		"REFMAP_eQ": `{"oci_url":"y","public_key":"x"}`, "REFMAP_!": "{", "REFMAP_": "{}"} {
		if _, err := kv.PutString(t.Context(), key, value); err != nil {
			t.Logf("%s is no key: %v", key, err)
		}
	}
	if _, err := kv.PutString(t.Context(), "REFMAP_eg", `{"public_key":"`+provider+`","oci_url":"z"}`); err != nil {
		t.Fatal(err)
	}
	o.awaitCalls("ref reg.example/echo:1 is "+actor,
		"ref z is "+provider) // the bucket keeps the last word on a key only
	must(t, kv.Purge(t.Context(), "REFMAP_eg"))
	must(t, kv.Delete(t.Context(), "REFMAP_cmVnLmV4YW1wbGUvZWNobzox"))
	o.awaitCalls("ref reg.example/echo:1 is "+actor, "ref z is "+provider, "unref z", "unref reg.example/echo:1")
	for _, r := range []Ref{{"", actor}, {"x", "M"}} {
		if err := s.PutRef(t.Context(), r); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("%v: %v", r, err)
		}
	}
}
