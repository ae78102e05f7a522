//go:build !tinygo

package guest

import "runtime/debug"

func stack() string { return string(debug.Stack()) }
