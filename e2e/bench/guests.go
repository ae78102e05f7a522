package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// measureGuests measures guests that compute, with interruption on beside the same without, by the rewriter's own
// benchmark. The means of guests that people write have a target.
func measureGuests(ctx context.Context, _ *bench, r *report) error {
	lines, err := goBench(ctx, "./host/internal/instrument", "-bench", "^BenchmarkGuest$", "-benchtime", "1x")
	if err != nil {
		return err
	}
	names := map[string]string{"wat": "handwritten", "rust": "Rust", "go": "stock Go",
		"extra": "the guest of WEFT_BENCH_GUEST"}
	var kinds []string
	single := map[string][]string{}
	for _, l := range lines {
		kind, name, _ := strings.Cut(l.name, "/")
		ratio, ok := l.values["ratio"]
		if !ok {
			return fmt.Errorf("BenchmarkGuest/%s reports no ratio", l.name)
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		if name != "mean" {
			single[kind] = append(single[kind], fmt.Sprintf("%s %.2f", name, ratio))
			continue
		}
		r.target(target{figure: "guest that computes, interruption on beside off, " + names[kind] + ", geometric mean",
			got: ratio, goal: atLeast(.95)})
	}
	for _, kind := range kinds {
		r.record("guests that compute, "+names[kind]+": speed beside the same without interruption",
			strings.Join(single[kind], ", "), "best of 200 runs in turns")
	}
	return nil
}
