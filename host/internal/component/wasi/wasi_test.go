package wasi

import "testing"

// Every function that is implemented is one of WASI's, by its name.
func TestFunctionsAreOfWASI(t *testing.T) {
	for face, functions := range interfaces {
		for name := range functions {
			if shapes()[face+"#"+name] == "" {
				t.Errorf("%s#%s is no function of WASI 0.2", face, name)
			}
		}
	}
	for name := range shapes() {
		if name[0] == 'e' {
			continue
		}
		face := name[:indexByte(name, '#')]
		if interfaces[face] == nil {
			t.Errorf("no interface %s", face)
		}
	}
}

func indexByte(s string, b byte) int {
	for i := range len(s) {
		if s[i] == b {
			return i
		}
	}
	return -1
}
