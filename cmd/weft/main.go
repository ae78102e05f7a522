package main

import (
	"os"

	"github.com/weftlattice/weft/internal/process/heap"
)

func main() {
	heap.Room(heap.DefaultRoom)
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
