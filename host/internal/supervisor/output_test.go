package supervisor

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestReadLines(t *testing.T) {
	long := strings.Repeat("a", 16)
	for _, tc := range []struct {
		name, input string
		want        []string
	}{
		{"empty", "", nil},
		{"lines", "a\nb\r\n\nc", []string{"a", "b", "", "c"}},
		{"exactly the limit", long[:15] + "\nb\n", []string{long[:15], "b"}},
		{"over the limit", long + long + long + "\nb\n", []string{long + "!", "b"}},
		{"over the limit at the end", long + long, []string{long + "!"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			err := readLines(strings.NewReader(tc.input), 16, func(line []byte, cut bool) {
				s := string(line)
				if cut {
					s += "!"
				}
				got = append(got, s)
			})
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

func TestParseRecord(t *testing.T) {
	for _, tc := range []struct{ name, line, want string }{
		{"slog JSON", `{"time":"2026-01-02T03:04:05Z","level":"ERROR","msg":"no redis","addr":"x","n":1}`,
			"ERROR no redis [addr=x n=1]"},
		{"slog text", `time=2026-01-02T03:04:05Z level=DEBUG msg="a \"b\"" k=v q="w x"`, `DEBUG a "b" [k=v q=w x]`},
		{"slog text without time", `level=INFO+1 msg=hi`, "INFO+1 hi []"},
		{"tracing JSON", `{"timestamp":"t","level":"WARN","fields":{"message":"slow","ms":3},"target":"kv"}`,
			"WARN slow [ms=3 target=kv]"},
		{"tracing text", "2026-01-02T03:04:05Z  INFO kvredis: up", "INFO 2026-01-02T03:04:05Z  INFO kvredis: up []"},
		{"tracing text in colour", "\x1b[2m2026\x1b[0m \x1b[31mERROR\x1b[0m x: y",
			"ERROR \x1b[2m2026\x1b[0m \x1b[31mERROR\x1b[0m x: y []"},
		{"env_logger", "[2026-01-02T03:04:05Z TRACE kv] up", "DEBUG-4 [2026-01-02T03:04:05Z TRACE kv] up []"},
		{"env_logger bare", "[ERROR kv] up", "ERROR [ERROR kv] up []"},
		{"plain", "Starting capability provider", "INFO Starting capability provider []"},
		{"a level too late", "it is said that ERROR", "INFO it is said that ERROR []"},
		{"no level word", "error is a word", "INFO error is a word []"},
		{"JSON of another kind", `{"hello":1}`, `INFO {"hello":1} []`},
		{"broken JSON", `{"level":"ERROR"`, `INFO {"level":"ERROR" []`},
		{"JSON without message", `{"level":"ERROR","k":1}`, "ERROR  [k=1]"},
		{"JSON with null fields", `{"level":"ERROR","fields":null}`, "ERROR  [fields=<nil>]"},
		{"text without message", `level=INFO`, "INFO level=INFO []"},
		{"equations", `a = b`, "INFO a = b []"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := parseRecord(tc.line, slog.LevelInfo)
			if got := fmt.Sprintf("%s %s %v", rec.level, rec.message, rec.attrs); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{`{"level":"INFO","msg":"x"}`, `level=INFO msg="x`, "\x1b[", "\x1b[31", "= =",
		`{"level":1}`, "[INFO]", `a="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if rec := parseRecord(s, slog.LevelWarn); rec.message == "" && rec.level == slog.LevelWarn && s != "" &&
			len(rec.attrs) == 0 &&
			!strings.ContainsAny(s, "{=") {
			t.Errorf("%q is lost", s)
		}
	})
}

func TestTail(t *testing.T) {
	var tl tail
	for i := range 50 {
		tl.add(fmt.Sprint(i))
	}
	tl.add(strings.Repeat("ü", tailBytes))
	got := tl.lines()
	if len(got) != tailLines || got[0] != "31" || len(got[tailLines-1]) > tailBytes+3 {
		t.Errorf("%d lines, first %q", len(got), got[0])
	}
	tl.add("more")
	if got[0] != "31" {
		t.Error("a snapshot changed")
	}
}
