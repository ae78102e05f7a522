package files

import (
	"os"
	"path/filepath"
	"strings"
)

// lockName is the file in a temporary folder that its process has locked.
const lockName = "lock"

// Temp is a folder for one process. Make it with NewTemp.
type Temp struct {
	dir  string
	lock *Lock
}

// NewTemp makes a folder that only this user can enter (mode 0700) below base, or below the system's folder for
// temporary files when base is empty. Its name begins with prefix. Folders of that prefix that processes of this user
// have left behind, which were killed, are removed.
func NewTemp(base, prefix string) (*Temp, error) {
	if base == "" {
		base = os.TempDir()
	}
	sweep(base, prefix)
	dir, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return nil, err
	}
	lock, err := TryLock(filepath.Join(dir, lockName))
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return &Temp{dir, lock}, nil
}

// Dir is the path of the folder. It has a file "lock", which is the Temp's own.
func (t *Temp) Dir() string { return t.dir }

// Close removes the folder and all that is in it. Closing twice is not an error.
func (t *Temp) Close() error {
	if t.lock == nil {
		return nil
	}
	err := os.RemoveAll(t.dir)
	_ = t.lock.Release() // when the folder is gone
	t.lock = nil
	return err
}

// sweep removes folders whose processes are gone: their locks can be had.
func sweep(base, prefix string) {
	found, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range found {
		info, err := e.Info()
		if !strings.HasPrefix(e.Name(), prefix) || err != nil || !info.IsDir() {
			continue
		}
		dir := filepath.Join(base, e.Name())
		if lock := abandoned(filepath.Join(dir, lockName), info); lock != nil {
			_ = os.RemoveAll(dir)
			_ = lock.Release()
		}
	}
}
