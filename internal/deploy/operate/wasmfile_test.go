package operate

import (
	"slices"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// smallModule imports wapc.__host_call and a table, has 2 to 16 pages of memory, and exports a function and the memory.
var smallModule = slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
	[]byte("\x01\x04\x01\x60\x00\x00"),
	[]byte("\x02\x1e\x02\x04wapc\x0b__host_call\x00\x00\x03env\x01t\x01\x70\x00\x01"),
	[]byte("\x05\x04\x01\x01\x02\x10"),
	[]byte("\x07\x11\x02\x04call\x00\x00\x06memory\x02\x00"))

func TestReadWasm(t *testing.T) {
	info, err := ReadWasm(smallModule)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(info.Imports, []string{"wapc.__host_call"}) || !slices.Equal(info.Exports, []string{"call"}) {
		t.Errorf("imports %v, exports %v", info.Imports, info.Exports)
	}
	if info.MemoryBytes != 2*pageBytes || info.MemoryLimitBytes != 16*pageBytes {
		t.Errorf("memory %d to %d", info.MemoryBytes, info.MemoryLimitBytes)
	}
	for _, cut := range []int{0, 7, len(smallModule) - 1} {
		if _, err := ReadWasm(smallModule[:cut]); lattice.CodeOf(err) != lattice.ErrBadModule {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func FuzzReadWasm(f *testing.F) {
	f.Add(smallModule)
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x02\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := ReadWasm(data)
		if err == nil && len(info.Imports)+len(info.Exports) > len(data) {
			t.Errorf("%d bytes cannot hold %d names", len(data), len(info.Imports)+len(info.Exports))
		}
	})
}
