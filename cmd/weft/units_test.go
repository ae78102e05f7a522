package main

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestFlagsWithUnits(t *testing.T) {
	var short, free, ms time.Duration
	var bytes uint64
	var signed int64
	var many int
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	spanFlag(f, &short, "span", 0, time.Millisecond, "")
	spanFlag(f, &free, "from-zero", time.Minute, 0, "")
	millisFlag(f, &ms, "ms", 2*time.Second, "")
	sizeFlag(f, &bytes, "size", "64MiB", "")
	sizeFlag(f, &signed, "room", "", "")
	countFlag(f, &many, "count", "n", "")
	if short != 0 || free != time.Minute || ms != 2*time.Second || bytes != 64<<20 || signed != 0 || many != 0 {
		t.Errorf("defaults %v %v %v %d %d %d", short, free, ms, bytes, signed, many)
	}
	for _, tt := range []struct {
		flag, good string
		value      func() any
		want       any
		bad        []string
	}{
		{"span", "1ms", func() any { return short }, time.Millisecond,
			[]string{"-1s", "999us", "5", "", "1e3s", "2562048h"}},
		{"span", "0", func() any { return short }, time.Duration(0), nil},
		{"from-zero", "0s", func() any { return free }, time.Duration(0), []string{"-1ns"}},
		{"ms", "1500", func() any { return ms }, 1500 * time.Millisecond,
			[]string{"-1", "18446744073711552", "9223372036855", "2s", "1.5", ""}},
		{"ms", "9223372036854", func() any { return ms }, 9223372036854 * time.Millisecond, nil},
		{"size", "2GiB", func() any { return bytes }, uint64(2 << 30),
			[]string{"17179869185GiB", "-1", "1.5G", "1025TiB", "64 apples", ""}},
		{"room", "1024TiB", func() any { return signed }, int64(1 << 50), []string{"1025TiB"}},
		{"count", "2147483647", func() any { return many }, math.MaxInt32, []string{"-1", "2147483648", "1k", ""}},
	} {
		for _, text := range tt.bad {
			if err := f.Set(tt.flag, text); err == nil || !strings.Contains(err.Error(), "--"+tt.flag) ||
				!strings.Contains(err.Error(), "want ") {
				t.Errorf("--%s %q: %v, want an error that names the flag and what it takes", tt.flag, text, err)
			}
		}
		if err := f.Set(tt.flag, tt.good); err != nil || tt.value() != tt.want {
			t.Errorf("--%s %s: %v, %v, want %v", tt.flag, tt.good, tt.value(), err, tt.want)
		}
	}
}

// Each flag for a time, a size or a number of things is made by units.go, so that none takes what is out of bounds.
func TestNoFlagTakesANegativeTimeOrNumber(t *testing.T) {
	mayBeNegative := map[string]bool{"nats-port": true, "key-passphrase-fd": true} // -1 is a free one, and none
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, set := range []*pflag.FlagSet{c.PersistentFlags(), c.LocalFlags()} {
			set.VisitAll(func(f *pflag.Flag) {
				text := map[string]string{"duration": "-1s", "int": "-1", "uint": "-1", "size": "-1",
					"int32": "-1"}[f.Value.Type()]
				if text == "" || mayBeNegative[f.Name] {
					return
				}
				if err := f.Value.Set(text); err == nil {
					t.Errorf("%s --%s %s is taken", c.CommandPath(), f.Name, text)
				}
			})
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(rootCmd(&app{terminal: terminal{out: io.Discard, err: shown{io.Discard}}}))
}
