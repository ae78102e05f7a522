package memory

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Available is how many bytes this process and its children may use: the least of the machine's memory and the limits
// of the control groups that it is in. 0 means that it is not known, as on systems other than Linux.
func Available() int64 { return available("/", physical()) }

// available is Available for the files below root.
func available(root string, physical int64) int64 {
	least := physical
	take := func(file string) {
		b, err := os.ReadFile(file)
		if err != nil {
			return
		}
		// "max", and the huge number that stands for no limit in version 1, are not limits.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 &&
			(least == 0 || n < least) {
			least = n
		}
	}
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(fields) != 3 {
			continue
		}
		mounts, name := []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}, "memory.max"
		switch {
		case fields[0] == "0" && fields[1] == "":
		case strings.Contains(","+fields[1]+",", ",memory,"):
			mounts, name = []string{"sys/fs/cgroup/memory"}, "memory.limit_in_bytes"
		default:
			continue
		}
		for _, mount := range mounts {
			// In a container the path may be the one outside; the mount's root is the container's group then.
			for path := filepath.Clean("/" + fields[2]); ; path = filepath.Dir(path) {
				take(filepath.Join(root, mount, path, name))
				if path == "/" {
					break
				}
			}
		}
	}
	return least
}
