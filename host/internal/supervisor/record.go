package supervisor

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

// record is a line of a child's output as a log record.
type record struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

// parseRecord understands the lines of slog (JSON and text), of Rust's tracing (JSON and text) and of env_logger. Any
// other line becomes the message, at the fallback level.
func parseRecord(line string, fallback slog.Level) record {
	if strings.HasPrefix(line, "{") {
		if rec, ok := parseJSON(line); ok {
			return rec
		}
	}
	if rec, ok := parseLogfmt(line); ok {
		return rec
	}
	return record{level: findLevel(line, fallback), message: line}
}

// parseJSON reads {"level": ..., "msg"|"message": ..., more} and {"level": ..., "fields": {"message": ..., more}}.
func parseJSON(line string) (record, bool) {
	var top map[string]any
	if json.Unmarshal([]byte(line), &top) != nil {
		return record{}, false
	}
	level, _ := top["level"].(string)
	l, ok := parseLevel(level)
	if !ok {
		return record{}, false
	}
	if fields, ok := top["fields"].(map[string]any); ok {
		delete(top, "fields")
		for k, v := range fields {
			top[k] = v
		}
	}
	rec := record{level: l}
	for _, key := range []string{"msg", "message"} {
		if s, ok := top[key].(string); ok && rec.message == "" {
			rec.message = s
			delete(top, key)
		}
	}
	for _, key := range []string{"level", "time", "timestamp"} {
		delete(top, key)
	}
	for k, v := range top {
		rec.attrs = append(rec.attrs, slog.Any(k, v))
	}
	slices.SortFunc(rec.attrs, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	return rec, true
}

// parseLogfmt reads time=... level=... msg="..." key=value.
func parseLogfmt(line string) (record, bool) {
	var rec record
	var leveled, told bool
	for rest := line; rest != ""; {
		key, after, ok := strings.Cut(rest, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \"") {
			return record{}, false
		}
		value, tail, _ := strings.Cut(after, " ")
		if strings.HasPrefix(after, `"`) {
			quoted, err := strconv.QuotedPrefix(after)
			if err != nil {
				return record{}, false
			}
			value, _ = strconv.Unquote(quoted)
			tail = after[len(quoted):]
		}
		rest = strings.TrimLeft(tail, " ")
		switch key {
		case "time":
		case "level":
			rec.level, leveled = parseLevel(value)
		case "msg":
			rec.message, told = value, true
		default:
			rec.attrs = append(rec.attrs, slog.String(key, value))
		}
	}
	return rec, leveled && told
}

// findLevel looks for a word for a level among the first words: "2026-01-02T03:04:05Z  INFO target: text".
func findLevel(line string, fallback slog.Level) slog.Level {
	for i, word := range strings.Fields(stripColour(line[:min(len(line), 120)])) {
		if i == 3 {
			break
		}
		if word == strings.ToUpper(word) {
			if l, ok := parseLevel(strings.Trim(word, "[]:")); ok {
				return l
			}
		}
	}
	return fallback
}

// stripColour removes terminal escape sequences.
func stripColour(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := strings.IndexFunc(after, func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' })
		s = after[end+1:]
	}
}

// parseLevel reads slog's levels ("WARN", "ERROR+2") and Rust's "TRACE".
func parseLevel(s string) (slog.Level, bool) {
	switch strings.ToUpper(s) {
	case "":
		return 0, false
	case "TRACE":
		return slog.LevelDebug - 4, true
	case "WARNING":
		return slog.LevelWarn, true
	case "CRITICAL", "FATAL":
		return slog.LevelError, true
	}
	var l slog.Level
	return l, l.UnmarshalText([]byte(s)) == nil
}
