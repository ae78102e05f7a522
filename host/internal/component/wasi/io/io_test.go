package io

import (
	"context"
	"errors"
	goio "io"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
)

// What is spliced is taken from one stream only as far as the other takes it: never more than there is room for where
// the guest does not wait, nothing when the other is closed, and nothing is waited for when no bytes are asked for.
func TestSpliceLosesNothing(t *testing.T) {
	var sunk string
	var fails error
	left := "twelve bytes"
	room := 5
	in := &Input{Next: func(_ context.Context, most int, wait bool) ([]byte, error) {
		if most == 0 && wait {
			t.Error("it waits for no bytes")
		}
		if left == "" {
			return nil, goio.EOF
		}
		b := []byte(left[:min(most, len(left))])
		left = left[len(b):]
		return b, nil
	}}
	out := &Output{Room: func() int { return room }, Sink: func(_ context.Context, b []byte) error {
		sunk += string(b)
		return fails
	}}
	splice := func(name string, most uint64) abi.Variant {
		v, err := ioStreams["[method]output-stream."+name].Call(&face.Call{Context: t.Context(), Pay: func(int) {}},
			[]any{face.Rep(out), face.Rep(in), most})
		if err != nil {
			t.Fatal(err)
		}
		return v.(abi.Variant)
	}
	for _, s := range []struct {
		name string
		most uint64
		want uint64
		all  string
	}{{"splice", 100, 5, "twelv"}, {"blocking-splice", 0, 0, "twelv"}, {"blocking-splice", 6, 6, "twelve byte"}} {
		if got := splice(s.name, s.most); got != face.Good(s.want) || sunk != s.all {
			t.Errorf("%s of %d gives %v, and %q is written; want %d, %q", s.name, s.most, got, sunk, s.want, s.all)
		}
	}
	room = 0
	if got := splice("splice", 100); got != face.Good(uint64(0)) || left != "s" {
		t.Errorf("splice without room gives %v, %q is left", got, left)
	}
	room, fails = 5, errors.New("nobody reads")
	out.write(&face.Call{Context: t.Context(), Pay: func(int) {}}, nil)
	if got := splice("splice", 100); got.Case != 1 || left != "s" {
		t.Errorf("splice into a closed stream gives %v, %q is left", got, left)
	}
	out.closed, fails = false, nil
	if got := splice("splice", 100); got != face.Good(uint64(1)) || sunk != "twelve bytes" {
		t.Errorf("the rest gives %v, %q is written", got, sunk)
	}
	if got := splice("splice", 100); got.Case != 1 {
		t.Errorf("the end gives %v", got)
	}
}
