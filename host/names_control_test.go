package host

import (
	"strings"
	"testing"
)

func TestAHostWithControlCharactersInItsNameOrLabelsDoesNotStart(t *testing.T) {
	for what, c := range map[string]Config{
		"check host name": {FriendlyName: "ev\x1b[31mil"}, "check label": {Labels: map[string]string{"zone\n": "a"}},
		"check label zone": {Labels: map[string]string{"zone": "a\u009b"}},
	} {
		if err := c.ValidateSettings(); err == nil || !strings.Contains(err.Error(), what) ||
			!strings.Contains(err.Error(), "control characters") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
