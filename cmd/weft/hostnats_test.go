package main

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/weftlattice/weft/internal/natsconn"
)

// What flags, contexts and tokens say of NATS is what the host gets, without a field lost on the way.
func TestHostGetsWhatIsSaidOfNATS(t *testing.T) {
	var said natsconn.Config
	fields := reflect.ValueOf(&said).Elem()
	for i := range fields.NumField() {
		switch f := fields.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprintf("value %d", i))
		case reflect.Bool:
			f.SetBool(true)
		}
	}
	got := reflect.ValueOf(hostNATS(said))
	for i := range got.NumField() {
		name := got.Type().Field(i).Name
		if got.Field(i).Kind() == reflect.Func { // Login, which a token sets
			continue
		}
		if want := fields.FieldByName(name); !got.Field(i).Equal(want) {
			t.Errorf("%s: the host gets %v, and %v was said", name, got.Field(i), want)
		}
	}
}
