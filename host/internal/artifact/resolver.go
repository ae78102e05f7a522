package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	store "github.com/weftlattice/weft/lattice/artifact"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/oci"
)

// defaultCacheBytes is how much a cache keeps: 1 GiB.
const defaultCacheBytes = 1 << 30

// Config says where artifacts come from.
type Config struct {
	Lattice   lattice.Name        // whose store "lattice://" means
	JetStream jetstream.JetStream // nil: only what is cached
	CacheDir  string              // required; created when missing. Several hosts may share it

	CacheBytes    int64 // limit of the blobs kept; 0 is 1 GiB. Executables are not counted and stay
	MaxBytes      int64 // limit of one artifact; 0 is 256 MiB
	AllowFileLoad bool  // whether files of this machine may be loaded

	OCI *oci.Client // registries; nil: only what was fetched before. The resolver closes it

	Logger *slog.Logger // nil discards
}

// Artifact is what a reference stands for.
type Artifact struct {
	Ref    string // as it was asked for
	Digest string // of Bytes: "sha256:" and 64 hexadecimal digits
	Source string // digest of the registry's manifest, or empty
	Bytes  []byte // shared by all that asked at the same time: not to be changed
}

// Pin is the digest that names the artifact for ever, wherever it came from.
func (a Artifact) Pin() string {
	if a.Source != "" {
		return a.Source
	}
	return a.Digest
}

// Resolver fetches artifacts. It is safe for concurrent use.
type Resolver struct {
	cfg     Config
	blobs   *cache
	tags    memory
	execDir string
	flights flights
}

// New makes a resolver. It touches nothing yet. A Config without a cache directory is ErrInvalid.
func New(cfg Config) (*Resolver, error) {
	if cfg.CacheDir == "" {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "resolve artifacts",
			Detail: "there is no cache directory"}
	}
	dir, err := filepath.Abs(cfg.CacheDir)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "resolve artifacts", Entity: cfg.CacheDir, Err: err}
	}
	if cfg.CacheBytes <= 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = store.MaxBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Resolver{
		cfg:     cfg,
		blobs:   &cache{dir: filepath.Join(dir, "blobs"), limit: cfg.CacheBytes, log: cfg.Logger, now: time.Now},
		tags:    memory{dir: filepath.Join(dir, "refs"), log: cfg.Logger},
		execDir: filepath.Join(dir, "bin"),
	}, nil
}

// Close waits for fetches whose callers have gone. No Fetch may begin after it.
func (r *Resolver) Close() {
	r.flights.wait()
	if r.cfg.OCI != nil {
		r.cfg.OCI.Close()
	}
}

// SetCredentials adds credentials for registries, or replaces them. They are kept in memory only.
func (r *Resolver) SetCredentials(all map[string]oci.Credential) {
	if r.cfg.OCI != nil {
		r.cfg.OCI.SetCredentials(all)
	}
}

// Fetch returns what ref stands for:
//
//	lattice://NAME@sha256:HEX   from the cache or the lattice's store
//	lattice://NAME:TAG          the same, for the digest that the tag means in the store now
//	file:///path, /path         a file of this machine, when file loading is allowed
//	REGISTRY/REPO:TAG@DIGEST    from the cache or a registry, with or without "oci://"; see oci.ParseReference
//
// Tags are looked up each time. When that is not possible, because the registry or the store is away, the digest that
// the tag meant last is used, with a warning in the log. What has a digest and is cached needs neither store nor
// registry.
//
// Callers that ask for the same reference at the same time share one fetch. Errors, with the reference as Entity:
// ErrInvalid (no such form), ErrDenied (file loading is not allowed, the tag "latest", a registry's login),
// ErrNotFound, ErrTooLarge, ErrBadModule (what the registry has is something else), ErrHashMismatch, ErrUnavailable
// (the file is unreadable, the store or the registry is away), ErrTimeout and ErrCanceled (ctx).
func (r *Resolver) Fetch(ctx context.Context, ref string) (Artifact, error) {
	path, isFile, err := filePath(ref)
	switch {
	case err != nil:
		return Artifact{}, err
	case isFile && !r.cfg.AllowFileLoad:
		return Artifact{}, fail(lattice.ErrDenied, ref,
			"this host does not load files; start it with --allow-file-load or WEFT_ALLOW_FILE_LOAD=true", nil)
	}
	a, err := r.flights.do(ctx, ref, func(ctx context.Context) (Artifact, error) {
		switch {
		case isFile:
			return r.file(ref, path)
		case store.IsReference(ref):
			return r.stored(ctx, ref)
		}
		return r.pulled(ctx, ref)
	})
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return Artifact{}, fail(lattice.CodeOf(err), ref, "", nil)
	}
	return a, err
}

