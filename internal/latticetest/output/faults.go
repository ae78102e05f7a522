package output

import "strings"

// Faults are the lines that no process of a lattice may write, be they of a host, of a provider whose output its host
// logs, or of a NATS server: of a panic, of the race detector, and of a client that tried what NATS does not permit.
func Faults(log string) (lines []string) {
	for line := range strings.Lines(log) {
		provider := strings.Contains(line, " provider=") // whose output the host logs
		text := strings.ToLower(line)
		if strings.Contains(text, "permissions violation") || strings.Contains(text, "publish violation") ||
			strings.Contains(text, "subscription violation") || strings.HasPrefix(line, "panic: ") ||
			strings.HasPrefix(line, "fatal error: ") || strings.Contains(line, "WARNING: DATA RACE") ||
			provider && (strings.Contains(line, `msg="panic: `) || strings.Contains(line, `msg="fatal error: `)) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
