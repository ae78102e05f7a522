package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// haveWrk reports whether the load generator wrk is installed.
func haveWrk() bool {
	_, err := exec.LookPath("wrk")
	return err == nil
}

// wrkScript sends what the built-in client sends. It has no function that runs for each request, since wrk would call
// Lua for it, and that costs processor time of the machine that is measured: wrk itself counts the answers.
const wrkScript = `wrk.method = "POST"
wrk.body = %q
wrk.headers["Host"] = "bench"
done = function(s, latency, requests)
  local e = s.errors
  io.stderr:write(string.format('{"us":%%d,"requests":%%d,"bytes":%%d,' ..
    '"connect":%%d,"read":%%d,"write":%%d,"status":%%d,"timeout":%%d}',
    s.duration, s.requests, s.bytes, e.connect, e.read, e.write, e.status, e.timeout))
end
`

// wrkResult is what the script prints.
type wrkResult struct {
	Micros   float64 `json:"us"`
	Requests int64   `json:"requests"`
	Bytes    int64   `json:"bytes"`
	Connect  int64   `json:"connect"`
	Read     int64   `json:"read"`
	Write    int64   `json:"write"`
	Status   int64   `json:"status"` // answers of 400 and above
	Timeout  int64   `json:"timeout"`
}

// check wants every answer to be good and as long as size, header included. At the end each of the connections may have
// a part of an answer that is not counted as one.
func (r wrkResult) check(size, conns int) error {
	if r.Connect+r.Read+r.Write+r.Status+r.Timeout > 0 {
		return fmt.Errorf("wrk met errors: connect %d, read %d, write %d, status %d, timeout %d", r.Connect, r.Read,
			r.Write, r.Status, r.Timeout)
	}
	if more := r.Bytes - r.Requests*int64(size); r.Requests == 0 || more < 0 || more > int64(size*conns) {
		return fmt.Errorf("wrk read %d bytes in %d answers, want %d each", r.Bytes, r.Requests, size)
	}
	return nil
}

// load keeps all connections busy for one window and returns the requests per second. The answers must be good; see
// wrkResult.check.
func (b *bench) load(ctx context.Context, addr string, want []byte) (float64, error) {
	return b.loadFor(ctx, addr, want, b.window)
}

func (b *bench) loadFor(ctx context.Context, addr string, want []byte, d time.Duration) (float64, error) {
	n, took, err := b.drive(ctx, addr, want, d)
	return float64(n) / took.Seconds(), err
}

// drive is load that returns how many requests were answered in which time.
func (b *bench) drive(ctx context.Context, addr string, want []byte, d time.Duration) (int64, time.Duration, error) {
	if !haveWrk() {
		rate, err := closedLoop(addr, "/", []byte(payload), want, b.conns, d)
		return int64(rate * d.Seconds()), d, err
	}
	one, err := dial(addr, "/", []byte(payload))
	if err != nil {
		return 0, d, err
	}
	err = one.do(want)
	_ = one.conn.Close()
	if err != nil {
		return 0, d, err
	}
	script := filepath.Join(b.dir, "wrk.lua")
	if err := os.WriteFile(script, fmt.Appendf(nil, wrkScript, payload), 0o600); err != nil {
		return 0, d, err
	}
	cmd := exec.CommandContext(ctx, "wrk", "-t", "1", "-c", fmt.Sprint(b.conns), "-d",
		fmt.Sprintf("%ds", max(1, int(d.Round(time.Second).Seconds()))),
		"-s", script, "http://"+addr+"/")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		return 0, d, fmt.Errorf("wrk: %w\n%s", err, errs.String())
	}
	var r wrkResult
	if err := json.Unmarshal(errs.Bytes(), &r); err != nil {
		return 0, d, fmt.Errorf("wrk: %w: %s", err, errs.String())
	}
	return r.Requests, time.Duration(r.Micros) * time.Microsecond, r.check(one.size, b.conns)
}

// warm loads a path with the built-in loop, which compares every answer with what it must be.
func (b *bench) warm(addr string, want []byte) error {
	_, err := closedLoop(addr, "/", []byte(payload), want, b.conns, b.window/2)
	return err
}
