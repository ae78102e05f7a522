package instrument

// Unbounded takes the maximum of its memory away from a module that Rewrite has made; Result.MemoryMost is for the
// allocator to keep. Else a memory that is at its maximum could not ask for more, and with VisitFlag asking is how it
// is heard.
func Unbounded(wasm []byte) ([]byte, error) {
	sections, err := split(wasm)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(wasm)), wasm[:8]...)
	for _, sec := range sections {
		if sec.id == secMemory {
			r := sec.reader()
			r.Count("memories", 1)
			low, _, _ := r.limits()
			if r.Err != nil {
				return nil, r.Err
			}
			sec.b = appendU32([]byte{1, 0}, low)
		}
		out = appendBytes(append(out, sec.id), sec.b)
	}
	return out, nil
}
