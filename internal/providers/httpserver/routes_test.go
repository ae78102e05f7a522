package httpserver

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Random paths of random tables find what comparing with every route finds.
func TestTableFinds(t *testing.T) {
	under := func(path, prefix string) bool {
		return prefix == "/" || strings.HasPrefix(path, prefix) &&
			(len(path) == len(prefix) || path[len(prefix)] == '/')
	}
	r := rand.New(rand.NewPCG(1, 2))
	random := func() string {
		path := ""
		for range r.IntN(5) {
			path += "/" + strings.Repeat(string(rune('a'+r.IntN(2))), r.IntN(3))
		}
		return path
	}
	found := 0
	for range 3000 {
		var routes []*route
		for range r.IntN(8) {
			if path := strings.TrimRight(random(), "/"); path != "" {
				routes = append(routes, &route{settings: settings{path: path}})
			} else if r.IntN(4) == 0 {
				routes = append(routes, &route{settings: settings{path: "/"}})
			}
		}
		table := newTable(routes)
		for _, path := range []string{random(), random(), random() + "/", "/", "", "*"} {
			want := ""
			for _, route := range routes {
				if under(path, route.path) && len(route.path) > len(want) {
					want = route.path
				}
			}
			got := table.find("example.org", path)
			if got == nil && want != "" || got != nil && got.path != want {
				t.Fatalf("%q among %v: %v, want %q", path, texts(routes), got, want)
			}
			if got != nil && want != "/" {
				found++
			}
		}
	}
	if found < 500 {
		t.Errorf("only %d paths had a route", found)
	}
}

func texts(routes []*route) (list []string) {
	for _, r := range routes {
		list = append(list, r.path)
	}
	slices.Sort(list)
	return list
}

// What a request pays does not grow with the links of its address.
func BenchmarkFindAmongLinks(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			routes := []*route{{settings: settings{path: "/"}}}
			for i := range n {
				routes = append(routes, &route{settings: settings{path: fmt.Sprintf("/tenant/%d", i)}})
			}
			table := newTable(routes)
			for b.Loop() {
				if r := table.find("example.org", "/tenant/0/x"); r.path != "/tenant/0" {
					b.Fatal(r.path)
				}
			}
		})
	}
}
