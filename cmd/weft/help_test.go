package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// What help says of flags fits a terminal, with all that it says.
func TestHelpOfFlagsFitsTheTerminal(t *testing.T) {
	root := rootCmd(new(app))
	pages := 0
	eachCommand(root, func(c *cobra.Command) {
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		_, flags, _ := strings.Cut(out.String(), "\nFlags:\n")
		if _, after, global := strings.Cut(out.String(), "Global Flags:\n"); global && flags == "" {
			flags = after
		}
		for line := range strings.Lines(flags) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > tableWidth {
				t.Errorf("%s: %d columns: %s", c.CommandPath(), n, line)
			}
		}
		if strings.Contains(flags, "--output") {
			pages++
		}
	})
	if pages < 60 {
		t.Errorf("%d pages with flags: the search is wrong", pages)
	}
	host, _, err := root.Find([]string{"host", "run"})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(host.UsageString()), " ")
	if want := "folder below which link values may name files (certificates, keys), " +
		"besides the folder \"files\" of the data directory; may be repeated"; !strings.Contains(text, want) {
		t.Errorf("no %q in\n%s", want, text)
	}
}
