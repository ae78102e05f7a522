// Package filesystem is wasi:filesystem, which adapters ask for: guests have no folder, so that no descriptor exists
// whose methods could be called.
package filesystem

import "github.com/weftlattice/weft/host/internal/component/face"

// Family is all of wasi:filesystem.
var Family = face.Family{Absent: "guests have no files", Functions: map[string]map[string]face.Func{
	"wasi:filesystem/preopens@0.2": {"get-directories": face.Constant([]any{})},
	"wasi:filesystem/types@0.2":    {"filesystem-error-code": face.Constant(face.None)},
}}
