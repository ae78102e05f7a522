package instrument

// Unbounded takes the maximum of its memory away from a module that Rewrite has made, also of one that it imports;
// Result.MemoryMost is for the allocator to keep. Else a memory that is at its maximum could not ask for more, and with
// VisitFlag asking is how it is heard.
func Unbounded(wasm []byte) ([]byte, error) {
	sections, err := split(wasm)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(wasm)), wasm[:8]...)
	for _, sec := range sections {
		r := sec.reader()
		switch sec.id {
		case secMemory:
			r.Count("memories", 1)
			low, _, _ := r.limits()
			sec.b = appendU32([]byte{1, 0}, low)
		case secImport:
			sec.b = unboundedImports(r)
		}
		if r.Err != nil {
			return nil, r.Err
		}
		out = appendBytes(append(out, sec.id), sec.b)
	}
	return out, nil
}

// unboundedImports copies the imports, with that of a memory without its maximum.
func unboundedImports(r *reader) []byte {
	n := r.Count("imports", maxEntries)
	out := appendU32(make([]byte, 0, len(r.B)), n)
	for ; n > 0 && r.Err == nil; n-- {
		from := r.Off
		r.Name()
		r.Name()
		switch ImportKind(r.Byte()) {
		case FuncImport:
			r.U32()
		case TableImport:
			r.RefType()
			r.limits()
		case MemoryImport:
			out = append(out, r.B[from:r.Off]...)
			low, _, _ := r.limits()
			out = appendU32(append(out, 0), low)
			continue
		case GlobalImport:
			r.Take(2)
		}
		out = append(out, r.B[from:r.Off]...)
	}
	return out
}
