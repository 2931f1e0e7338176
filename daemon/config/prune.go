package config

import (
	"errors"
	"strconv"
	"strings"

	"github.com/tokendrop/tokendrop/patches"
	"github.com/tokendrop/tokendrop/provision"
)

// maxPruneLimit bounds a limit that is a number.
const maxPruneLimit = 1 << 30

// pruneFields describes what becomes of tokens that no patch states any more.
func pruneFields(rules *provision.Rules) []field {
	return []field{
		choice("prune", &rules.Prune, provision.PruneOff, provision.PruneDisable, provision.PruneDelete),
		pruneLimit("prune_limit", &rules.PruneLimit),
	}
}

// pruneLimit is a percentage in quotes, or a number of tokens.
func pruneLimit(name string, dst *provision.PruneLimit) field {
	want := errors.New(`want a percentage from "0%" to "100%", or a whole number of at least 3 without quotes: so many are always pruned`)
	f := text(name, want.Error(), dst, func(s string) (provision.PruneLimit, error) {
		digits, ok := strings.CutSuffix(s, "%")
		n, err := strconv.ParseUint(digits, 10, 8)
		if !ok || err != nil || n > 100 || strconv.FormatUint(n, 10) != digits {
			return provision.PruneLimit{}, want
		}
		return provision.PruneLimit{Percent: int(n)}, nil
	})
	f.get = func() any {
		if dst.Tokens > 0 {
			return int64(dst.Tokens)
		}
		return strconv.Itoa(dst.Percent) + "%"
	}
	inText := f.set
	f.set = func(value any) error {
		n, ok := value.(int64)
		switch {
		case !ok:
			return inText(value)
		case n < provision.MinPrune || n > maxPruneLimit:
			return want
		}
		*dst = provision.PruneLimit{Tokens: int(n)}
		return nil
	}
	return f
}

// checkPrune finds a drop directory that is to prune without keeping its files.
// One that is read-only keeps them by itself and prunes nothing: who wants that
// says that files stay.
func (r *reading) checkPrune(i int) {
	d := &r.config.Drops[i]
	if (d.Rules.Prune == provision.PruneDisable || d.Rules.Prune == provision.PruneDelete) && d.AfterApply != patches.Keep {
		r.problem(dropKey(i)+".prune", `prune goes with after_apply = "keep": where files do not stay, nothing shows which tokens are still wanted; state that too, or leave this out`)
	}
}
