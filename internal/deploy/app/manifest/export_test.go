package manifest

import "github.com/weftlattice/weft/internal/deploy/strictyaml"

// Misshapen reads a document of our own format, and returns how many problems its form has: those which the schema
// knows, too.
func Misshapen(data []byte) int {
	w := new(strictyaml.Walker)
	if root := w.Document(data, "application"); root != nil {
		document.Read(w, root, "")
	}
	return w.Misshapen()
}
