package analysis_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/analysis"
	"github.com/weftlattice/weft/internal/deploy/app/manifest"
)

// A revision that fails one request in ten is measured against a bound.
func Example() {
	a := &analysis.Analyst{Hosts: func(context.Context, *manifest.Metric) (float64, int, []string, error) {
		return 0.9, 200, nil, nil
	}}
	m := a.Measure(context.Background(), &manifest.Metric{Metric: manifest.SuccessRate,
		Min: &manifest.Bound{Value: 0.95}, Window: 5 * time.Minute, MinRequests: 50}, time.Now())
	fmt.Println(m.Outcome, m)
	// Output: failed 0.9, less than 0.95, in 5m0s, of 200 requests
}
