package main

import "testing"

func TestWrkResult(t *testing.T) {
	const size, conns = 150, 32
	for name, c := range map[string]struct {
		result wrkResult
		ok     bool
	}{
		"all good":          {wrkResult{Requests: 1000, Bytes: 150_000}, true},
		"some unfinished":   {wrkResult{Requests: 1000, Bytes: 150_000 + 32*149}, true},
		"none":              {wrkResult{}, false},
		"a refusal":         {wrkResult{Requests: 1000, Bytes: 150_000, Status: 1}, false},
		"a lost connection": {wrkResult{Requests: 1000, Bytes: 150_000, Read: 1}, false},
		"a short answer":    {wrkResult{Requests: 1000, Bytes: 149_999}, false},
		"long answers":      {wrkResult{Requests: 1000, Bytes: 160_000}, false},
	} {
		if err := c.result.check(size, conns); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
