//go:build !unix

package main

const terminalDevice = "CONIN$"
