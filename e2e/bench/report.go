package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// report gathers figures. Each part adds its own.
type report struct {
	targets  []target
	recorded []record
	details  strings.Builder // markdown: tables and notes of single parts
	rounds   []string        // raw values
}

// target is a figure that something is promised about.
type target struct {
	figure        string
	value, beside string // how it came about; may be empty
	got           float64
	goal          goal
}

// goal is a bound in a unit; without a unit it is a ratio.
type goal struct {
	least bool // got must be at least bound, else at most
	bound float64
	unit  string
}

func atLeast(bound float64) goal             { return goal{least: true, bound: bound} }
func atMost(bound float64, unit string) goal { return goal{bound: bound, unit: unit} }
func (g goal) met(got float64) bool          { return got == g.bound || got > g.bound == g.least }

func (g goal) String() string {
	sign := "≤"
	if g.least {
		sign = "≥"
	}
	return sign + " " + g.show(g.bound, 2)
}

func (g goal) show(v float64, digits int) string {
	if g.unit != "" {
		return fmt.Sprintf("%.0f %s", v, g.unit)
	}
	return fmt.Sprintf("%.*f", digits, v)
}

func (t target) result() string { return t.goal.show(t.got, 3) }

// verdict says whether it is met, or by how much not.
func (t target) verdict() string {
	if t.goal.met(t.got) {
		return "yes"
	}
	return "**no**, by " + t.goal.show(max(t.got-t.goal.bound, t.goal.bound-t.got), 3)
}

// record is a figure without a target.
type record struct{ figure, value, beside string }

func (r *report) target(t target) { r.targets = append(r.targets, t) }

func (r *report) record(figure, value, beside string) {
	r.recorded = append(r.recorded, record{figure, value, beside})
}

// p adds a line of markdown to the details.
func (r *report) p(format string, args ...any) { fmt.Fprintf(&r.details, format+"\n", args...) }

// raw notes the values of each round.
func (r *report) raw(name string, v []float64) { r.rounds = append(r.rounds, name+" "+list(v)) }

func (r *report) markdown(o options) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	generator := "wrk"
	if !haveWrk() {
		generator = "the built-in closed loop, for want of wrk"
	}
	p("Made by `make bench` (`e2e/bench`) on %s, commit %s: %s, %d cores, %s.", time.Now().UTC().Format("2006-01-02"),
		commit(), cpu(), runtime.NumCPU(), runtime.Version())
	p("%d rounds of %s each in turns after one that does not count; medians, ratios those of each round. "+
		"%d connections or requests in flight.", o.rounds, o.window, o.conns)
	p("HTTP throughput is loaded by %s, latencies by an open loop: a constant rate, "+
		"measured from when each request was due. Load generator, NATS server, hosts and providers share the cores. "+
		"All answers must be 200 and of the right length, and those of the built-in loop, which warms up, "+
		"the right bytes; anything else ends the run.", generator)
	if len(r.targets) > 0 {
		p("")
		p("| figure | value | beside | result | target | met |")
		p("|---|---|---|---|---|---|")
		for _, t := range r.targets {
			p("| %s | %s | %s | %s | %s | %s |", t.figure, t.value, t.beside, t.result(), t.goal, t.verdict())
		}
	}
	if len(r.recorded) > 0 {
		p("")
		p("Also recorded:")
		p("")
		p("| figure | value | beside |")
		p("|---|---|---|")
		for _, t := range r.recorded {
			p("| %s | %s | %s |", t.figure, t.value, t.beside)
		}
	}
	b.WriteString(r.details.String())
	if len(r.rounds) > 0 {
		p("")
		p("Requests/s of each round: %s.", strings.Join(r.rounds, "; "))
	}
	return folded(b.String(), 120)
}

// folded breaks lines of more than width characters between words. Rows of tables stay whole: Markdown knows no others.
func folded(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") || utf8.RuneCountInString(line) <= width {
			b.WriteString(line)
			continue
		}
		at := 0
		for i, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case i == 0:
			case at+1+n > width:
				b.WriteByte('\n')
				at = 0
			default:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(word)
			at += n
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func round(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

func list(v []float64) string {
	var s []string
	for _, x := range v {
		s = append(s, fmt.Sprintf("%.0f", x))
	}
	return strings.Join(s, ", ")
}

// ratios divides the values of each round.
func ratios(v, beside []float64) (out []float64) {
	for i := range v {
		out = append(out, v[i]/beside[i])
	}
	return out
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func cpu() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		if m := regexp.MustCompile(`model name\s*:\s*(.+)`).FindSubmatch(b); m != nil {
			return string(m[1])
		}
	}
	return runtime.GOARCH
}
