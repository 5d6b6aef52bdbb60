package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/store/sqlstore/upgrades"
	waLog "go.mau.fi/whatsmeow/util/log"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	storeFile = "session.db"
	// quarantined is what a damaged store is renamed to; the next one replaces it.
	quarantined = "damaged.db"
)

//go:embed schema.sql
var schema string

// sessionStore is the one file in which everything of a session is kept: whatsmeow's tables and the host's own.
type sessionStore struct {
	db        *dbutil.Database
	container *sqlstore.Container
	path      string
}

// openStore opens the store of a session, or makes it. A store that is damaged is put aside, and damaged says so: the
// account has to be linked again.
func openStore(ctx context.Context, folder string, log waLog.Logger) (opened *sessionStore, damaged error, err error) {
	path := filepath.Join(folder, storeFile)
	opened, err = openFile(ctx, path, log)
	if err == nil || !isDamage(err) {
		return opened, nil, err
	}
	damaged = err
	if err = os.Rename(path, filepath.Join(folder, quarantined)); err != nil {
		return nil, damaged, err
	}
	if err = removeFiles(path); err != nil {
		return nil, damaged, err
	}
	opened, err = openFile(ctx, path, log)
	return opened, damaged, err
}

func openFile(ctx context.Context, path string, log waLog.Logger) (*sessionStore, error) {
	// Pragmas belong into the address: they are per connection, and deleting rests on foreign keys.
	settings := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "foreign_keys(1)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-1000)",
	}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+settings.Encode())
	if err != nil {
		return nil, err
	}
	// One connection: SQLite has one writer anyway, and each takes memory that hundreds of sessions feel.
	db.SetMaxOpenConns(1)
	wrapped, err := dbutil.NewWithDB(db, "sqlite")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	wrapped.UpgradeTable = upgrades.Table
	wrapped.VersionTable = "whatsmeow_version"
	opened := &sessionStore{db: wrapped, container: sqlstore.NewWithWrappedDB(wrapped, log), path: path}
	if err := opened.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the session's store: %w", err), db.Close())
	}
	return opened, nil
}

func (s *sessionStore) prepare(ctx context.Context) error {
	if err := s.container.Upgrade(ctx); err != nil {
		return err
	}
	if _, err := s.db.Exec(ctx, schema); err != nil {
		return err
	}
	_, err := s.container.GetAllDevices(ctx)
	return err
}

// isDamage says whether a file is no database any more, or not one that whatsmeow wrote.
func isDamage(err error) bool {
	var failed *sqlite.Error
	if errors.Is(err, sqlstore.ErrInvalidLength) {
		return true
	}
	return errors.As(err, &failed) && (failed.Code()&0xff == sqlite3.SQLITE_CORRUPT || failed.Code()&0xff == sqlite3.SQLITE_NOTADB)
}

// reasonOf is why a session ends that met this error: what the disk is to blame for may pass.
func reasonOf(err error) string {
	if isDiskFailure(err) {
		return reasonStorage
	}
	return reasonRuntime
}

// isDiskFailure says whether the disk takes nothing, or cannot be used at all, which SQLite and the system say each in
// its own way.
func isDiskFailure(err error) bool {
	var failed *sqlite.Error
	if errors.As(err, &failed) {
		switch failed.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
			return true
		}
	}
	for _, each := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, each) {
			return true
		}
	}
	return false
}

// device is the one that is linked, or nil.
func (s *sessionStore) device(ctx context.Context) (*store.Device, error) {
	devices, err := s.container.GetAllDevices(ctx)
	if err != nil || len(devices) == 0 {
		return nil, err
	}
	return devices[0], nil
}

// unlinked is a new device; what whatsmeow must not ask of it yet is refused instead of a nil pointer.
func (s *sessionStore) unlinked() *store.Device {
	device := s.container.NewDevice()
	device.SetAllStores(&store.NoopStore{Error: errors.New("the device is not linked yet")})
	device.LIDs = s.container.LIDMap
	return device
}

func (s *sessionStore) close() error { return s.container.Close() }

// forget closes the store and deletes it: its credentials are worth nothing any more.
func (s *sessionStore) forget() error {
	return errors.Join(s.close(), removeFiles(s.path))
}

func removeFiles(path string) error {
	var failures error
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			failures = errors.Join(failures, err)
		}
	}
	return failures
}

// note reads something small that was kept by name; "" when it was not.
func (s *sessionStore) note(ctx context.Context, name string) (string, error) {
	var value string
	err := s.db.QueryRow(ctx, "SELECT value FROM lidbook_note WHERE name = $1", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func (s *sessionStore) keep(ctx context.Context, name, value string) error {
	_, err := s.db.Exec(ctx, "INSERT INTO lidbook_note (name, value) VALUES ($1, $2) "+
		"ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

// rows runs a query and reads all of it before it returns: with one connection, nothing else may be asked meanwhile.
func rows[T any](ctx context.Context, s *sessionStore, scan func(dbutil.Scannable) (T, error), query string, values ...any) ([]T, error) {
	found, err := s.db.Query(ctx, query, values...)
	return dbutil.NewRowIterWithError(found, scan, err).AsList()
}

// storing bounds work on the disk that must be finished even when the session is being stopped.
const storing = 15 * time.Second
