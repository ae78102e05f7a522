package instrument_test

import "testing"

// A guest in Rust computes the same with checks, and what it computes is true: the digest is that of FIPS 180-4.
func TestRustGuest(t *testing.T) {
	code := load(t, "testdata/rustguest/guest.wasm")
	plain, checked := worker(t, code), worker(t, rewrite(t, code))
	if got, err := checked.ExportedFunction("abc").Call(t.Context()); err != nil || got[0] != 0xba7816bf8f01cfea {
		t.Errorf("the digest of abc begins with %x, %v", got, err)
	}
	for _, name := range []string{"hash", "sort", "sort_by", "matrix", "sieve", "mandelbrot", "fib", "objects",
		"words"} {
		want, err := plain.ExportedFunction(name).Call(t.Context(), 1)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := checked.ExportedFunction(name).Call(t.Context(), 1); err != nil || got[0] != want[0] ||
			got[0] == 0 {
			t.Errorf("%s: %d, %v; without checks %d", name, got, err, want)
		}
	}
}
