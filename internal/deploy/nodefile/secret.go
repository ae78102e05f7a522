package nodefile

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is text that does not show when it is printed, logged or marshalled.
type Secret string

const hidden = "(secret)"

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns "(secret)", or "" when there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format prints String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue logs String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText gives String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
