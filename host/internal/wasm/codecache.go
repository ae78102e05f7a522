package wasm

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// The engine keeps compiled code in files that are named by a hash of the module as it was rewritten, and of the
// processor's features, in a folder named by the engine's version and the platform: code for another module, another
// rewriting, another engine or another machine is never found. What it finds it executes. So the folder must belong to
// this user alone, and each file gets a checksum beside it. A file that does not match its checksum, or has no
// checksum, is deleted before the engine starts. That is for torn and rotten files: a user that can write here could
// write both.

const (
	sumSuffix  = ".sum"
	tempSuffix = ".tmp"
)

// openCodeCache makes the folder ready to be used.
func openCodeCache(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("compilation cache: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("compilation cache: %w", err)
	}
	if why := exposed(info); why != "" {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "open compilation cache", Entity: dir,
			Detail: why + ", and what lies there is executed; make it yours alone (chmod 700), or delete it"}
	}
	return eachCode(dir, func(path string, _ fs.FileInfo) error {
		if sum, err := checksum(path); err == nil {
			if want, err := os.ReadFile(path + sumSuffix); err == nil && string(want) == sum {
				return nil
			}
		}
		return dropCode(path)
	})
}

// sealCode writes the checksums of files that have none.
func sealCode(dir string) error {
	return eachCode(dir, func(path string, _ fs.FileInfo) error {
		if _, err := os.Stat(path + sumSuffix); err == nil {
			return nil
		}
		sum, err := checksum(path)
		if err != nil {
			return err
		}
		// Written aside and renamed: a reader sees a whole checksum or none.
		temp := path + sumSuffix + tempSuffix
		if err := os.WriteFile(temp, []byte(sum), 0o600); err != nil {
			return err
		}
		return os.Rename(temp, path+sumSuffix)
	})
}

// purgeCode deletes everything.
func purgeCode(dir string) error {
	return eachCode(dir, func(path string, _ fs.FileInfo) error { return dropCode(path) })
}

// eachCode visits the files of compiled code, and deletes what was left half-written an hour ago or more.
func eachCode(dir string, visit func(path string, info fs.FileInfo) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // another process was quicker
			return nil
		}
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, sumSuffix) ||
			strings.HasSuffix(path, fitsSuffix) {
			return err
		}
		info, err := d.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !strings.HasSuffix(path, tempSuffix):
			err = visit(path, info)
		case time.Since(info.ModTime()) > time.Hour:
			err = os.Remove(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// dropCode deletes a file of code with its checksum. The code goes first: a checksum alone does no harm.
func dropCode(path string) error {
	err := os.Remove(path)
	if sumErr := os.Remove(path + sumSuffix); err == nil && !errors.Is(sumErr, fs.ErrNotExist) {
		err = sumErr
	}
	return err
}

// checksum is of the kind that detects errors, quickly, and not forgery.
func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.Copy(h, file)
	return fmt.Sprintf("%d %08x\n", n, h.Sum32()), err
}
