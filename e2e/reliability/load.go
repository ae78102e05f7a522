//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// loadCommand makes the program send requests, so that it can do so inside a network namespace.
const loadCommand = "load"

// request is one that was sent.
type request struct {
	Due    time.Time     `json:"due"`
	Took   time.Duration `json:"took"` // from when it was due
	URL    string        `json:"url"`
	Status int           `json:"status"`           // 0: no answer
	Answer string        `json:"answer,omitempty"` // the beginning of the body
	Error  string        `json:"error,omitempty"`
}

func (r request) failed() bool { return r.Status != http.StatusOK }

// keys is how many different keys the requests count in turns: of two requests that count one key at the same time, one
// has to repeat it.
const keys = 60

// patience is how long the sender of a request waits for the answer.
const patience = 10 * time.Second

// answerBytes is how much of an answer's body is kept.
const answerBytes = 64

// generate sends requests to URLs in turns until its time is over or a signal ends it, and prints each as JSON when it
// is over.
func generate(args []string) int {
	set := flag.NewFlagSet(loadCommand, flag.ContinueOnError)
	perSecond := set.Float64("rate", rate, "")
	length := set.Duration("for", time.Second, "")
	if set.Parse(args) != nil {
		return 2
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 256,
		DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext}
	client := &http.Client{Transport: transport, Timeout: patience}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var mu sync.Mutex // one line at a time
	out := json.NewEncoder(os.Stdout)
	var wg sync.WaitGroup
	urls := set.Args()
	gap := time.Duration(float64(time.Second) / *perSecond)
	start := time.Now()
	for n := 0; ; n++ {
		due := start.Add(time.Duration(n) * gap)
		if due.Sub(start) >= *length {
			break
		}
		if pause(ctx, time.Until(due)) != nil {
			break
		}
		wg.Go(func() {
			r := request{Due: due, URL: urls[n%len(urls)]}
			answer, err := client.Post(r.URL+strconv.Itoa(n%keys), "text/plain", strings.NewReader("x"))
			if err == nil {
				r.Status = answer.StatusCode
				body, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
				_ = answer.Body.Close()
				r.Answer = string(body[:min(len(body), answerBytes)])
				if r.failed() {
					r.Error = strings.TrimSpace(string(body))
				}
			} else {
				r.Error = err.Error()
			}
			r.Took = time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			_ = out.Encode(r)
		})
	}
	wg.Wait()
	return 0
}

// load is a generator that runs.
type load struct {
	*process
	mu  sync.Mutex
	all []request // guarded by mu
	err error
	got chan struct{}
}

// load sends requests at a rate for a time, from the client's namespace, in turns to URLs.
func (l *lab) load(perSecond float64, length time.Duration, urls ...string) (*load, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := append([]string{loadCommand, "-rate", fmt.Sprint(perSecond), "-for", length.String()}, urls...)
	g := &load{got: make(chan struct{})}
	r, w := io.Pipe()
	if g.process, err = l.start("client", "load", w, nil, self, args...); err != nil {
		return nil, err
	}
	go func() { // ends with the process, which wait and end wait for
		<-g.ended
		_ = w.Close()
	}()
	go func() {
		defer close(g.got)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			var one request
			if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
				g.err = fmt.Errorf("the load generator printed %q: %w", lines.Text(), err)
				_ = r.CloseWithError(g.err)
				return
			}
			g.mu.Lock()
			g.all = append(g.all, one)
			g.mu.Unlock()
		}
	}()
	return g, nil
}

// wait returns all requests, when the last one is over.
func (g *load) wait() ([]request, error) {
	<-g.got
	if g.err == nil && len(g.all) == 0 {
		g.err = fmt.Errorf("the load generator sent nothing: %s", g.log.String())
	}
	return g.all, g.err
}

// sofar are the requests that are over.
func (g *load) sofar() []request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.all)
}

// more waits until so many requests that were due from now on have been answered well.
func (g *load) more(ctx context.Context, n int) error {
	from := time.Now()
	return until(ctx, streamPatience, func() error {
		good := 0
		for _, q := range g.sofar() {
			if q.Due.After(from) && !q.failed() {
				good++
			}
		}
		if good < n {
			return fmt.Errorf("%d of %d requests are answered", good, n)
		}
		return nil
	})
}

// end lets it send no more, and waits for the answers.
func (g *load) end() {
	g.stop()
	<-g.got
}

// answers waits until a URL answers 200.
func (l *lab) answers(ctx context.Context, url string) error {
	return until(ctx, time.Minute, func() error {
		out, err := l.output("client", "curl", "-sS", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", "-d", "x",
			url)
		if err == nil && out != "200" {
			err = fmt.Errorf("%s answers %s", url, out)
		}
		return err
	})
}
