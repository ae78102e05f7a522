package guard

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestWatch(t *testing.T) {
	for _, tc := range []struct {
		name, input string
		killed      []int
		err         error
	}{
		{"nothing", "", nil, nil},
		{"one", Begin(4711), []int{4711}, nil},
		{"released", Begin(4711) + End(4711), nil, nil},
		{"some released", "+30\n+20\n+10\n-20\n", []int{10, 30}, nil},
		{"told twice", "+30\n+30\n", []int{30}, nil},
		{"last line cut", "+30\n+40", []int{30, 40}, nil},
		{"nonsense ends the guard", "+30\nhello\n+40\n", []int{30}, lattice.ErrInvalid},
		{"init", "+1\n", nil, lattice.ErrInvalid},
		{"own group", "+0\n", nil, lattice.ErrInvalid},
		{"everybody", "+-1\n", nil, lattice.ErrInvalid},
		{"leading zero", "+01\n", nil, lattice.ErrInvalid},
		{"overflow", "+4294967298\n", nil, lattice.ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var killed []int
			err := watch(strings.NewReader(tc.input), func(pgid int) { killed = append(killed, pgid) })
			if !slices.Equal(killed, tc.killed) || !errors.Is(err, tc.err) {
				t.Errorf("killed %v, error %v; want %v, %v", killed, err, tc.killed, tc.err)
			}
		})
	}
}

func FuzzWatch(f *testing.F) {
	for _, s := range []string{"+30\n-30\n", "+1\n", "+0\n", "-\n", "+\n", "+99999999999\n", "\n\n",
		strings.Repeat("9", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_ = watch(strings.NewReader(s), func(pgid int) {
			if pgid < 2 || !strings.Contains(s, Begin(pgid)[:len(Begin(pgid))-1]) {
				t.Errorf("would kill %d, which nobody named", pgid)
			}
		})
	})
}
