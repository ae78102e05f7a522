package latticetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk is a small file system of a test.
type Disk struct {
	t   testing.TB
	Dir string
}

// SmallDisk mounts a file system of that many bytes, in memory, until the test ends. It needs the right to mount, which
// root has: without it the test is skipped, but fails where CI is set in the environment.
func SmallDisk(t testing.TB, bytes int64) *Disk {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		if errors.Is(err, unix.EPERM) {
			Lacks(t, "the right to mount, which root has")
		}
		t.Fatalf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return &Disk{t, dir}
}

// Free is how many bytes are free.
func (d *Disk) Free() int64 {
	d.t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(d.Dir, &fs); err != nil {
		d.t.Fatal(err)
	}
	return int64(fs.Bavail) * fs.Bsize
}

// Fill lets another program's file grow until about that many bytes are left, and returns how to delete the file.
func (d *Disk) Fill(but int64) (empty func()) {
	d.t.Helper()
	path := filepath.Join(d.Dir, "of another program")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for d.Free() >= but+int64(len(page)) {
		if _, err := f.Write(page); err != nil {
			if errors.Is(err, unix.ENOSPC) { // another program was quicker
				break
			}
			d.t.Fatal(err)
		}
	}
	return func() {
		d.t.Helper()
		if err := os.Remove(path); err != nil {
			d.t.Error(err)
		}
	}
}

// ReadOnly makes the file system read-only, or lets it be written again. Files that are open for writing must not be
// there.
func (d *Disk) ReadOnly(on bool) error {
	flags := uintptr(unix.MS_REMOUNT)
	if on {
		flags |= unix.MS_RDONLY
	}
	return unix.Mount("tmpfs", d.Dir, "tmpfs", flags, "")
}
