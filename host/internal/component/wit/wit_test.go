package wit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/plan"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/component/wit"
)

func TestWorldOfAComponent(t *testing.T) {
	b, err := os.ReadFile("../testdata/hello.wasm")
	if err != nil {
		t.Fatal(err)
	}
	c, err := binary.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(c)
	if err != nil {
		t.Fatal(err)
	}
	world := wit.World(p)
	for _, want := range []string{`
  import wasi:io/streams@0.2.12: interface {
    use wasi:io/error@0.2.12.{error};
    use wasi:io/poll@0.2.12.{pollable};
    resource output-stream {
      check-write: func() -> result<u64, stream-error>;
`, `
    variant stream-error {
      last-operation-failed(error),
      closed,
    }
`, `
    resource outgoing-response {
      constructor(headers: headers);
`, `
    type field-name = field-key;
`, `
    type headers = fields;
`, `
      append: func(name: field-name, value: field-value) -> result<_, header-error>;
`, `
      set: static func(param: response-outparam, response: result<outgoing-response, error-code>);
`, `
    get-environment: func() -> list<tuple<string, string>>;
`, `
  export wasi:http/incoming-handler@0.2.12: interface {
    use wasi:http/types@0.2.12.{incoming-request, response-outparam};
    handle: func(request: incoming-request, response-out: response-outparam);
  }
}
`} {
		if !strings.Contains(world, want) {
			t.Errorf("no%sin\n%s", want, world)
		}
	}
	handle := plan.Find(p.Exports[0].Items, "handle").Func.Type
	want := "func(request: wasi:http/types incoming-request, response-out: wasi:http/types response-outparam)"
	if got := wit.Shape(handle); got != want {
		t.Errorf("shape %s, want %s", got, want)
	}
}

// A type of 2⁴⁵ parts is written soon, and shortly.
func TestShapeOfATypeThatMultiplies(t *testing.T) {
	typ := types.Primitive(types.U8)
	for range 45 {
		l, err := types.NewList(typ, 0)
		if err != nil {
			t.Fatal(err)
		}
		if typ, err = types.NewRecord([]types.Field{{Type: l}, {Type: l}}); err != nil {
			t.Fatal(err)
		}
	}
	f, err := types.NewFunc(nil, typ)
	if err != nil {
		t.Fatal(err)
	}
	if s := wit.Shape(f); len(s) > 1<<20 || !strings.Contains(s, "…") {
		t.Errorf("%d bytes", len(s))
	}
}
