package logging_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/contract/logging"
)

func Example() {
	payload := logging.Entry{Level: logging.Info, Text: "started"}.Encode() // the argument of logging.WriteLog
	e, err := logging.DecodeEntry(payload)
	fmt.Println(e.Level, e.Text, err)
	// Output: info started <nil>
}
