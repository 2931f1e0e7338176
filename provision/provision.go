// Package provision turns manifests into changes of the store: bytes become a
// Manifest, a Manifest and the present records become a plan, and a plan
// becomes a batch. It knows nothing of directories or HTTP.
//
// Invariants of decoding:
//
//  1. Refused, not guessed. Decode returns a Manifest without any Problem, or
//     Problems without a Manifest. A Manifest that was returned is valid by
//     itself: what is left to go wrong depends on the records.
//  2. All problems of a file are told at once, in the order of their places,
//     none of them twice.
//  3. A problem never shows a value of the file, which may be a secret. Names
//     of unknown keys are shown only when they look like names.
//  4. The three syntaxes mean the same: they become one tree of nodes, and one
//     validator reads that.
//  5. Time and memory are linear in the size of the file, whatever is in it.
//     Depth is limited, in JSON and TOML before a library sees the text, and so
//     is the number of keys and values in all three.
//  6. A Manifest holds no secret, unless it is encrypted where that is
//     configured. What Redact returns has none of the literal secrets of the
//     file: it is read again to prove that, and where the proof fails nothing of
//     the text is left.
//  7. Nothing depends on the time zone, the locale or the clock of the host.
//
// Invariants of planning and applying:
//
//  8. A plan depends on the manifest, the records, the time and the randomness
//     that it is given, and changes nothing but its draft.
//  9. The unit is the patch: its entries are planned one on top of the other,
//     and one problem throws all of them away.
//  10. Every patch that is decided on gets one entry in the ledger, in the
//     transaction that makes its changes durable. Patches that wait together
//     share it.
//  11. The ledger is believed before the file: a patch that has an entry is
//     never planned again.
//  12. A manifest means the same record in whichever form that is kept: plain,
//     under any pepper, as another product kept it, or native since. To bring
//     it into another form (Rehash) issues nothing.
//
// Invariants of kept files, where a drop directory leaves its files as they are:
//
//  1. What was done with a file is marked in the store, in the transaction that
//     does it. What is in a file is done once for as long as it lies there with
//     that content, however often it is handed in: a failure in between, another
//     process and a crash are no reasons to do it again. Create, ensure and users
//     are made true each time.
//  2. Nothing is made true again that a later entry of the same manifest has
//     undone: no token comes back that it deletes, none is good that it disables.
//  3. What changes nothing leaves nothing in the ledger, and neither does a
//     failure that was entered before.
//  4. A content that was applied from one path of a directory regenerates nothing
//     when it turns up under another: to rename a file makes no new secret.
//  5. A patch states a token if one of its entries makes it or needs it to be
//     there: by user and name or by key, with every action but delete and revoke,
//     and of a copy what it makes; "all" states whatever the user has. That a
//     "once" has run, or that an entry is not evaluated again, changes nothing
//     about it.
//  6. Only a token is pruned whose source is a directory in keep mode, and that no
//     patch there states, when every patch that is there was read by this process
//     and installed. No clock is asked. A directory in which there is nothing, or
//     a failed patch, prunes nothing even if it is told to.
//  7. A prune is entered as its tokens' source. What the policy says of patches
//     does not bind it. A token that it has disabled is good again only where that
//     is stated: an ensure without "active" leaves it as it is, like one that
//     somebody has disabled by hand; a delete takes those too.
//
// Invariants of policies, where a drop directory has one:
//
//  1. A plan sees tokens through one view, in which what lies outside of the
//     policy is not there. No result and no reason tells the two apart, but for
//     "key is taken", which tells nothing else.
//  2. What a plan makes of a token is judged in one place before it is written,
//     whichever action it is, and so is who may be blocked.
//  3. What cannot be judged lies outside: a set of scopes that nobody has
//     configured, an owner whom nobody knows, a pattern that only several
//     patterns together would cover.
//  4. The first issue under a user and name outlives the token, its name and
//     what is stated of it later, if a lifetime counts from there in any drop
//     directory.
//  5. Under a rule on users, to revoke a key that no visible token has binds
//     nobody but a permitted user.
//
// Invariants of what a manifest points to, "token_file", "token_env" and
// "write_to":
//
//  1. Decoding looks at none of it, so that a manifest can be checked anywhere.
//     Applying reads and writes only what the rules of the drop directory list,
//     judged by the file that was opened; never a file of the daemon's own.
//  2. Of a token that was read, no more than a Credential is kept.
//  3. A secret is in its file before the outcome shows, also where a crash comes
//     in between, and no file ever holds one that was not committed. The table
//     in outputs.go has every step.
//  4. Where somebody attends to a manifest, a secret that goes to no file is in
//     the result of the transaction that has made it durable, and nowhere else:
//     not in the ledger, and not in the result of asking again.
//  5. Only what was written for the same token, and has not been changed since,
//     is replaced. No link is followed, and no directory made.
//
// Invariants of signatures, where a drop directory wants them:
//
//  1. Verified first. Nothing is decoded, and no reason tells of it, before
//     one of the allowed signers is known to have signed those very bytes.
//  2. Whom allowed_signers admits, ssh-keygen would admit too. What cannot be
//     read of it, file or line, admits nobody.
//  3. A signed file is good once. It says where it lies and has a serial number
//     higher than any that was installed from there; the number is a mark,
//     which stays when file and token are gone, in the transaction that
//     installs it.
package provision
