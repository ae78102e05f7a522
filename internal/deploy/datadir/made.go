package datadir

import (
	"encoding/json"
	"os"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
)

const madeFile = "made.json"

// Made is what the node file had made when it was applied last. A file that cannot be read counts as missing.
func (d Dir) Made() []operate.Made {
	data, err := os.ReadFile(d.join(madeFile))
	var made []operate.Made
	if err != nil || json.Unmarshal(data, &made) != nil {
		return nil
	}
	return made
}

// SaveMade keeps what the node file has made.
func (d Dir) SaveMade(made []operate.Made) error {
	data, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return localfile.Write(d.join(madeFile), append(data, '\n'), 0o600)
}
