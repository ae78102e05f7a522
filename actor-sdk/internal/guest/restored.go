package guest

// OnRestore makes f run whenever the actor's memory was set back to how it was after the initialisation.
func OnRestore(f func()) { onRestore = append(onRestore, f) }

var onRestore []func()
