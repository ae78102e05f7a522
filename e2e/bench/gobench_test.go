package main

import "testing"

func TestParseBench(t *testing.T) {
	got := parseBench(`goos: linux
cpu: Some CPU-3000
BenchmarkGuest/go/sort-2         	       1	        21.72 fuel/ns	         0.7717 ratio	      4636 µs-plain
BenchmarkGuest/go/mean-2         	       1	         0.9454 ratio
BenchmarkCall/1024-2     	  637	   1880 ns/op
BenchmarkCall-2     	  637	   1.5e+03 ns/op
PASS
`)
	want := []struct {
		name, unit string
		value      float64
	}{{"go/sort", "ratio", .7717}, {"go/mean", "ratio", .9454}, {"1024", "ns/op", 1880}, {"", "ns/op", 1500}}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: %v", len(got), len(want), got)
	}
	for i, w := range want {
		if got[i].name != w.name || got[i].values[w.unit] != w.value {
			t.Errorf("%+v, want %+v", got[i], w)
		}
	}
}