// FetchAt is Fetch for a reference that must mean a digest, as Artifact.Pin gave it, even if its tag means something
// else now. Without a digest it is Fetch. What is there no longer is lattice.ErrNotFound; a file that has changed,
// ErrHashMismatch.
func (r *Resolver) FetchAt(ctx context.Context, ref, digest string) (Artifact, error) {
	pinned := ref
	_, isFile, _ := filePath(ref)
	switch {
	case digest == "":
	case !store.IsDigest(digest):
		return Artifact{}, fail(lattice.ErrInvalid, ref, "the digest "+lattice.Printable(digest)+
			" is not sha256: and 64 lower-case hexadecimal digits", nil)
	case !isFile && !strings.Contains(ref, "@"):
		pinned += "@" + digest
	}
	a, err := r.Fetch(ctx, pinned)
	if err == nil && digest != "" && a.Pin() != digest {
		return Artifact{}, fail(lattice.ErrHashMismatch, ref, "it is "+a.Pin()+", and "+digest+" is wanted", nil)
	}
	a.Ref = ref
	return a, err
}

// filePath returns the path that a reference to a file means.
func filePath(ref string) (path string, isFile bool, err error) {
	if filepath.IsAbs(ref) {
		return filepath.Clean(ref), true, nil
	}
	if !strings.HasPrefix(ref, "file:") {
		if strings.HasPrefix(ref, "./") || strings.HasPrefix(ref, "../") {
			return "", false, fail(lattice.ErrInvalid, ref, "the path is not absolute", nil)
		}
		return "", false, nil
	}
	u, err := url.Parse(ref)
	if err != nil || u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" ||
		u.Fragment != "" {
		return "", false, fail(lattice.ErrInvalid, ref, "want file:///absolute/path", nil)
	}
	return filepath.Clean(filepath.FromSlash(u.Path)), true, nil
}

func (r *Resolver) file(ref, path string) (Artifact, error) {
	f, err := os.Open(path)
	if err != nil {
		return Artifact{}, fileError(ref, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return Artifact{}, fileError(ref, err)
	case !info.Mode().IsRegular():
		return Artifact{}, fail(lattice.ErrInvalid, ref, "it is no regular file", nil)
	case info.Size() > r.cfg.MaxBytes:
		return Artifact{}, r.tooLarge(ref)
	}
	data, err := io.ReadAll(io.LimitReader(f, r.cfg.MaxBytes+1))
	switch {
	case err != nil:
		return Artifact{}, fileError(ref, err)
	case int64(len(data)) > r.cfg.MaxBytes:
		return Artifact{}, r.tooLarge(ref)
	}
	return Artifact{Ref: ref, Digest: store.Digest(data), Bytes: data}, nil
}

func (r *Resolver) tooLarge(ref string) error {
	return fail(lattice.ErrTooLarge, ref, fmt.Sprintf("the limit is %d bytes", r.cfg.MaxBytes), nil)
}

// fileError leaves the path out, which the reference names.
func fileError(ref string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the reference names the path
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fail(lattice.ErrNotFound, ref, "there is no such file on this host", nil)
	}
	return fail(lattice.ErrUnavailable, ref, "", err)
}

func fail(code lattice.Code, ref, detail string, err error) error {
	return &lattice.Error{Code: code, Op: "fetch", Entity: printable(ref), Detail: detail, Err: err}
}

// printable is lattice.Printable with room for a path or a digest.
func printable(ref string) string {
	if len(ref) > 512 {
		return lattice.Printable(ref)
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(ref, "?"))
}
