//go:build tinygo

package guest

func stack() string { return "the handler panicked" }
