package natsserver

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weftlattice/weft/internal/grant"
)

const testPayload = 1 << 20

func filtered(r io.Reader) (out string, refused []string, err error) {
	var b bytes.Buffer
	f := newFilter(r, &b, testPayload, func(subj, reply string) { refused = append(refused, subj+" "+reply) })
	err = f.run()
	_ = f.out.Flush() // to a buffer
	return b.String(), refused, err
}

func TestFilter(t *testing.T) {
	const noBox = "PUB " + noInbox + " 0\r\n\r\n"
	for _, tc := range []struct{ in, out, refused string }{
		{"CONNECT {\"a\": \"b c\"}\r\n", "CONNECT {\"a\": \"b c\"}\r\n", ""},
		{"ping\r\nPong\n", "PING\r\nPONG\r\n", ""},
		{"sub  a.>\tq 1\r\nUNSUB 1 \r\nSUB a 2\n", "SUB a.> q 1\r\nUNSUB 1\r\nSUB a 2\r\n", ""},
		{"PUB a 2\r\nhi\r\nPING\r\n", "PUB a 2\r\nhi\r\nPING\r\n", ""},
		{"PUB a _INBOX.x 002\r\nhi\r\n", "PUB a _INBOX.x 2\r\nhi\r\n", ""},
		{"PUB a _INBOX_host_l.x.y 2\nhi\r\n", "PUB a _INBOX_host_l.x.y 2\r\nhi\r\n", ""},
		{"HPUB a _INBOX.x 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HPUB a _INBOX.x 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", ""},
		{"PUB a $KV.b.c 9\r\nPUB x 1\r\n\r\nPING\r\n", noBox + "PING\r\n", "a $KV.b.c"},
		{"hpub\ta \t $JS.API.x 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n", noBox + "PING\r\n", "a $JS.API.x"},
		{"PUB a _INBOX 0\r\n\r\n", noBox, "a _INBOX"},
		{"PUB a _inbox.x 0\r\n\r\n", noBox, "a _inbox.x"},
		{"PUB a _INBOX_x 0\r\n\r\n", noBox, "a _INBOX_x"},
		// a payload is no operation
		{"PUB a 20\r\nPUB b $KV.x 1\r\n1\r\n\r\n", "PUB a 20\r\nPUB b $KV.x 1\r\n1\r\n\r\n", ""},
	} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(tc.in),
			"by bytes": iotest.OneByteReader(strings.NewReader(tc.in))} {
			out, refused, err := filtered(r)
			if out != tc.out || strings.Join(refused, ";") != tc.refused || err != io.EOF {
				t.Errorf("%q %s: %q, refused %q, %v; want %q, %q", tc.in, name, out, refused, err, tc.out, tc.refused)
			}
		}
	}
}

// What the server might understand in another way than the filter does not reach it.
func TestFilterEndsWhatIsMalformed(t *testing.T) {
	for _, in := range []string{
		"\r\n", " PING\r\n", "FOO\r\n", "INFO {}\r\n", "+OK\r\n", "-ERR x\r\n", "MSG a 1 0\r\n\r\n", "RMSG a\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"\r\n\r\n\x00\r\nQUIT\n", "PUB\r\n", "PUB a\r\n", "PUB a b c 1\r\n", "PUB a -1\r\n", "PUB a +1\r\n",
		"PUB a 1x\r\n", "PUB a 0x1\r\n", "PUB a 9999999999\r\n",
		"PUB a\r$KV.x 0\r\n\r\n", "PUB a\x00 0\r\n\r\n", "PUB a\v_INBOX.x 0\r\n\r\n", "PUB a 1\r\nxx\r\n",
		"PUB a 1\r\nx\n", "PUB a $KV.x 1\r\nxx\r\n", "HPUB a 1\r\n",
		"HPUB a 5 4\r\n", "HPUB a b c 1 2\r\n", "CONNECT\r\n", "CONNECT \r\n", "PING x\r\n", "SUB a\r\n",
		"SUB a b c d\r\n", "SUB a b c d e f\r\n", "ſUB a 1\r\n",
		"PUB " + strings.Repeat("a", maxControlLine) + " 0\r\n", strings.Repeat("P", 2*filterIn),
	} {
		out, _, err := filtered(strings.NewReader("PING\r\n" + in + "PING\r\n"))
		if !errors.Is(err, errProtocol) || !strings.HasPrefix(out, "PING\r\n") || !strings.HasSuffix(out, "?\r\n") ||
			strings.Count(out, "PING") > 1 {
			t.Errorf("%.60q: %.60q, %v", in, out, err)
		}
	}
	out, _, err := filtered(strings.NewReader("PUB a $KV.x " + strconv.Itoa(testPayload+1) + "\r\nPING\r\n"))
	// the server says the rest
	if want := "PUB a " + strconv.Itoa(testPayload+1) + "\r\n"; out != want || !errors.Is(err, errPayload) {
		t.Errorf("too large: %q, %v", out, err)
	}
}

// Whatever a client says, what passes is in one form, means the same when it is read again, and no reply is anything
// but an inbox.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"CONNECT {}\r\nPING\r\n", "PUB a b 1\r\nx\r\n",
		"HPUB a _INBOX.b 12 13\r\nNATS/1.0\r\n\r\nx\r\n", "sub a\tb 1\nunsub 1 2\r\n", "PUB a 3\r\n\r\n\r\r\n",
		"PUB a _INBOX.b\r $KV.x 0\r\n\r\n", "PUB a 999999999\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, refused, err := filtered(bytes.NewReader(in))
		slow, refusedSlow, errSlow := filtered(iotest.OneByteReader(bytes.NewReader(in)))
		if whole := strings.HasPrefix(out, slow) || strings.HasPrefix(slow, out); !whole ||
			len(refused) != len(refusedSlow) || (err == io.EOF) != (errSlow == io.EOF) {
			t.Fatalf("by bytes: %q, %v; at once: %q, %v", slow, errSlow, out, err)
		}
		if errors.Is(err, errProtocol) {
			out = strings.TrimSuffix(out, "?\r\n")
		}
		if again, refused, _ := filtered(strings.NewReader(out)); len(refused) > 0 || again != out &&
			!errors.Is(err, errProtocol) {
			t.Fatalf("%q becomes %q, and refused are %q", out, again, refused)
		}
		for rest := out; rest != ""; {
			line, after, ok := strings.Cut(rest, "\r\n")
			if !ok || strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("%q ends within a line", out)
			}
			rest = after
			words := strings.Split(line, " ")
			names := map[string]int{"PUB": len(words) - 2, "HPUB": len(words) - 3}[words[0]]
			if names == 0 {
				continue
			}
			if names > 2 || names == 2 && !grant.IsInbox(words[2]) {
				t.Fatalf("passed: %q", line)
			}
			n, err := strconv.Atoi(words[len(words)-1])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[min(len(rest), n+2):] // the connection may have ended in the payload
		}
	})
}
