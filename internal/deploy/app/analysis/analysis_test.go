package analysis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
	"github.com/weftlattice/weft/internal/deploy/app/rollout"
)

// The conditions of Argo's documentation, with the results that its providers give.
func TestConditions(t *testing.T) {
	for _, c := range []struct {
		good, bad string
		result    any
		want      rollout.Outcome
		err       string
	}{
		{"result[0] >= 0.95", "", []any{0.97}, rollout.Good, ""},
		{"result[0] >= 0.95", "", []any{0.9}, rollout.Bad, ""},
		{"result[0] >= 0.95", "", []any{math.NaN()}, rollout.Bad, ""},
		{"result[0] >= 0.95", "", []any{}, rollout.Error, "index out of range"},
		{"", "result[0] < 0.95", []any{0.97}, rollout.Good, ""},
		{"", "result[0] < 0.95", []any{0.9}, rollout.Bad, ""},
		{"result[0] > 0.9", "result[0] < 0.5", []any{0.7}, rollout.Inconclusive, ""},
		{"result[0] > 0.9", "result[0] > 0.8", []any{0.95}, rollout.Bad, ""},
		{"len(result) == 0 || isNaN(result[0]) || result[0] < 1", "", []any{}, rollout.Good, ""},
		{"isNaN(result[0]) || result[0] < 1", "", []any{math.NaN()}, rollout.Good, ""},
		{"all(result, # > 0)", "", []any{1.0, 2.0, 0.0}, rollout.Bad, ""},
		{"default(result, 0) == 0", "", nil, rollout.Good, ""},
		{"isNil(result)", "", nil, rollout.Good, ""},
		{"result.ok && asInt(result.n) >= 3", "", map[string]any{"ok": true, "n": "3"}, rollout.Good, ""},
		{`result == "healthy"`, "", "healthy", rollout.Good, ""},
		{"result", "", "healthy", rollout.Error, "want true or false"},
		{"result[0", "", []any{1.0}, rollout.Error, "condition"},
		{"nothing > 1", "", []any{1.0}, rollout.Error, "unknown name"},
	} {
		m := &manifest.Metric{Condition: c.good, FailureCondition: c.bad}
		got, detail, err := judge(m, c.result)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s / %s of %v: %s (%s) %v, want %s %s", c.good, c.bad, c.result, got, detail, err, c.want, c.err)
		}
	}
}

// Bounds tell the value beside the limit, and what is not a number is no data.
func TestBounds(t *testing.T) {
	measured := func(m manifest.Metric, v float64, samples int, err error) string {
		m.Window, m.MinRequests = 5*time.Minute, 50
		a := &Analyst{Hosts: func(context.Context, *manifest.Metric) (float64, int, []string, error) {
			return v, samples, nil, err
		}}
		got := a.Measure(context.Background(), &m, time.Now())
		return fmt.Sprintf("%s: %s", got.Outcome, got)
	}
	rate := manifest.Metric{Metric: manifest.SuccessRate, Min: &manifest.Bound{Value: 0.95}}
	slow := manifest.Metric{Metric: manifest.LatencyP99, Max: &manifest.Bound{Value: 0.25, Time: true}}
	for got, want := range map[string]string{
		measured(rate, 0.91, 212, nil):  "failed: 0.91, less than 0.95, in 5m0s, of 212 requests",
		measured(rate, 0.95, 212, nil):  "good: 0.95, of 212 requests",
		measured(rate, 1, 49, nil):      "no data: no data, fewer requests than 50 in 5m0s, of 49 requests",
		measured(slow, 0.3, 99, nil):    "failed: 300ms, more than 250ms, in 5m0s, of 99 requests",
		measured(slow, 0.2504, 99, nil): "failed: 250.4ms, more than 250ms, in 5m0s, of 99 requests",
		measured(rate, math.NaN(), 99, nil): "no data: NaN, it is not a number, as when nothing was counted, " +
			"in 5m0s, of 99 requests",
		measured(rate, 0, 0, errors.New("no host answers")): "error: error, no host answers",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Answers of Prometheus of each kind.
func TestPrometheus(t *testing.T) {
	answers := map[string]string{
		"vector": `{"status":"success","data":{"resultType":"vector","result":[` +
			`{"metric":{},"value":[1,"0.5"]},{"metric":{},"value":[1,"NaN"]}]}}`,
		"none":    `{"status":"success","data":{"resultType":"vector","result":[]}}`,
		"scalar":  `{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}`,
		"matrix":  `{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"1"],[2,"2"]]}]}}`,
		"string":  `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`,
		"refused": `{"status":"error","error":"parse error: unexpected end"}`,
		"number":  `{"status":"success","data":{"resultType":"scalar","result":[1,2]}}`,
		"garbage": `<html>`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/prom/api/v1/query" || r.Header.Get("X-Key") != "sesame" {
			http.Error(w, "what", http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(answers[r.URL.Query().Get("query")]))
	}))
	defer server.Close()
	a := &Analyst{Client: server.Client(), Secret: func(manifest.SecretName) (string, error) { return "sesame", nil }}
	for query, want := range map[string]string{
		"vector": "[0.5 NaN] <nil>", "scalar": "3 <nil>", "matrix": "[1 2] <nil>",
		"none":    "<nil> no data: the query has no series",
		"string":  `<nil> prometheus: a result of type "string" cannot be judged`,
		"refused": "<nil> prometheus: no result: parse error: unexpected end",
		"number":  `<nil> prometheus: "" is no number`,
		"garbage": "<nil> prometheus: no result: <html>",
	} {
		got, err := a.prometheus(context.Background(), &manifest.Prometheus{Address: server.URL + "/prom/",
			Query: query, Timeout: time.Minute, Headers: map[string]manifest.Value{"X-Key": {Secret: "key"}}})
		if text := fmt.Sprint(got, " ", err); text != want {
			t.Errorf("%s: %s, want %s", query, text, want)
		}
	}
	_, err := a.prometheus(context.Background(), &manifest.Prometheus{Address: server.URL, Query: "x",
		Timeout: time.Minute})
	if err == nil || !strings.Contains(err.Error(), `403 Forbidden: "what\n"`) {
		t.Error(err)
	}
}

// Answers of HTTP, and parts of them.
func TestWeb(t *testing.T) {
	body := `{"data":{"ok":true,"n":3,"list":[{"v":1},{"v":2}]}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	a := &Analyst{Client: server.Client()}
	ask := func(path string) string {
		got, err := a.web(context.Background(), &manifest.Web{URL: server.URL, Method: "GET", JSONPath: path,
			Timeout: time.Minute})
		return fmt.Sprint(got, " ", err)
	}
	for path, want := range map[string]string{
		"{$.data.n}": "3 <nil>", "{.data.ok}": "true <nil>", "$.data.list[*].v": "[1 2] <nil>",
		"{$.data.none}": "<nil> no data: the answer has nothing at {$.data.none}",
		"":              "map[data:map[list:[map[v:1] map[v:2]] n:3 ok:true]] <nil>",
	} {
		if got := ask(path); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
	body = "healthy"
	if got := ask(""); got != "healthy <nil>" {
		t.Error(got)
	}
	body = strings.Repeat(" ", maxAnswer+1)
	if got := ask(""); !strings.Contains(got, "larger than") {
		t.Error(got)
	}
	if _, err := ParsePath("{$.a[}"); err == nil {
		t.Error("taken")
	}
}
