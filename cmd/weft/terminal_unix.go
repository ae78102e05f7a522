//go:build unix

package main

const terminalDevice = "/dev/tty"
