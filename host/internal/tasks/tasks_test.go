package tasks

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// A flood of commands is refused, and the place of each that is done is free again.
func TestTasksAreBounded(t *testing.T) {
	tasks := New()
	hold := make(chan struct{})
	for i := range maxTasks {
		if err := tasks.Run(fmt.Sprint(i%10), func(context.Context) { <-hold }); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := tasks.Run("another", func(context.Context) {}); !errors.Is(err, lattice.ErrBusy) {
		t.Errorf("a task too many: %v", err)
	}
	close(hold)
	done := make(chan struct{})
	for tasks.Run("another", func(context.Context) { close(done) }) != nil { // until one is done
	}
	<-done
	if err := tasks.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := tasks.Run("late", func(context.Context) {}); !errors.Is(err, ErrStopping) {
		t.Errorf("after the end: %v", err)
	}
	if tasks.count != 0 {
		t.Errorf("%d tasks left", tasks.count)
	}
}
