package wasm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/internal/latticetest"
)

// Both ways of looking at the pages of a mapping find those that were written to, wherever they are, and say when there
// are more than an instance keeps.
func TestPagesThatWereWrittenTo(t *testing.T) {
	const all, kept = 3 * chunkPages / 2, 3 * chunkPages / 16
	content := make([]byte, all*pageSize)
	for n := range content {
		content[n] = byte(n / pageSize)
	}
	img, err := newImage(content, false, memory.NewBudget(1<<40))
	if err != nil {
		t.Fatal(err)
	}
	defer img.drop()
	if img.file == nil {
		latticetest.Lacks(t, "files in memory (memfd_create)")
	}
	if pagemap() == nil {
		latticetest.Lacks(t, "/proc/self/pagemap")
	}
	b, err := unix.Mmap(-1, 0, len(content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(b) }()
	for _, written := range []int{0, 1, 5, kept - 1, kept, kept + 1, all} {
		if err := img.mapOnto(b); err != nil {
			t.Fatal(err)
		}
		want := rand.Perm(all)[:written]
		slices.Sort(want)
		for n := range all { // what is only read remains the file's
			if n%3 == 0 && b[n*pageSize] != byte(n) {
				t.Fatalf("page %d is not that of the image", n)
			}
		}
		for _, n := range want {
			b[n*pageSize+7]++
		}
		for _, without := range []bool{false, true} {
			before := noScan.Swap(without || noScan.Load())
			o := ownPagesPool.Get().(*ownPages)
			ok := o.look(b, img.kept())
			noScan.Store(before)
			if ok != (written <= kept) {
				t.Errorf("%d pages written to, without scan %t: found is %t", written, without, ok)
				continue
			}
			var got []int
			for _, p := range o.found {
				for at := p.begin; at < p.end; at += pageSize {
					got = append(got, int(at/pageSize))
				}
			}
			if ok && !slices.Equal(got, want) {
				t.Errorf("%d pages written to, without scan %t: %v, want %v", written, without, got, want)
			}
		}
		b[all/2*pageSize] = 200
		if err := img.restore(b); err != nil || string(b) != string(content) {
			t.Errorf("%d pages written to: restored is not what the image is, %v", written, err)
		}
	}
	if noScan.Load() {
		t.Log("this kernel has no PAGEMAP_SCAN (Linux 6.7 has it): only the reading of /proc/self/pagemap was tried")
	}
}
