// Package linkvalue says which values links may have: their names, what they may be, their defaults and what they mean.
//
// A Table is written once for each built-in provider. The provider reads its links by it. The code that puts a link or
// reads a node's file checks values by it, and completion offers them, without a provider at hand. docs/providers.md
// shows it. A provider built on weft's SDK may have one of its own (Values of provider.Info): its processes check by
// it, which hosts ask before they store a link.
//
//	var table = &linkvalue.Table{Provider: "greeter", Contract: "acme:greeter", Fields: []linkvalue.Field{
//		{Name: "greeting", Kind: linkvalue.Text(), Default: "Hello", Doc: "how to greet"},
//		{Name: "patience", Kind: linkvalue.Span(time.Second), Default: "10s", Doc: "how long to wait for an answer"},
//	}}
//	settings, err := table.Read(values, nil) // settings.Text("greeting"), settings.Span("patience")
//
// The error names every value that is wrong, and the word that was probably meant. Tables are safe for concurrent use.
// Values and Settings may hold secrets, so that printing them shows their names only.
package linkvalue
