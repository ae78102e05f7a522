package linkvalue_test

import (
	"fmt"
	"time"

	"github.com/weftlattice/weft/lattice/linkvalue"
)

var greeter = &linkvalue.Table{Provider: "greeter", Contract: "acme:greeter", Fields: []linkvalue.Field{
	{Name: "greeting", Kind: linkvalue.Text(), Default: "Hello", Doc: "how to greet"},
	{Name: "patience", Kind: linkvalue.Span(time.Second), Default: "10s", Doc: "how long to wait for an answer"},
}}

func ExampleTable() {
	s, err := greeter.Read(linkvalue.Values{"PATIENCE": "1m"}, nil)
	fmt.Println(s.Text("greeting"), s.Span("patience"), err)
	for _, p := range greeter.Check(linkvalue.Values{"greting": "Good evening"}) {
		fmt.Println("wrong:", p.Name)
	}
	// Output:
	// Hello 1m0s <nil>
	// wrong: greting
}
