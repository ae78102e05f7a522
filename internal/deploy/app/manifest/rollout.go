package manifest

import (
	"time"
)

// Rollout says how a new revision of an actor takes the place of the old one.
type Rollout struct {
	Strategy Strategy
	// Steps follow one another; after the last one the new revision serves all. A canary has at least one.
	Steps    []Step
	Analysis []Metric // watched from step FromStep to the end
	FromStep int
	Sticky   Sticky
	// Promote says whether the new revision takes over after the last step by itself.
	Promote  Promotion
	KeepOld  time.Duration // the old revision's instances stay warm for so long after the promotion
	KeepNew  time.Duration // and the new one's after a rollout that was aborted
	Deadline time.Duration // a new revision that does not start within it has failed
}

// Strategy is a way to bring a new revision.
type Strategy string

// The strategies. In a shadow weights are shares of the calls that the new revision gets a copy of.
const (
	Canary    Strategy = "canary"     // it gets a growing share of the calls
	BlueGreen Strategy = "blue-green" // it is made ready beside the old one, and gets all calls at once
	Shadow    Strategy = "shadow"     // it gets copies of calls; its answers are compared and thrown away
)

// Promotion says who promotes.
type Promotion string

// Who promotes.
const (
	Auto   Promotion = "auto"   // the last step does
	Manual Promotion = "manual" // a person does
)

// Step is one of: a weight, a pause, an analysis.
type Step struct {
	Weight   *int              // percent of the calls, 0 to 100; nil: another step
	Where    map[string]string // of a weight: labels of the hosts that it is for, the others keep theirs
	Pause    time.Duration     // Forever: until a person goes on; 0: another step
	Analysis []Metric          // the step ends when they have; nil: another step
}

// Forever is the pause that a person ends.
const Forever time.Duration = -1

// Sticky says what tells callers apart, so that one who got the new revision keeps it; at most one field is set.
type Sticky struct {
	Header string
	Cookie string
	MaxAge time.Duration // of the cookie
}

// Metric is what an analysis measures: Metric of the hosts' own, or a query of Prometheus, or an answer of HTTP.
type Metric struct {
	Name       string // for people; unique in its list. Default: what is measured
	Metric     Measure
	Prometheus *Prometheus
	Web        *Web

	Min, Max *Bound // what is measured is good within them; nil: no bound
	// Condition says what is good, FailureCondition what is bad, in the language of expr-lang, with "result". With both
	// a measurement may be neither, which is inconclusive.
	Condition, FailureCondition string

	Window       time.Duration // of hosts' metrics: over the last so long
	Interval     time.Duration // between measurements
	InitialDelay time.Duration // before the first one
	Count        int           // measurements; 0: as long as the rollout lasts, of a step one
	MinRequests  int           // of hosts' metrics: with fewer in Window there is no data

	FailureLimit      int // failed measurements that are borne
	ErrorLimit        int // measurements in a row that could not be made and are borne
	InconclusiveLimit int // inconclusive measurements that are borne
	OnNoData          OnNoData
	MaxWait           time.Duration // of OnNoData Wait; then the rollout pauses
	DryRun            bool          // measured and shown, and of no effect
}

// Measure is a metric that hosts keep for each revision.
type Measure string

// The metrics of hosts.
const (
	SuccessRate Measure = "success-rate" // 0 to 1
	LatencyP50  Measure = "latency-p50"
	LatencyP95  Measure = "latency-p95"
	LatencyP99  Measure = "latency-p99"
	TrapRate    Measure = "trap-rate" // 0 to 1
	FuelPerCall Measure = "fuel"      // the mean of a call, in units of about a simple instruction
)

// IsTime reports whether what is measured is a time.
func (m Measure) IsTime() bool { return m == LatencyP50 || m == LatencyP95 || m == LatencyP99 }

// Bound is a limit of what is measured.
type Bound struct {
	Value float64
	Time  bool // Value is in seconds, written with a unit
}

// OnNoData says what a measurement without data, or with too few requests, is.
type OnNoData string

// What no data is.
const (
	Wait  OnNoData = "wait"  // nothing: the rollout waits for data, see Metric.MaxWait
	Pause OnNoData = "pause" // a reason to ask a person
	Fail  OnNoData = "fail"  // a failed measurement
	Pass  OnNoData = "pass"  // a good one
)

// Prometheus is a query.
type Prometheus struct {
	Address string // URL of the server
	Query   string
	Headers map[string]Value
	Timeout time.Duration
}

// Web is a request whose answer is JSON.
type Web struct {
	URL      string
	Method   string // GET, POST or PUT
	Headers  map[string]Value
	Body     string
	JSONPath string // "{$.data.ok}"; "" is the whole answer
	Timeout  time.Duration
}

// Defaults of a rollout and its analysis.
const (
	DefaultKeep         = 30 * time.Second
	DefaultDeadline     = 10 * time.Minute
	DefaultCookieMaxAge = 24 * time.Hour
	DefaultWindow       = 5 * time.Minute
	DefaultInterval     = 10 * time.Second
	DefaultMinRequests  = 50
	DefaultErrorLimit   = 4
	DefaultMaxWait      = 10 * time.Minute
	DefaultQueryTimeout = 30 * time.Second
	DefaultWebTimeout   = 10 * time.Second
)
