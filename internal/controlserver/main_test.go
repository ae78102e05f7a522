package controlserver

import (
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }
