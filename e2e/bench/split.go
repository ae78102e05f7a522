package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Names of parts of a request that are not a package's own work.
const (
	partGuest   = "guest code"
	partMemory  = "allocation and garbage collection"
	partWaking  = "finding and waking goroutines"
	partSocket  = "system calls on the HTTP connection"
	partChannel = "system calls on the local channel"
	partSystem  = "other system calls"
	partRuntime = "Go's runtime, other"
)

// partOf says to which part of a request a stack belongs, whose outermost function is first. The runtime's own work and
// system calls come first; all else belongs to the innermost function of weft, net/http or wazero, whatever that has
// called.
func partOf(stack []string) string {
	has := func(words ...string) bool {
		return slices.ContainsFunc(stack, func(f string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(f, w) })
		})
	}
	leaf := stack[len(stack)-1]
	switch {
	case leaf == guestFrame:
		return partGuest
	case has("runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge",
		"runtime.mallocgc", "runtime.newobject", "runtime.makeslice", "runtime.growslice", "runtime.gcStart"):
		return partMemory
	case has("runtime.mcall", "runtime.mstart", "runtime.park_m", "runtime.schedule", "runtime.sysmon",
		"runtime.ready", "runtime.goready", "runtime.wakep", "runtime.gosched_m", "runtime.goschedImpl",
		"runtime.morestack", "runtime.asyncPreempt"):
		return partWaking
	case ownerOf(leaf) == ownSyscall && has(weftModule+"internal/channel"):
		return partChannel
	case ownerOf(leaf) == ownSyscall && has("net/http", "net.(*conn)"):
		return partSocket
	case ownerOf(leaf) == ownSyscall:
		return partSystem
	}
	for i := len(stack) - 1; i >= 0; i-- {
		switch ownerOf(stack[i]) {
		case ownWeft:
			return "weft: " + strings.TrimPrefix(packageOf(stack[i]), weftModule)
		case ownHTTP:
			return "net/http"
		case ownEngine:
			return "wazero"
		}
	}
	return partRuntime
}

// partRows adds the table of processor time per request by part.
func partRows(all []*profiled, r *report) {
	split := map[string][]float64{}
	total := 0.0
	for i, p := range all {
		each(p, func(stack []string, value float64) {
			name := partOf(stack)
			if split[name] == nil {
				split[name] = make([]float64, len(all))
			}
			split[name][i] += value
			total += value
		})
	}
	sum := func(v []float64) (s float64) {
		for _, x := range v {
			s += x
		}
		return s
	}
	const least = .005 // of the whole: what is less is put together
	const rest = "all that is below 0.5 %"
	for name, v := range split {
		if name != rest && sum(v) < least*total {
			if split[rest] == nil {
				split[rest] = make([]float64, len(all))
			}
			for i := range v {
				split[rest][i] += v[i]
			}
			delete(split, name)
		}
	}
	var names []string
	for name := range split {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == rest) != (b == rest) { // it comes last
			return cmp.Compare(len(strings.TrimPrefix(b, rest)), len(strings.TrimPrefix(a, rest)))
		}
		return cmp.Or(cmp.Compare(sum(split[b]), sum(split[a])), cmp.Compare(a, b))
	})
	r.p("")
	r.p("Processor time of one request over the local channel, by part: shares by profiles, totals by `/proc`.")
	r.p("")
	header, line := "| part | share | together |", "|---|---|---|"
	totals := make([]float64, len(all))
	for i, p := range all {
		header += " " + p.name + " |"
		line += "---|"
		for _, v := range split {
			totals[i] += v[i]
		}
	}
	r.p("%s", header)
	r.p("%s", line)
	row := func(name string, v []float64) {
		text := fmt.Sprintf("| %s | %.1f %% | %.2f µs |", name, 100*sum(v)/total, sum(v)*1e6)
		for _, x := range v {
			text += fmt.Sprintf(" %.2f µs |", x*1e6)
		}
		r.p("%s", text)
	}
	for _, name := range names {
		row(name, split[name])
	}
	row("**all**", totals)
}
