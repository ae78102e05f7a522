package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every word that another tool's users type leads to a command that exists.
func TestOtherWordsLeadSomewhere(t *testing.T) {
	root := rootCmd(new(app))
	root.InitDefaultHelpCmd()
	for word := range otherWords {
		if c, _, err := root.Find([]string{word}); err == nil && c != root {
			continue // weft has it
		}
		hint := meantCommand(root, []string{word})
		if hint == "" {
			// At least one noun knows it.
			if !slices.ContainsFunc(root.Commands(), func(noun *cobra.Command) bool {
				return noun.HasSubCommands() && meantCommand(noun, []string{word}) != ""
			}) {
				t.Errorf("%s leads nowhere", word)
			}
			continue
		}
		for _, path := range strings.Split(strings.ReplaceAll(hint, " or ", ", "), ", ") {
			args := strings.Fields(path)[1:]
			if c, _, err := root.Find(args); err != nil || c == root {
				t.Errorf("%s: there is no %s", word, path)
			}
		}
	}
	for from, to := range otherFlags {
		if from == "" || len(to) == 0 {
			t.Errorf("%q leads nowhere", from)
		}
	}
}
