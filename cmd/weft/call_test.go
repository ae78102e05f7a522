package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/typed"
)

// What a command writes is had byte for byte in a file and a pipe; programs get it as JSON that is whole.
func TestTheOutputOfACommandIsHadAsItIs(t *testing.T) {
	const bin, words, diag = "\x00\xff\n\r\x1b\x07", "a word\n", "\x1b[1merr\r\n"
	for _, c := range []struct {
		output format
		bin    string
		stdout string
		want   string
		errs   string
	}{
		{formatText, "text", bin, bin, diag},
		{formatWide, "text", bin, bin, diag},
		{formatText, "raw", bin, bin, diag},
		{formatText, "base64", bin, "AP8KDRsH\n", "G1sxbWVycg0K\n"},
		{formatText, "base64", "", "", "G1sxbWVycg0K\n"},
		{formatJSON, "text", bin, "{\n  \"stdout\": {\n    \"$bytes\": \"AP8KDRsH\"\n  },\n" +
			"  \"stderr\": \"\\u001b[1merr\\r\\n\",\n  \"exit_code\": 3\n}\n", ""},
		{formatJSON, "text", words, "{\n  \"stdout\": \"a word\\n\",\n" +
			"  \"stderr\": \"\\u001b[1merr\\r\\n\",\n  \"exit_code\": 3\n}\n", ""},
		{formatJSON, "base64", words, "{\n  \"stdout\": {\n    \"$bytes\": \"YSB3b3JkCg==\"\n  },\n" +
			"  \"stderr\": {\n    \"$bytes\": \"G1sxbWVycg0K\"\n  },\n  \"exit_code\": 3\n}\n", ""},
		{formatYAML, "text", bin, "stdout:\n    $bytes: AP8KDRsH\nstderr: \"\\e[1merr\\r\\n\"\nexit_code: 3\n", ""},
	} {
		outcome := typed.Outcome{Stdout: []byte(c.stdout), Stderr: []byte(diag), Code: 3}
		answer := &operate.Answer{Payload: outcome.Encode(), Outcome: &outcome}
		name := filepath.Join(t.TempDir(), "out")
		out, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		a := &app{terminal: terminal{out: out, err: shown{&errs}, output: c.output}}
		err = showAnswer(a, answer, c.bin)
		_ = out.Close()
		var code silentError
		if !errors.As(err, &code) || code != 3 {
			t.Errorf("%s, %s: %v, want exit code 3", c.output, c.bin, err)
		}
		got, err := os.ReadFile(name)
		if err != nil || string(got) != c.want || errs.String() != c.errs {
			t.Errorf("%s, %s: %q and %q, %v, want %q and %q", c.output, c.bin, got, &errs, err, c.want, c.errs)
		}
	}
}

// --bin raw has no form in JSON. It says so before anything is called.
func TestRawAnswersAreNoJSON(t *testing.T) {
	var out, errs bytes.Buffer
	code := run([]string{"call", "echo", "run", "-b", "raw", "-o", "yaml"}, strings.NewReader(""), &out, &errs)
	if text := errs.String(); code != exitUsage || !strings.Contains(text, "leave out --output yaml") {
		t.Errorf("%d: %s", code, text)
	}
}

// A negative number is taken for a flag, and the error says how it is none.
func TestANegativeArgumentOfACallIsToldTheWay(t *testing.T) {
	for arg, want := range map[string]string{
		"-1":        "weft call ACTOR OPERATION -- -1\n",
		"-0.5":      "weft call ACTOR OPERATION -- -0.5\n",
		"-Infinity": "weft call ACTOR OPERATION -- -Infinity\n",
		"--verbose": "weft call ACTOR OPERATION -- --verbose\n",
	} {
		var out, errs bytes.Buffer
		code := run([]string{"call", "typed", "of-s8", arg}, strings.NewReader(""), &out, &errs)
		if text := errs.String(); code != exitUsage || !strings.HasSuffix(text, want) {
			t.Errorf("%s: %d: %s", arg, code, text)
		}
	}
	cmd := callCmd(new(app))
	if err := cmd.ParseFlags([]string{"typed", "of-s8", "--", "-1"}); err != nil || cmd.Flags().Arg(2) != "-1" {
		t.Errorf("%q, %v", cmd.Flags().Args(), err)
	}
	if err := cmd.FlagErrorFunc()(cmd, errors.New("x")); !usage.Is(err) || strings.Contains(err.Error(), "--") {
		t.Errorf("another mistake: %v", err)
	}
}
