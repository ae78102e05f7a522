// Guest is the actor of package host's tests. Its operations do what their names say.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/actor-sdk/log"
	"github.com/weftlattice/weft/actor-sdk/numbergen"
	"github.com/weftlattice/weft/lattice"
)

// version is set at link time, to make modules that differ.
var version = "1"

var sink atomic.Int64

var (
	calls, restores int
	squares         = map[int]int{}
	born            = time.Now()
)

func init() {
	actor.Handle("Test.Echo", func(p []byte) ([]byte, error) { return p, nil })
	actor.Handle("Test.Count", func([]byte) ([]byte, error) {
		calls++
		return []byte(strconv.Itoa(calls)), nil
	})
	// What must not be the same in two instances that are copies: random numbers, and what OnRestore is for.
	actor.OnRestore(func() { restores++ })
	actor.Handle("Test.Draw", func([]byte) ([]byte, error) { return fmt.Appendf(nil, "%x", rand.Uint64()), nil })
	actor.Handle("Test.Restores", func([]byte) ([]byte, error) { return []byte(strconv.Itoa(restores)), nil })
	// Maps from before the snapshot work beside new ones, and time goes on.
	for n := range 1000 {
		squares[n] = n * n
	}
	actor.Handle("Test.Sound", func([]byte) ([]byte, error) {
		for n := range 1000 {
			squares[-n] = n
		}
		for n := 1; n < 1000; n++ {
			if squares[n] != n*n || squares[-n] != n {
				return nil, fmt.Errorf("squares[%d] is %d", n, squares[n])
			}
		}
		before := time.Now()
		time.Sleep(2 * time.Millisecond)
		if d := time.Since(before); d < 2*time.Millisecond || d > 10*time.Second || time.Since(born) < d {
			return nil, fmt.Errorf("slept %v, born %v ago", d, time.Since(born))
		}
		return []byte(strconv.FormatInt(time.Now().UnixMilli(), 10)), nil
	})
	actor.Handle("Test.Version", func([]byte) ([]byte, error) { return []byte(version), nil })
	actor.Handle("Test.Env", func(p []byte) ([]byte, error) { return []byte(os.Getenv(string(p))), nil })
	actor.Handle("Test.Log", func(p []byte) ([]byte, error) { log.Warn(string(p)); return nil, nil })
	actor.Handle("Test.Random", func([]byte) ([]byte, error) {
		n, err := numbergen.InRange(7, 9)
		return []byte(strconv.FormatUint(uint64(n), 10)), err
	})
	// The payload is "target operation payload".
	actor.Handle("Test.Call", func(p []byte) ([]byte, error) {
		parts := strings.SplitN(string(p), " ", 3)
		return actor.Call(parts[0], parts[1], []byte(parts[2]))
	})
	// The payload is "contract operation".
	actor.Handle("Test.Provider", func(p []byte) ([]byte, error) {
		parts := strings.SplitN(string(p), " ", 2)
		return actor.CallProvider(lattice.ContractID(parts[0]), "default", parts[1], nil)
	})
	actor.Handle("Test.Sleep", func(p []byte) ([]byte, error) {
		d, err := time.ParseDuration(string(p))
		time.Sleep(d)
		return nil, err
	})
	actor.Handle("Test.Spin", func([]byte) ([]byte, error) {
		for {
			sink.Add(1)
		}
	})
	actor.Handle("Test.Grow", func([]byte) ([]byte, error) {
		var all [][]byte
		for {
			b := make([]byte, 1<<20)
			b[0] = 1
			all = append(all, b)
			sink.Store(int64(len(all)))
		}
	})
}

func main() {}
