package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// benchLine is one line of "go test -bench".
type benchLine struct {
	name   string             // without the function's own name and the number of processors: "go/mean"
	values map[string]float64 // by unit
}

// goBench runs benchmarks of a package.
func goBench(ctx context.Context, pkg string, args ...string) ([]benchLine, error) {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"test", "-run", "^$"}, args...), pkg)...)
	cmd.SysProcAttr = ownGroup() // what it has compiled and runs ends with it
	cmd.Cancel = func() error { killGroup(cmd.Process); return nil }
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench: %w\n%s", err, out)
	}
	lines := parseBench(string(out))
	if len(lines) == 0 {
		return nil, fmt.Errorf("no benchmark in the output:\n%s", out)
	}
	return lines, nil
}

var (
	benchName  = regexp.MustCompile(`(?m)^Benchmark[^/\s-]+/?(\S*?)(?:-\d+)?\s+\d+\s+(.*)$`)
	benchValue = regexp.MustCompile(`([\d.eE+]+) (\S+)`)
)

func parseBench(out string) (lines []benchLine) {
	for _, l := range benchName.FindAllStringSubmatch(out, -1) {
		one := benchLine{l[1], map[string]float64{}}
		for _, m := range benchValue.FindAllStringSubmatch(l[2], -1) {
			if v, err := strconv.ParseFloat(m[1], 64); err == nil {
				one.values[m[2]] = v
			}
		}
		lines = append(lines, one)
	}
	return lines
}
