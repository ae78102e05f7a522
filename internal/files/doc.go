// Package files keeps folders of temporary and cached files from growing without end, however the processes die that
// use them.
package files
