package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/term"

	"github.com/weftlattice/weft/internal/deploy/environ"
	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
)

// terminal is where a command reads from and writes to, and in which form.
type terminal struct {
	in         io.Reader
	out        io.Writer
	err        io.Writer
	output     format
	quiet      bool
	structured *slog.Logger // where say goes once a host logs JSON; nil: to standard error as text
}

// format is the value of --output.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
	formatYAML format = "yaml"
	formatWide format = "wide" // text whose tables show all
)

// textual reports whether results are for people.
func (f format) textual() bool { return f == formatText || f == formatWide }

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "text|wide|json|yaml" }
func (f *format) Set(s string) error {
	switch format(s) {
	case formatText, formatWide, formatJSON, formatYAML:
		*f = format(s)
		return nil
	}
	return errors.New("want text, wide, json or yaml")
}

// guessOutput finds --output before flags are parsed, so that a usage error is shown in the format asked for.
func (t *terminal) guessOutput(args []string) {
	if _, v, found := environ.Lookup("output"); found {
		_ = t.output.Set(v)
	}
	for i, arg := range args {
		value := ""
		switch {
		case arg == "--":
			return
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			value = args[i+1]
		case len(arg) > 9 && arg[:9] == "--output=":
			value = arg[9:]
		case len(arg) > 2 && arg[:2] == "-o":
			value = arg[2:]
			if value[0] == '=' {
				value = value[1:]
			}
		default:
			continue
		}
		_ = t.output.Set(value)
	}
}

// readInput reads a file, or standard input for "-", of at most limit bytes.
func (t *terminal) readInput(file string, limit int64) ([]byte, error) {
	return localfile.Input(file, t.in, limit)
}

// say writes a line for people to standard error: progress, hints, warnings. Programs do not get it.
func (t *terminal) say(format string, args ...any) {
	switch {
	case t.structured != nil: // one form for the whole log
		t.structured.Info(strings.TrimPrefix(fmt.Sprintf(format, inLine(args)...), "- "))
	case t.output.textual() && !t.quiet:
		printf(t.err, format+"\n", args...)
	}
}

// print shows one result: v as JSON or YAML, or what text writes.
func (t *terminal) print(v any, text func(w io.Writer)) error {
	if t.output.textual() {
		text(shown{t.out})
		return nil
	}
	return t.encode(v, "  ")
}

// printEach is print for one item of a stream: a line of JSON, a YAML document, or lines of text.
func (t *terminal) printEach(v any, text func(w io.Writer)) error {
	if t.output == formatYAML {
		fmt.Fprintln(t.out, "---")
	}
	if t.output.textual() {
		text(shown{t.out})
		return nil
	}
	return t.encode(v, "")
}

func (t *terminal) encode(v any, indent string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	// JSON may have raw DEL and U+0080 to U+009F; the escapes are JSON, too
	text := lattice.VisibleLines(buf.String(), "\n")
	buf.Reset()
	buf.WriteString(text)
	if t.output == formatYAML {
		// JSON is YAML: reading it as such keeps names and order.
		var node yaml.Node
		if err := yaml.Unmarshal(buf.Bytes(), &node); err != nil {
			return err
		}
		blockStyle(&node)
		text, err := yaml.Marshal(&node)
		if err != nil {
			return err
		}
		buf.Reset()
		buf.Write(text)
	}
	_, err := t.out.Write(buf.Bytes())
	return err
}

func blockStyle(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// printError shows an error in the chosen format.
func (t *terminal) printError(err error) {
	var silent silentError
	if errors.As(err, &silent) {
		return
	}
	if t.output.textual() {
		fmt.Fprintf(t.err, "weft: %s\n", err)
		return
	}
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	line, _ := json.Marshal(struct {
		Success bool   `json:"success"`
		Error   detail `json:"error"`
	}{false, detail{errorWord(err), err.Error()}})
	fmt.Fprintf(t.err, "%s\n", line)
}

// Text of others — names, messages, logs of guests — gets to the terminal through this file: shown keeps all of it from
// doing more than being shown, and printf, fields and table keep one value from looking like several lines.

// shown writes text for people, without what would steer a terminal: see lattice.Visible. Ends of lines and tabs stay.
type shown struct{ io.Writer }

func (t shown) Write(b []byte) (int, error) {
	if _, err := io.WriteString(t.Writer, lattice.VisibleLines(string(b), "\n\t")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// asTheyAre returns a writer for the bytes of a guest's program: a file or a pipe gets them as they are, a terminal as
// shown.
func asTheyAre(w io.Writer) io.Writer {
	if s, is := w.(shown); is {
		w = s.Writer
	}
	if f, is := w.(*os.File); is && term.IsTerminal(int(f.Fd())) {
		return shown{w}
	}
	return w
}

// printf is fmt.Fprintf whose texts stay in their lines. Errors may have several.
func printf(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format, inLine(args)...)
}

func inLine(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		out[i] = arg
		if _, is := arg.(error); is {
			continue
		}
		if s, is := arg.(fmt.Stringer); is {
			out[i] = lattice.Visible(s.String())
		} else if v := reflect.ValueOf(arg); v.Kind() == reflect.String {
			out[i] = lattice.Visible(v.String())
		}
	}
	return out
}

// below shows text of several lines: those after the first are indented, so that they are no lines of ours.
func below(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n")
	return strings.ReplaceAll(text, "\n", "\n    ")
}

// askPassphrase asks a person, without echo; twice when the passphrase is new.
func (t *terminal) askPassphrase(why string, fresh bool) ([]byte, error) {
	tty, err := openTTY()
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrDenied, Op: "open", Entity: why,
			Detail: "it is encrypted and there is no terminal to ask at; give --key-passphrase-file FILE, " +
				"or WEFT_KEY_PASSPHRASE_FILE"}
	}
	defer tty.Close()
	ask := func(prompt string) ([]byte, error) {
		fmt.Fprint(t.err, prompt)
		secret, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(t.err)
		if err == nil && len(secret) == 0 {
			err = usage.Errorf("the passphrase is empty")
		}
		return secret, err
	}
	if !fresh {
		return ask("Passphrase for " + why + ": ")
	}
	secret, err := ask("New passphrase for " + why + ": ")
	if err != nil {
		return nil, err
	}
	again, err := ask("The same again: ")
	if err == nil && !bytes.Equal(secret, again) {
		err = usage.Errorf("the two passphrases differ")
	}
	return secret, err
}

// openTTY opens the terminal of a person who sees what this command says.
func openTTY() (*os.File, error) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil, errors.New("nobody is watching")
	}
	return os.OpenFile(terminalDevice, os.O_RDONLY, 0)
}
