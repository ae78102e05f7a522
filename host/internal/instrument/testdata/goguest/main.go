// Command goguest is work for a processor, for the benchmark: what each export does takes some milliseconds, and its
// result depends on all of it.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"sort"
	"strings"
)

func main() {}

var text = func() string {
	var b strings.Builder
	b.WriteString(`{"items":[`)
	for i := range 200 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"name":"item \"quoted\" \u00e9","count":12345,"price":1.5e3,"tags":["a","b","c"],"ok":true}`)
	}
	b.WriteString(`]}`)
	return b.String()
}()

//go:wasmexport sha256
func hash(n int32) int64 {
	buf := make([]byte, 64<<10)
	for ; n > 0; n-- {
		sum := sha256.Sum256(buf)
		copy(buf, sum[:])
	}
	return int64(binary.LittleEndian.Uint64(buf))
}

func numbers() []int64 {
	s := make([]int64, 20_000)
	x := uint64(88172645463325252)
	for i := range s {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		s[i] = int64(x >> 1)
	}
	return s
}

//go:wasmexport sort
func sorted(n int32) int64 {
	sum := int64(0)
	for ; n > 0; n-- {
		s := numbers()
		slices.Sort(s)
		sum += s[len(s)/3]
	}
	return sum
}

//go:wasmexport sortfunc
func sortedFunc(n int32) int64 {
	sum := int64(0)
	for ; n > 0; n-- {
		s := numbers()
		sort.Slice(s, func(i, j int) bool { return s[i] < s[j] })
		sum += s[len(s)/3]
	}
	return sum
}

//go:wasmexport matrix
func matrix(n int32) int64 {
	const size = 64
	var a, b, c [size][size]float64
	for i := range a {
		for j := range a[i] {
			a[i][j], b[i][j] = float64(i+j), float64(i-j)
		}
	}
	for ; n > 0; n-- {
		for i := range a {
			for j := range a[i] {
				s := 0.0
				for k := range a {
					s += a[i][k] * b[k][j]
				}
				c[i][j] = s
			}
		}
		a[3][4] = c[5][6] / 1e9
	}
	return int64(c[7][8])
}

//go:wasmexport sieve
func sieve(n int32) int64 {
	count := int64(0)
	for ; n > 0; n-- {
		composite := make([]bool, 200_000)
		for i := 2; i < len(composite); i++ {
			if composite[i] {
				continue
			}
			count++
			for j := 2 * i; j < len(composite); j += i {
				composite[j] = true
			}
		}
	}
	return count
}

//go:wasmexport mandelbrot
func mandelbrot(n int32) int64 {
	count := int64(0)
	for ; n > 0; n-- {
		for y := range 48 {
			for x := range 64 {
				cr, ci := float64(x)/32-1.5, float64(y)/24-1
				zr, zi := 0.0, 0.0
				for i := 0; i < 100 && zr*zr+zi*zi < 4; i++ {
					zr, zi = zr*zr-zi*zi+cr, 2*zr*zi+ci
					count++
				}
			}
		}
	}
	return count
}

//go:wasmexport fib
func fibonacci(n int32) int64 {
	sum := int64(0)
	for ; n > 0; n-- {
		sum += fib(23)
	}
	return sum
}

func fib(n int64) int64 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:wasmexport json
func parse(n int32) int64 {
	count := int64(0)
	for ; n > 0; n-- {
		var v struct {
			Items []struct {
				Name string
				Tags []string
			}
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return -1
		}
		for _, i := range v.Items {
			count += int64(len(i.Name) + len(i.Tags))
		}
	}
	return count
}

//go:wasmexport words
func words(n int32) int64 {
	count := int64(0)
	for ; n > 0; n-- {
		seen := map[string]int{}
		for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == '"' || r == ',' || r == ':' }) {
			seen[strings.ToUpper(w)]++
		}
		for w, c := range seen {
			count += int64(len(w) * c)
		}
	}
	return count
}
