package strictyaml

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weftlattice/weft/internal/yamltext"
)

var (
	syntaxMessage = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
)

// parserMessages begin the messages for which the library counts lines from 0. For others it counts from 1.
var parserMessages = []string{
	"did not find expected <", "did not find expected node content", "did not find expected '-'",
	"did not find expected key",
	"did not find expected ','", "found undefined tag handle", "found duplicate %", "found incompatible YAML document",
}

// syntaxError takes the line, from 1, out of the library's message, or finds it when the message does not say.
func syntaxError(err error, data []byte) (line int, detail string) {
	text := yamltext.Explain(err, data).Error()
	if m := syntaxMessage.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	for _, prefix := range parserMessages {
		if strings.HasPrefix(text, prefix) {
			line++
		}
	}
	if line == 0 {
		line = 1 // the library is silent about the first line
		if m := unknownAnchor.FindStringSubmatch(text); m != nil {
			line = lineAt(data, bytes.Index(data, []byte("*"+m[1])))
		} else if i := firstUnreadable(data); i >= 0 {
			line = lineAt(data, i)
		}
	}
	return min(line, lineAt(data, len(bytes.TrimRight(data, "\n")))), fmt.Sprintf("it is not YAML: %s", text)
}

// lineAt returns the line of an offset, 1 for a negative one.
func lineAt(data []byte, offset int) int { return 1 + bytes.Count(data[:max(offset, 0)], []byte("\n")) }

// firstUnreadable returns the offset of the first byte that is no text, or -1.
func firstUnreadable(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r) {
			return i
		}
		i += n
	}
	return -1
}
