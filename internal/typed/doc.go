// Package typed carries values of the component model between components, and between people and components: as msgpack
// in the payloads of calls, and as JSON on the command line. What a value may be says its type, which travels as text.
//
// JSON and msgpack have the same form:
//
//	bool                 true, false
//	s8 … u64             a whole number; in JSON also its digits as text
//	f32, f64             a number; in JSON "NaN", "Infinity" and "-Infinity" as text
//	char                 text of one character
//	string               text
//	list<u8>             bytes; in JSON text, {"$bytes":"BASE64"} or a list of numbers
//	other lists, tuple   a list
//	record               a map of all fields; an option that is not there is none
//	variant              {"case": value}, or "case" where the case has no value
//	enum                 "case"
//	option               null, or the value; where that is an option itself: null, or {"some": value}
//	result               {"ok": value} or {"err": value}
//	flags                a list of those that are set
//
// What a call carries is the list of its parameters; what it answers is its result, or nothing where it has none. There
// is one encoding of each value: fields and flags come in the order of the type, and numbers are as short as they can
// be. Readers take fields and flags in any order.
//
// As Go values they are those of package abi of hosts: a record is an []any in the order of its fields, and so on.
package typed
