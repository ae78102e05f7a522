//go:build !tinygo

package guest

import "runtime"

// stack returns where the panic happened, up to 8 KiB of it.
func stack() string {
	b := make([]byte, 8<<10)
	return string(b[:runtime.Stack(b, false)])
}
