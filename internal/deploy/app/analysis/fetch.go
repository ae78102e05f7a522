package analysis

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/theory/jsonpath"
	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/deploy/app/manifest"
	"github.com/weftlattice/weft/internal/deploy/app/rollout"
)

// Hosts measures a metric of the hosts' own for one revision, over the metric's window. samples are the requests that
// the value is of; fewer than Metric.MinRequests are no data.
type Hosts func(ctx context.Context, m *manifest.Metric) (value float64, samples int, traces []string, err error)

// Analyst makes measurements.
type Analyst struct {
	Hosts Hosts
	// Client makes the requests of Prometheus and HTTP metrics; nil: http.DefaultClient.
	Client *http.Client
	// Secret returns the value of a secret that a header names.
	Secret func(manifest.SecretName) (string, error)
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 4 << 20

// Measure makes one measurement. It never fails: what could not be measured is an Error, with the reason in it.
func (a *Analyst) Measure(ctx context.Context, m *manifest.Metric, now time.Time) rollout.Measurement {
	at := rollout.Measurement{At: now}
	var result any
	var err error
	switch {
	case m.Prometheus != nil:
		result, err = a.prometheus(ctx, m.Prometheus)
	case m.Web != nil:
		result, err = a.web(ctx, m.Web)
	default:
		var v float64
		if v, at.Samples, at.Traces, err = a.Hosts(ctx, m); err == nil && at.Samples < max(1, m.MinRequests) {
			at.Outcome = rollout.NoData
			at.Detail = fmt.Sprintf("fewer requests than %d in %s", max(1, m.MinRequests), m.Window)
			return at
		}
		result = v
	}
	switch {
	case errors.Is(err, errNoData):
		at.Outcome, at.Detail = rollout.NoData, err.Error()
		return at
	case err != nil:
		at.Outcome, at.Detail = rollout.Error, err.Error()
		return at
	}
	at.Value = text(m, result)
	if at.Outcome, at.Detail, err = judge(m, result); err != nil {
		at.Detail = err.Error()
	}
	if m.Metric != "" && at.Detail != "" {
		at.Detail += fmt.Sprintf(", in %s", m.Window)
	}
	return at
}

// text is a result for people.
func text(m *manifest.Metric, result any) string {
	v, ok := number(result)
	switch {
	case ok && m.Metric.IsTime():
		return time.Duration(v * float64(time.Second)).Round(10 * time.Microsecond).String()
	case ok:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	const most = 200
	return clip.Text(fmt.Sprint(result), most)
}

// do makes a request and reads the answer.
func (a *Analyst) do(ctx context.Context, limit time.Duration, method, target, body string,
	headers map[string]manifest.Value) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, v := range headers {
		value := v.Text
		if v.Secret != "" {
			if value, err = a.Secret(v.Secret); err != nil {
				return nil, fmt.Errorf("header %s: %w", name, err)
			}
		}
		req.Header.Set(name, value)
	}
	client := a.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxAnswer:
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	case resp.StatusCode >= 300:
		return nil, fmt.Errorf("it answers %s: %.200q", resp.Status, b)
	}
	return b, nil
}

// prometheus makes an instant query. A vector is the list of its values in the order in which they come, a matrix all
// of its values, a scalar one number.
func (a *Analyst) prometheus(ctx context.Context, q *manifest.Prometheus) (any, error) {
	target := strings.TrimSuffix(q.Address, "/") + "/api/v1/query?" + url.Values{"query": {q.Query}}.Encode()
	b, err := a.do(ctx, q.Timeout, http.MethodGet, target, "", q.Headers)
	if err != nil {
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Status != "success" {
		return nil, fmt.Errorf("prometheus: no result: %.200s", cmp.Or(answer.Error, string(b)))
	}
	type sample [2]any // time, and the value as text
	var list []any
	add := func(s sample) error {
		text, _ := s[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("prometheus: %q is no number", text)
		}
		list = append(list, v)
		return nil
	}
	switch answer.Data.Type {
	case "scalar":
		var s sample
		if err := json.Unmarshal(answer.Data.Result, &s); err != nil {
			return nil, fmt.Errorf("prometheus: %w", err)
		}
		if err := add(s); err != nil {
			return nil, err
		}
		return list[0], nil
	case "vector", "matrix":
		var series []struct {
			Value  *sample  `json:"value"`
			Values []sample `json:"values"`
		}
		if err := json.Unmarshal(answer.Data.Result, &series); err != nil {
			return nil, fmt.Errorf("prometheus: %w", err)
		}
		for _, s := range series {
			all := s.Values
			if s.Value != nil {
				all = []sample{*s.Value}
			}
			for _, v := range all {
				if err := add(v); err != nil {
					return nil, err
				}
			}
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("%w: the query has no series", errNoData)
		}
		return list, nil
	}
	return nil, fmt.Errorf("prometheus: a result of type %q cannot be judged", answer.Data.Type)
}

// web makes a request and finds the result in its answer: JSON, of which the path picks a part, or else text.
func (a *Analyst) web(ctx context.Context, w *manifest.Web) (any, error) {
	b, err := a.do(ctx, w.Timeout, w.Method, w.URL, w.Body, w.Headers)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	var value any
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&value); err != nil {
		if w.JSONPath == "" {
			return string(b), nil
		}
		return nil, fmt.Errorf("web: the answer is no JSON: %w", err)
	}
	if w.JSONPath == "" {
		return value, nil
	}
	path, err := ParsePath(w.JSONPath)
	if err != nil {
		return nil, err
	}
	nodes := path.Select(value)
	switch len(nodes) {
	case 0:
		return nil, fmt.Errorf("%w: the answer has nothing at %s", errNoData, w.JSONPath)
	case 1:
		return nodes[0], nil
	}
	return []any(nodes), nil
}

// ParsePath reads a JSON path: as RFC 9535 has it, or as Kubernetes writes it, "{$.data.ok}" or "{.data.ok}".
func ParsePath(text string) (*jsonpath.Path, error) {
	p := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}")
	if !strings.HasPrefix(p, "$") {
		p = "$" + p
	}
	path, err := jsonpath.Parse(p)
	if err != nil {
		return nil, fmt.Errorf("JSON path %q: %w", text, err)
	}
	return path, nil
}
