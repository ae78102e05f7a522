package natsserver

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/lattice"
)

// JetStream gives a stream up at the first write that fails, until the server starts again, and never answers the
// client that wrote. So this server keeps away from the end of the disk: a keeper looks at the free room each second
// and tells JetStream how much it may hold now. Where the room ends, it refuses large messages first, at once and with
// a reason. The small ones of a lattice's own state still fit, a little each second. A file of zeros is kept for those,
// which can be given up. When a write has failed nevertheless, since another program was quicker, JetStream alone is
// started again as soon as a probe can be written; connections stay.

const (
	lookInterval = time.Second // between looks at the disk
	// rationBytes is how much the streams may grow from one look to the next where there is no room for more. It is
	// less than a chunk of an artifact.
	rationBytes = 64 << 10
	probeBytes  = 64 << 10 // a write that shows that the disk takes writes again
	// maxStoreBytes is what JetStream itself is told. The keeper bounds it, by what the disk has at the time.
	maxStoreBytes = 1 << 60

	minReserve    = 256 << 10
	maxReserve    = 16 << 20
	reserveShare  = 64 // of the disk, or of Config.MaxStoreBytes, is 1 / reserveShare
	reserveFile   = "reserve"
	probeFile     = "probe"
	minRestart    = time.Second // between two starts of JetStream, which doubles
	maxRestart    = 30 * time.Second
	quietRestarts = time.Minute // without a failed write makes it minRestart again
)

// Storage is how the server's disk does.
type Storage struct {
	FreeBytes  int64 // that this process may still use; -1 where the system does not tell
	TotalBytes int64 // of the file system; -1 where the system does not tell
	UsedBytes  int64 // in JetStream's streams
	MaxBytes   int64 // Config.MaxStoreBytes; 0: no limit
	// Err is why data cannot be stored: lattice.ErrUnavailable, which names the directory, the cause and the way out.
	// Nil when it can.
	Err error
}

// keeper looks after the disk of a server. Its goroutine owns the fields that no lock guards.
type keeper struct {
	srv     *server.Server
	all     func() []*server.Account
	dir     string
	max     int64 // Config.MaxStoreBytes
	enable  func() error
	log     *slog.Logger
	failed  <-chan string // texts of writes that failed
	room    func(dir string) (free, total int64, err error)
	refusal string // of the last write that failed, until JetStream was started again

	growth      int64 // how much the streams may grow until the next look; -1: no limit
	full        bool
	restarts    backoff.Series
	restartWait time.Duration // from restarted on
	restarted   time.Time     // when JetStream was last started again

	mu    sync.Mutex
	state Storage // guarded by mu

	stop chan struct{}
	wg   sync.WaitGroup
}

func newKeeper(s *Server, cfg Config, enable func() error, failed <-chan string) *keeper {
	return &keeper{srv: s.srv, all: s.accounts, dir: cfg.DataDir, max: cfg.MaxStoreBytes, enable: enable,
		log: cfg.Logger.With("part", "nats-server"), failed: failed,
		room: diskRoom, growth: -1, restarts: backoff.Series{Policy: backoff.Policy{First: minRestart,
			Max: maxRestart}}, restartWait: minRestart, stop: make(chan struct{})}
}

// makeRoom gives the reserve up before a start that would fail without.
func makeRoom(dir string) error {
	if free, _, err := diskRoom(dir); err != nil || free >= minReserve {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, reserveFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "make room in", Entity: dir, Err: err}
	}
	return nil
}

// open looks once, and then goes on until close.
func (k *keeper) open() {
	k.look(time.Now())
	k.wg.Go(func() {
		tick := time.NewTicker(lookInterval)
		defer tick.Stop()
		for {
			select {
			case <-k.stop:
				return
			case text := <-k.failed:
				k.refusal = text
			case <-tick.C:
			}
			k.look(time.Now())
		}
	})
}

// close may be called once. A nil keeper does nothing.
func (k *keeper) close() {
	if k == nil {
		return
	}
	close(k.stop)
	k.wg.Wait()
}

