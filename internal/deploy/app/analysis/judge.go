package analysis

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/expr-lang/expr"
	"github.com/weftlattice/weft/internal/deploy/app/manifest"
	"github.com/weftlattice/weft/internal/deploy/app/rollout"
)

// judge says what a result is: a float64, a string, nil, a bool, a map, or a list of these. An error is one of a
// condition.
func judge(m *manifest.Metric, result any) (outcome rollout.Outcome, detail string, err error) {
	if m.Condition != "" || m.FailureCondition != "" {
		return byConditions(m, result)
	}
	v, ok := number(result)
	switch {
	case !ok:
		return rollout.Error, "", fmt.Errorf("it is %v, and min and max need one number", result)
	case math.IsNaN(v): // as 0 / 0 is: there were no requests
		return rollout.NoData, "it is not a number, as when nothing was counted", nil
	case m.Min != nil && v < m.Min.Value:
		return rollout.Bad, "less than " + bound(m.Min), nil
	case m.Max != nil && v > m.Max.Value:
		return rollout.Bad, "more than " + bound(m.Max), nil
	}
	return rollout.Good, "", nil
}

func bound(b *manifest.Bound) string {
	if b.Time {
		return time.Duration(b.Value * float64(time.Second)).String()
	}
	return strconv.FormatFloat(b.Value, 'g', -1, 64)
}

// number is the one number that a result is.
func number(result any) (float64, bool) {
	switch x := result.(type) {
	case float64:
		return x, true
	case []any:
		if len(x) == 1 {
			return number(x[0])
		}
	case string:
		v, err := strconv.ParseFloat(x, 64)
		return v, err == nil
	}
	return 0, false
}

// byConditions follows evaluate.go of Argo Rollouts: a failure condition that holds wins; with one condition alone its
// opposite is the other outcome; with both, neither is inconclusive.
func byConditions(m *manifest.Metric, result any) (rollout.Outcome, string, error) {
	good, bad := m.Condition == "", false
	var err error
	if m.Condition != "" {
		if good, err = holds(m.Condition, result); err != nil {
			return rollout.Error, "", err
		}
	}
	if m.FailureCondition != "" {
		if bad, err = holds(m.FailureCondition, result); err != nil {
			return rollout.Error, "", err
		}
	}
	switch {
	case bad:
		return rollout.Bad, m.FailureCondition, nil
	case good:
		return rollout.Good, "", nil
	case m.FailureCondition == "":
		return rollout.Bad, "not " + m.Condition, nil
	}
	return rollout.Inconclusive, fmt.Sprintf("neither %s nor %s", m.Condition, m.FailureCondition), nil
}

// Check reports what is wrong with a condition, as far as that can be told without a result.
func Check(condition string) error {
	_, err := expr.Compile(condition, expr.Env(names(nil)))
	return err
}

// maxNodes bounds a condition, which comes from a manifest.
const maxNodes = 1000

func holds(condition string, result any) (ok bool, err error) {
	env := names(result)
	program, err := expr.Compile(condition, expr.Env(env), expr.MaxNodes(maxNodes))
	if err != nil {
		return false, fmt.Errorf("condition %q: %w", condition, err)
	}
	out, err := expr.Run(program, env)
	if err != nil {
		return false, fmt.Errorf("condition %q of %v: %w", condition, result, err)
	}
	ok, is := out.(bool)
	if !is {
		return false, fmt.Errorf("condition %q is %v, want true or false", condition, out)
	}
	return ok, nil
}

// names are what a condition may use.
func names(result any) map[string]any {
	return map[string]any{
		"result": result,
		"asInt": func(v any) (int64, error) {
			switch x := v.(type) {
			case float64:
				return int64(x), nil
			case string:
				return strconv.ParseInt(x, 10, 64)
			}
			return 0, fmt.Errorf("%v is no number", v)
		},
		"asFloat": func(v any) (float64, error) {
			if f, ok := number(v); ok {
				return f, nil
			}
			return 0, fmt.Errorf("%v is no number", v)
		},
		"isNaN": func(v any) bool { f, ok := v.(float64); return ok && math.IsNaN(f) },
		"isInf": func(v any) bool { f, ok := v.(float64); return ok && math.IsInf(f, 0) },
		"isNil": func(v any) bool { return v == nil },
		"default": func(v, other any) any {
			if list, ok := v.([]any); v == nil || ok && len(list) == 0 {
				return other
			}
			return v
		},
	}
}

var errNoData = errors.New("no data")
