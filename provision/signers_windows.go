package provision

import "os"

// ownedByTrusted trusts nobody: what a file's status says does not tell there who
// else may write to it.
func ownedByTrusted(os.FileInfo) bool { return false }
