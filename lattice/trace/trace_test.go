package trace

import (
	"context"
	"strconv"
	"strings"
	"testing"
)

const example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParse(t *testing.T) {
	c, ok := Parse(example, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
	if !ok || c.Traceparent() != example || c.Flags != Sampled || c.State != "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE" {
		t.Fatalf("parsed %+v, %v", c, ok)
	}
	for name, good := range map[string]string{
		"unsampled":     example[:53] + "00",
		"spaces":        " " + example + "\t",
		"later version": "cc" + example[2:],
		"later longer":  "01" + example[2:] + "-what-the-future-brings",
	} {
		if c, ok := Parse(good, ""); !ok || !c.IsValid() || c.Traceparent()[:53] != example[:53] {
			t.Errorf("%s: refused", name)
		}
	}
	for name, bad := range map[string]string{
		"empty":          "",
		"short":          example[:54],
		"longer":         example + "-00",
		"later run on":   "01" + example[2:] + "00",
		"version ff":     "ff" + example[2:],
		"upper case":     strings.ToUpper(example),
		"no hex":         strings.Replace(example, "4bf", "4bg", 1),
		"zero trace":     "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"zero span":      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"wrong dash":     strings.Replace(example, "-", "_", 1),
		"flags not hex":  example[:53] + "0.",
		"version no hex": "0x" + example[2:],
	} {
		if c, ok := Parse(bad, "a=b"); ok || c != (Context{}) {
			t.Errorf("%s: accepted %q as %+v", name, bad, c)
		}
	}
	if c, _ := Parse(example[:53]+"ff", ""); c.Flags != Sampled|Random {
		t.Errorf("unknown flags kept: %x", c.Flags)
	}
}

func TestState(t *testing.T) {
	many := make([]string, 33)
	for i := range many {
		many[i] = "k" + strconv.Itoa(i) + "=v"
	}
	for _, good := range []string{"a=b", "a=b,c=d", "a=b , c=d,,", "tenant@vendor=x y", "0_-*/=!",
		strings.Join(many[:32], ",")} {
		if c, ok := Parse(example, good); !ok || c.State != good {
			t.Errorf("dropped %q", good)
		}
	}
	for _, bad := range []string{",", "a", "a=", "=b", "A=b", "a=b,a=c", "a=b=c", "a@b@c=d", "a@=d", "a=b\x7f", "a=ü",
		strings.Join(many, ","), "a=" + strings.Repeat("x", 257), strings.Repeat("k", 257) + "=v",
		"a=" + strings.Repeat("x", 600)} {
		if c, ok := Parse(example, bad); !ok || c.State != "" {
			t.Errorf("state %q: %v, kept %q; want the trace without it", bad, ok, c.State)
		}
	}
}

func TestChildKeepsTheTrace(t *testing.T) {
	parent, _ := Parse(example, "a=b")
	child := parent.Child()
	if child.TraceID != parent.TraceID || child.SpanID == parent.SpanID || child.Flags != parent.Flags ||
		child.State != "a=b" {
		t.Errorf("child of %+v is %+v", parent, child)
	}
	if a, b := New(), New(); !a.IsValid() || a.TraceID == b.TraceID || a.SpanID == b.SpanID {
		t.Errorf("new traces %+v and %+v", a, b)
	}
	if none := (Context{}); none.IsValid() || none.Traceparent() != "" || !none.Child().IsValid() {
		t.Error("the zero context is not none")
	}
}

func TestContext(t *testing.T) {
	if _, ok := From(context.Background()); ok {
		t.Error("found a trace where there is none")
	}
	want := New()
	if got, ok := From(With(context.Background(), want)); !ok || got != want {
		t.Errorf("got %+v, %v", got, ok)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example, "a=b")
	f.Add("01-"+example[3:]+"-x", ",,a=b")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, parent, state string) {
		c, ok := Parse(parent, state)
		if !ok {
			if c != (Context{}) {
				t.Error("refused, yet something came back")
			}
			return
		}
		again, ok := Parse(c.Traceparent(), c.State)
		if !ok || again != c {
			t.Errorf("%+v came back as %+v, %v", c, again, ok)
		}
	})
}

func BenchmarkChild(b *testing.B) {
	c := New()
	for b.Loop() {
		if c = c.Child(); c.Traceparent() == "" {
			b.Fatal("lost the trace")
		}
	}
}
