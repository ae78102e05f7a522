package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// A host in a container of 400 MiB is asked for far more than that by one actor without a maximum. Calls that find no
// room are "busy", others are answered, nothing is killed, and what comes afterwards is served as ever.
func TestABurstDoesNotEndTheHost(t *testing.T) {
	t.Parallel()
	group := newMemoryGroup(t, 400<<20)
	r := newRig(t)
	r.within = []string{"/bin/sh", "-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(group.dir, "cgroup.procs")}
	h := r.host("a")
	r.weft("provider", "start", "httpserver")
	r.actor(module("guest"), "--max", "unlimited")
	url := r.web("guest", "timeout_ms=20000", "max_in_flight=2000")
	latticetest.Eventually(t, func() error { return answers("GET", url+"/version", nil, 200) })

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 300}, Timeout: time.Minute}
	var mu sync.Mutex
	got := map[string]int{}
	for range 3 {
		var wg sync.WaitGroup
		for range 300 { // 16 MiB each
			wg.Go(func() {
				what := burst(client, url+"/hold?mib=12")
				mu.Lock()
				defer mu.Unlock()
				got[what]++
			})
		}
		wg.Wait()
	}
	t.Log(got)
	if got["200"] == 0 || got["503 busy"] == 0 || got["200"]+got["503 busy"]+got["500 memory"] != 900 {
		t.Errorf("answers: %v; want 200, 503 busy and, where a memory could not grow, 500 memory", got)
	}
	if n := group.kills(); n != 0 {
		t.Errorf("the kernel killed %d processes", n)
	}
	if !h.alive() {
		t.Fatal("the host has ended")
	}
	want(t, "GET", url+"/version", nil, 200, "1")
	if h.metric("weft_guest_budget_bytes") > h.metric("weft_guest_budget_bytes_max") {
		t.Error("more memory is in use than there may be")
	}
}

func burst(client *http.Client, url string) string {
	res, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	if res.StatusCode == 200 {
		return "200"
	}
	for _, code := range []string{"busy", "memory", "timeout"} {
		if strings.Contains(string(body), `"code":"`+code+`"`) {
			return strconv.Itoa(res.StatusCode) + " " + code
		}
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

// memoryGroup is a control group with a limit of memory, as a container's.
type memoryGroup struct {
	t       *testing.T
	dir     string
	version int
}

func newMemoryGroup(t *testing.T, bytes int) memoryGroup {
	t.Helper()
	name := fmt.Sprintf("weft-e2e-%d", os.Getpid())
	for version, files := range map[int][2]string{1: {"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		2: {"/sys/fs/cgroup", "memory.max"}} {
		g := memoryGroup{t, filepath.Join(files[0], name), version}
		if version == 2 {
			if _, err := os.Stat("/sys/fs/cgroup/cgroup.subtree_control"); err != nil {
				continue
			}
			_ = os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory"), 0) // it may be so already
		}
		if os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			latticetest.Eventually(t, func() error { return os.Remove(g.dir) }) // when its last process has ended
		})
		if err := os.WriteFile(filepath.Join(g.dir, files[1]), []byte(strconv.Itoa(bytes)), 0); err == nil {
			return g
		}
	}
	latticetest.Lacks(t, "a control group for memory that this user may make, as root may")
	return memoryGroup{}
}

// kills is how many of its processes the kernel has killed for want of memory.
func (g memoryGroup) kills() int {
	g.t.Helper()
	file := map[int]string{1: "memory.oom_control", 2: "memory.events"}[g.version]
	b, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			kills, err := strconv.Atoi(n)
			if err != nil {
				g.t.Fatal(err)
			}
			return kills
		}
	}
	g.t.Fatalf("%s does not say how many were killed: %s", file, b)
	return 0
}
