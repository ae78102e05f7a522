//go:build linux || darwin || freebsd

package natsserver

import "golang.org/x/sys/unix"

// diskRoom tells how many bytes the file system of dir has in all, and has left for this user.
func diskRoom(dir string) (free, total int64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, 0, err
	}
	block := int64(fs.Bsize)
	return max(0, int64(fs.Bavail)*block), int64(fs.Blocks) * block, nil
}
