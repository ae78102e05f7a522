// Package binary decodes WebAssembly components: from bytes to definitions in the order of the file.
//
// It checks what can be seen without resolving an index: the grammar, lengths, UTF-8, the form of names, and bounds on
// how much there is. It resolves nothing; package plan does. What belongs to WASI 0.3 or to a proposal that weft does
// not run is refused by its name, with the way out.
//
// The grammar is that of the component model's Binary.md (2026-08). Nothing is copied: modules and custom sections are
// parts of the file.
package binary
