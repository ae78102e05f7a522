//go:build !wasip1

package guest

// Host stands in for the real one in native tests.
type Host interface {
	Call(r Request) ([]byte, error)
	Console(text string)
}

// Current is the host of the running test. Package actortest sets it around each invocation, one at a time.
var Current Host

func call(r Request) (result []byte, errText string, ok bool) {
	if Current == nil {
		return nil, "there is no host here: call handlers through actortest, outside of a handler use its Run", false
	}
	result, err := Current.Call(r)
	if err != nil {
		return nil, err.Error(), false
	}
	return result, "", true
}

func console(msg string) {
	if Current != nil {
		Current.Console(msg)
	}
}
