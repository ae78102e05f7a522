package values

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/deploy/usage"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Numbers and truth values stay as they are written, and what is null is not there.
func TestAPairWinsOverAFileAndALaterFileOverAnEarlierOne(t *testing.T) {
	first, second := file(t, "a: 1.50\nb: yes\nc: x\nn: null\n"), file(t, `{"b": "two", "d": 007}`)
	got, err := Actor([]string{"c=from=pair", first, second}, nil)
	if want := (map[string]string{"a": "1.50", "b": "two", "c": "from=pair", "d": "007"}); err != nil ||
		!maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if files := Files([]string{"c=1", first}); len(files) != 1 || files[0] != first {
		t.Errorf("files %v", files)
	}
}

func TestValuesComeFromStandardInput(t *testing.T) {
	got, err := Link([]string{"port=8081"}, "-", strings.NewReader("port: 8080\npath: /api\n"))
	if want := (map[string]string{"port": "8081", "path": "/api"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestProviderConfigurationBecomesJSON(t *testing.T) {
	for value, want := range map[string]string{"": "", ` {"a":1}`: ` {"a":1}`,
		file(t, "a: [1, two]"): `{"a":[1,"two"]}`, file(t, `{"a":1}`): `{"a":1}`} {
		if got, err := Provider(value, nil); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", value, got, err, want)
		}
	}
}

func TestWhatCannotBeReadNamesTheFlag(t *testing.T) {
	pairs := func(list ...string) error { _, err := Pairs("--label", list); return err }
	actor := func(list ...string) error { _, err := Actor(list, nil); return err }
	provider := func(value string) error { _, err := Provider(value, nil); return err }
	nested := file(t, "a: 1\nb:\n  c: 2\n")
	for _, c := range []struct {
		err  error
		want string
	}{
		{pairs("zone"), `--label "zone": want key=value`},
		{pairs("=x"), `--label "=x": want key=value`},
		{pairs("a=1", "a=2"), `--label a is given twice`},
		{actor("no-such-file"), `--config "no-such-file": want key=value, or a file`},
		{actor(nested), `line 3: b: want text, a number or a truth value`},
		{provider(`{"a":`), `--config: the JSON is malformed`},
		{provider(file(t, "a: [")), `neither JSON nor YAML`},
	} {
		if c.err == nil || !usage.Is(c.err) || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%v, want a usage error with %s", c.err, c.want)
		}
	}
}
