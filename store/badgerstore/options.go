package badgerstore

import (
	"math"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

const (
	// A memtable is held in memory, and in a log of its own on disk. A
	// transaction is limited to 15% of one, here some 3,000 patches of one
	// token; that a larger patch is staged is what lets this be small.
	memTableSize = 8 << 20
	numMemtables = 2
	tableSize    = 4 << 20
	levelSize    = 10 << 20
	stallTables  = 8

	// valueBound is where Badger would move a value to its value log.
	valueBound = 1 << 20
)

// badgerOptions states everything that matters, so that a new version of
// Badger with other defaults changes nothing here.
func badgerOptions(o Options) badger.Options {
	b := badger.DefaultOptions(o.Path)

	// Acknowledged is durable. Off by default.
	b.SyncWrites = true
	// The lock is ours, since Badger's cannot be told from its other errors.
	b.BypassLockGuard = true
	// There is one writer, which checks against memory.
	b.DetectConflicts = false
	// Old versions are of no use to anybody.
	b.NumVersionsToKeep = 1
	// Badger cannot open a store for reading that a process has open, or that
	// one has left in a crash.
	b.ReadOnly = false
	b.InMemory = false

	b.MemTableSize = memTableSize
	b.NumMemtables = numMemtables
	// Tables of one size on all levels bound the space a compaction takes.
	b.BaseTableSize = tableSize
	b.TableSizeMultiplier = 1
	b.BaseLevelSize = levelSize
	b.LevelSizeMultiplier = 10
	b.MaxLevels = 7
	b.NumLevelZeroTables = 4
	b.NumLevelZeroTablesStall = stallTables
	// Two is the least that Badger accepts.
	b.NumCompactors = 2
	// A stop is to be quick; the next start compacts.
	b.CompactL0OnClose = false
	b.LmaxCompaction = false
	b.NumGoroutines = 2

	// Digests do not compress, and what is not compressed needs no cache of
	// blocks: tables are mapped, the system's page cache is enough.
	b.Compression = options.None
	b.BlockCacheSize = 0
	b.BlockSize = 4 << 10
	// Without this cache the indices of all tables, with their bloom filters,
	// stay in memory, some 2 MB for a million tokens; with it each lookup of a
	// patch that is not there yet may read one.
	b.IndexCacheSize = 0
	b.BloomFalsePositive = 0.01

	// Values stay beside their keys: larger ones than this are split or
	// refused. The value log is then empty, and its file, of which Badger
	// reserves twice this size, as small as can be.
	b.ValueThreshold = valueBound
	b.VLogPercentile = 0
	b.ValueLogFileSize = valueBound
	b.ValueLogMaxEntries = math.MaxUint32
	b.VerifyValueChecksum = true
	// A damaged table is found when the store is opened. Checking each block
	// as it is read would end an iteration early instead of failing it.
	b.ChecksumVerificationMode = options.OnTableRead

	b.EncryptionKey = nil
	b.NamespaceOffset = -1
	b.ExternalMagicVersion = 0
	b.MetricsEnabled = false
	b.Logger = logger{o.Log}
	return b
}
