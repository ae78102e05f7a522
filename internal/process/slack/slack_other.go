//go:build !linux

package slack

// Take does nothing here.
func Take() {}
