// Package shape describes what the values of a YAML or JSON file may be. From one description a Shape reads values
// strictly, by a strictyaml.Walker, writes them, and tells the JSON Schema (draft 2020-12) of them, so that the three
// cannot differ.
//
//	var spread = shape.Object(func() Spread { return Spread{Weight: 100} }, []shape.Field[Spread]{
//		shape.Required("zone", func(s *Spread) *string { return &s.Zone }, shape.Loose(), "where"),
//		shape.Optional("weight", func(s *Spread) *int { return &s.Weight }, shape.Whole(1, 1000), "its share"),
//	})
//
// A Shape is not changed once made, and safe for concurrent use.
package shape
