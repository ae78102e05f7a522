package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/lattice"
)

// Flags that take a unit, or a number of things, are made here. What is out of bounds is a mistake in the command line,
// and no negative or wrapped value comes through.

// spanFlag adds a flag for a length of time, as 300ms or 2m. It is least or more, or the default.
func spanFlag(f *pflag.FlagSet, to *time.Duration, name string, def, least time.Duration, usage string) {
	*to = def
	f.Var(&span{to, def, least}, name, usage)
}

type span struct {
	*time.Duration
	def, least time.Duration
}

func (s *span) Type() string { return "duration" }
func (s *span) String() string {
	if s.Duration == nil || *s.Duration == 0 {
		return "0"
	}
	return s.Duration.String()
}

func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return errors.New("want a time as 300ms, 30s or 2h")
	case d != s.def && d < s.least:
		return fmt.Errorf("want %s or more", s.least)
	}
	*s.Duration = d
	return nil
}

// millisFlag adds a flag for a length of time that is given as milliseconds without a unit, as hosts of the dialect
// take it.
func millisFlag(f *pflag.FlagSet, to *time.Duration, name string, def time.Duration, usage string) {
	*to = def
	f.Var(&millis{to}, name, usage)
}

type millis struct{ *time.Duration }

func (m *millis) Type() string { return "uint" }
func (m *millis) String() string {
	if m.Duration == nil {
		return "0"
	}
	return strconv.FormatInt(m.Milliseconds(), 10)
}

func (m *millis) Set(text string) error {
	const most = math.MaxInt64 / int64(time.Millisecond)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most {
		return fmt.Errorf("want milliseconds, a number from 0 to %d", most)
	}
	*m.Duration = time.Duration(n) * time.Millisecond
	return nil
}

// sizeFlag adds a flag for a number of bytes, as lattice.ParseSize reads it. The default is shown as it is written; ""
// leaves to alone.
func sizeFlag[N int64 | uint64](f *pflag.FlagSet, to *N, name, def, usage string) {
	s := &size[N]{to: to}
	if def != "" {
		if err := s.Set(def); err != nil {
			panic(err) // it stands in the source
		}
	}
	f.Var(s, name, usage)
}

type size[N int64 | uint64] struct {
	to   *N
	text string
}

func (s *size[N]) Type() string   { return "size" }
func (s *size[N]) String() string { return s.text }
func (s *size[N]) Set(text string) error {
	n, err := lattice.ParseSize(text)
	if err != nil {
		return errors.New("want a number of bytes as 64MiB, up to 1024 TiB")
	}
	*s.to, s.text = N(n), text // 1024 TiB are less than an int64 holds
	return nil
}

// countFlag adds a flag for how many there are of something; what to has is the default. short is its letter,
// or "".
func countFlag(f *pflag.FlagSet, to *int, name, short, usage string) {
	f.VarP(&count{to}, name, short, usage)
}

type count struct{ to *int }

func (c *count) Type() string { return "uint" }
func (c *count) String() string {
	if c.to == nil {
		return "0"
	}
	return strconv.Itoa(*c.to)
}

func (c *count) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return fmt.Errorf("want a number from 0 to %d", math.MaxInt32)
	}
	*c.to = int(n)
	return nil
}
