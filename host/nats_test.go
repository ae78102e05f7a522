package host

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/natsconn"
)

// What an embedder says of NATS is what the host connects with: no field is lost on the way, and a field that is new in
// package natsconn is either offered here or listed as one that hosts set themselves.
func TestWhatIsSaidOfNATSIsWhatTheHostConnectsWith(t *testing.T) {
	var said NATS
	fields := reflect.ValueOf(&said).Elem()
	for i := range fields.NumField() {
		switch f := fields.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprintf("value %d", i))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Func: // Login has another form there
			said.Login = func() (jwt, seed string, err error) { return "a token", "a seed", nil }
		default:
			t.Fatalf("field %s is of a kind that this test does not know", fields.Type().Field(i).Name)
		}
	}
	used := reflect.ValueOf(said.config())
	own := strings.Fields("Name JSDomain ConnectTimeout ReconnectBufferBytes DrainTimeout RetryOnFailedConnect " +
		"Background InProcess Logger")
	for i := range used.NumField() {
		name := used.Type().Field(i).Name
		want := fields.FieldByName(name)
		switch {
		case name == "Login":
			if got, want := said.config().Login(), (natsconn.Login{JWT: "a token", Seed: "a seed"}); got != want {
				t.Errorf("Login: the host connects as %v", got)
			}
		case !want.IsValid() && !slices.Contains(own, name):
			t.Errorf("natsconn.Config.%s: offer it in NATS, or list it here", name)
		case want.IsValid() && !used.Field(i).Equal(want):
			t.Errorf("%s: the host connects with %v, and %v was said", name, used.Field(i), want)
		}
	}
}

func TestPrintingNATSShowsNoSecret(t *testing.T) {
	n := NATS{URL: "nats://user:secret@127.0.0.1:4222", Password: "secret", Seed: "secret", Token: "secret"}
	if text := fmt.Sprintf("%v %+v %#v %s", n, n, n, n.LogValue()); strings.Contains(text, "secret") {
		t.Errorf("printed: %s", text)
	}
	if want := "host.NATS{" + natsconn.SafeURL(n.URL) + "}"; n.String() != want {
		t.Errorf("printed %s, want %s", n, want)
	}
}
