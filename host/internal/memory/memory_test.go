package memory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestBudget(t *testing.T) {
	b := NewBudget(100)
	if err := b.Take("an instance", 60); err != nil {
		t.Fatal(err)
	}
	err := b.Take("an instance", 41)
	if !errors.Is(err, lattice.ErrBusy) || !strings.Contains(err.Error(), "an instance") ||
		!strings.Contains(err.Error(), "--guest-memory") {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := b.Take("an instance", 1<<63+5); !errors.Is(err, lattice.ErrBusy) {
		t.Errorf("a huge number: %v", err)
	}
	idle := 3
	b.OnShort(func() bool {
		if idle == 0 {
			return false
		}
		idle--
		b.Give(20)
		return true
	})
	if err := b.Take("an instance", 80); err != nil || idle != 1 || b.Used() != 100 {
		t.Errorf("%v, %d idle, %d used; want as many given up as are needed", err, idle, b.Used())
	}
	if err := b.Take("an instance", 101); err == nil || idle != 1 {
		t.Errorf("%v, %d idle: what never fits makes nobody give up anything", err, idle)
	}
	var none *Budget
	if err := none.Take("anything", 1<<62); err != nil || none.Used() != 0 || none.Limit() != 0 {
		t.Errorf("no budget: %v", err)
	}
	none.Give(1)
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	const limit = 1000
	b := NewBudget(limit)
	var idle atomic.Int64 // what others could give up
	b.OnShort(func() bool {
		if n := idle.Swap(0); n > 0 {
			b.Give(uint64(n))
			return true
		}
		return false
	})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 5000 {
				n := uint64(g*17+i) % 400
				if b.Take("something", n) != nil {
					continue
				}
				if used := b.Used(); used > limit {
					t.Errorf("%d used", used)
				}
				if i%3 == 0 {
					idle.Add(int64(n))
				} else {
					b.Give(n)
				}
			}
		})
	}
	wg.Wait()
	b.Give(uint64(idle.Load()))
	if b.Used() != 0 {
		t.Errorf("%d left over", b.Used())
	}
}

func TestAvailable(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no control groups": {nil, 1 << 30},
		"none of them has a limit": {map[string]string{"proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n"}, 1 << 30},
		"version 2": {map[string]string{"proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "268435456\n"}, 256 << 20},
		"version 2, a group above": {map[string]string{"proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}, 1 << 20},
		"version 2 in a container": {map[string]string{"proc/self/cgroup": "0::/../outside\n",
			"sys/fs/cgroup/memory.max": "4096\n"}, 4096},
		"version 1": {map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/y\n",
			"sys/fs/cgroup/memory/y/memory.limit_in_bytes": "5000\n"}, 5000},
		"version 1 without a limit": {map[string]string{"proc/self/cgroup": "4:memory:/y\n",
			"sys/fs/cgroup/memory/y/memory.limit_in_bytes": "9223372036854771712\n"}, 1 << 30},
		"more than the machine has": {map[string]string{"proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "99999999999\n"}, 1 << 30},
		"garbage": {map[string]string{"proc/self/cgroup": "x\n0::\n4:memory\n",
			"sys/fs/cgroup/memory.max": "-5\n"}, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range c.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := available(root, 1<<30); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
	if Available() <= 0 && physical() > 0 {
		t.Errorf("this machine has %d bytes", Available())
	}
}