// now is the state as it was at the last look, a second ago or less.
func (k *keeper) now() Storage {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

// look brings everything up to date.
func (k *keeper) look(now time.Time) {
	free, total, roomErr := k.room(k.dir)
	s := Storage{FreeBytes: free, TotalBytes: total, UsedBytes: k.used(), MaxBytes: k.max}
	why := ""
	if roomErr != nil && k.max == 0 {
		s.FreeBytes, s.TotalBytes = -1, -1 // only failed writes tell
		k.full = false
	} else {
		why = k.keepAway(&s, roomErr == nil)
	}
	if k.refusal == "" && !k.srv.JetStreamEnabled() {
		k.refusal = "JetStream has shut itself down"
	}
	if k.refusal != "" && now.Sub(k.restarted) >= k.restartWait {
		k.restart(now)
	}
	switch {
	case k.refusal == "":
	case strings.Contains(k.refusal, syscall.ENOSPC.Error()):
		why = diskFull(s)
	default:
		why = "the disk refuses writes: " + k.refusal
	}
	if why != "" {
		s.Err = &lattice.Error{Code: lattice.ErrUnavailable, Op: "store data in", Entity: k.dir,
			Detail: why + "; it heals by itself when that has passed"}
	}
	k.tell(s)
}

// keepAway tells JetStream how much it may hold, and returns why that is next to nothing, if so.
func (k *keeper) keepAway(s *Storage, known bool) string {
	size, room := s.TotalBytes, s.FreeBytes
	reserve := k.reserveBytes(size, known)
	kept := fileSize(filepath.Join(k.dir, reserveFile))
	if known {
		room -= reserve - min(kept, reserve) // the reserve comes first
	}
	byMax := k.max > 0 && (!known || k.max-s.UsedBytes < room)
	if byMax {
		room = k.max - s.UsedBytes
	}
	switch {
	case room < reserve:
		k.full = true
	case room >= 2*reserve:
		k.full = false
	}
	growth := room - reserve/2
	if k.full {
		if known && s.FreeBytes < reserve/2 && kept > 0 {
			if err := os.Remove(filepath.Join(k.dir, reserveFile)); err == nil {
				s.FreeBytes += kept
				k.log.Warn("the disk is full; gave up the reserve, for links and claims", "dir", k.dir, "bytes", kept)
			}
		}
		left := s.FreeBytes
		if byMax {
			left = room
		}
		growth = max(0, min(rationBytes, left/4))
	} else if known && kept < reserve {
		if err := writeZeros(filepath.Join(k.dir, reserveFile), reserve); err != nil {
			k.log.Warn("no reserve on the disk", "dir", k.dir, lattice.LogErr, err)
		}
	}
	k.setGrowth(growth)
	switch {
	case !k.full:
		return ""
	case byMax:
		return fmt.Sprintf("JetStream holds %s of the %s that --store-max allows; "+
			"delete what is not needed (weft artifact prune) or allow more",
			lattice.Size(s.UsedBytes), lattice.Size(k.max))
	}
	return diskFull(*s)
}

// diskFull is what operators read.
func diskFull(s Storage) string {
	if s.FreeBytes < 0 {
		return "the disk is full; make room there"
	}
	return fmt.Sprintf("the disk is full (%s free of %s); make room there", lattice.Size(s.FreeBytes),
		lattice.Size(s.TotalBytes))
}

// reserveBytes is how much is to stay free: a share of the disk, or of what the store may take where that is less,
// within bounds.
func (k *keeper) reserveBytes(total int64, known bool) int64 {
	size := total
	if !known || k.max > 0 && k.max < size {
		size = k.max
	}
	return min(max(size/reserveShare, minReserve), maxReserve)
}

func (k *keeper) used() (n int64) {
	for _, acc := range k.all() {
		n += int64(acc.JetStreamUsage().Store)
	}
	return n
}

// setGrowth bounds how much the streams on disk may grow until the next look; each account has an equal share. What
// they hold already stays.
func (k *keeper) setGrowth(growth int64) {
	k.growth = growth
	accounts := k.all()
	for _, acc := range accounts {
		most := int64(acc.JetStreamUsage().Store) + growth/int64(len(accounts))
		limits := server.JetStreamAccountLimits{MaxMemory: -1, MaxStore: most, MaxStreams: -1, MaxConsumers: -1,
			MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1}
		// else JetStream is down, and is told once it is up
		_ = acc.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits})
	}
}

// restart starts JetStream anew if the disk takes a write now.
func (k *keeper) restart(now time.Time) {
	path := filepath.Join(k.dir, probeFile)
	err := writeZeros(path, probeBytes)
	if rmErr := os.Remove(path); err == nil {
		err = rmErr
	}
	if err != nil {
		k.refusal = reason(err)
		return
	}
	if now.Sub(k.restarted) > quietRestarts {
		k.restarts.Reset()
	}
	k.restartWait = k.restarts.Next()
	k.restarted = now
	text := k.refusal
	for len(k.failed) > 0 { // what was told before is mended now
		<-k.failed
	}
	if err := errors.Join(k.srv.ShutdownJetStream(), k.enable()); err != nil {
		k.refusal = reason(err)
		k.log.Error("JetStream did not start again; it is tried again", "dir", k.dir, lattice.LogErr, err)
		return
	}
	k.refusal = ""
	if k.growth >= 0 {
		k.setGrowth(k.growth)
	}
	k.log.Warn("a write to the disk had failed; started JetStream again", "dir", k.dir, lattice.LogErr, text)
}

// reason is the system's own word for what went wrong with a file, without the path, which the error has already.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// tell publishes the state and logs how it changes.
func (k *keeper) tell(s Storage) {
	k.mu.Lock()
	before := k.state.Err
	k.state = s
	k.mu.Unlock()
	switch {
	case s.Err != nil && before == nil:
		k.log.Error("data cannot be stored", "dir", k.dir, "free", s.FreeBytes, "used", s.UsedBytes, lattice.LogErr,
			s.Err)
	case s.Err == nil && before != nil:
		k.log.Info("data can be stored again", "dir", k.dir, "free", s.FreeBytes, "used", s.UsedBytes)
	}
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// writeZeros makes a file of n bytes, or none.
func writeZeros(path string, n int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	zeros := make([]byte, min(n, 1<<20))
	for err == nil && n > 0 {
		var wrote int
		wrote, err = f.Write(zeros[:min(n, int64(len(zeros)))])
		n -= int64(wrote)
	}
	if err == nil {
		err = f.Sync() // some systems look for room only now
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// failedWrite reports whether the server's log line tells of a write that failed.
func failedWrite(line string) bool {
	return strings.Contains(line, "write error") || strings.Contains(line, "failed to store a msg") ||
		strings.Contains(line, "no space left")
}
