package provision

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokendrop/tokendrop/store"
)

// signer tells who has signed a patch. A file of signers that cannot be used
// lets nobody sign.
func (p *Policy) signer(patch *Patch, now time.Time) (principal string, err error) {
	allowed, err := readSigners(p.AllowedSigners)
	if err == nil {
		principal, err = verifySignature(patch.Data, patch.Signature, allowed, now)
	}
	if err != nil {
		return "", fmt.Errorf("%s%w", signersRule, err)
	}
	return principal, nil
}

func (p *Policy) wantsSignature() bool { return p != nil && p.AllowedSigners != "" }

// signersRule is in front of what the rule "allowed_signers" refuses.
const signersRule = "policy: allowed_signers: "

// place reads where a manifest has to lie.
func (v *validator) place(f *field) Stated[string] {
	if f == nil {
		return Stated[string]{}
	}
	text, ok := v.text(f)
	if !ok {
		return Stated[string]{}
	}
	if strings.LastIndexByte(text, '/') < 1 || strings.HasSuffix(text, "/") {
		v.report.at(f.value.pos, `"for" is the name of the drop directory, a slash, and the path of the file in it, like spool/ci/deploy.yaml`)
		return Stated[string]{}
	}
	return Stated[string]{Value: text, Pos: f.value.pos, OK: true}
}

// placeName is what "for" calls the place of a file. Two directories of which one
// lies in the other can have the same place, and then it is one.
func placeName(at store.Source) string { return at.Dir + "/" + at.Path }

// inPlace checks that a manifest lies where it says, and is no older one: a
// signature alone does not keep an old file from being dropped again, or
// elsewhere. A kept file whose content was installed may be that one.
func (t *text) inPlace(draft *store.Draft, policy *Policy, again bool) []Problem {
	var r report
	rule, m := "", t.manifest
	if policy.wantsSignature() {
		rule = signersRule
		if !m.For.OK {
			r.also(Pos{1, 1}, rule+`"for" is missing; state where the file is to lie, as DROPNAME/PATH`)
		}
		if !m.Serial.OK {
			r.also(Pos{1, 1}, rule+`"serial" is missing; state a number, and a higher one each time the file is signed`)
		}
	}
	if m.For.OK && m.For.Value != placeName(t.Source) {
		r.at(m.For.Pos, rule+`"for" names another place than the one where the file lies, as DROPNAME/PATH`)
	}
	if m.Serial.OK && !again && m.Serial.Value <= serialOf(draft, t.Source) {
		r.at(m.Serial.Pos, rule+`"serial" is not higher than the one that was installed from this place before; state a higher one`)
	}
	return r.sorted()
}

// useSerial lets nothing be installed from the place of the patch any more but
// with a higher serial number.
func (t *text) useSerial(draft *store.Draft) {
	if serial := t.manifest.Serial; serial.OK {
		draft.SetMark(store.SerialID(placeName(t.Source)), strconv.FormatUint(serial.Value, 10))
	}
}

// serialOf is the highest serial number that was installed from a place, 0 if
// none was. One that cannot be read lets nothing follow.
func serialOf(draft *store.Draft, at store.Source) uint64 {
	m, ok := draft.Mark(store.SerialID(placeName(at)))
	if !ok {
		return 0
	}
	serial, err := strconv.ParseUint(m.Value, 10, 64)
	if err != nil {
		return 1<<64 - 1
	}
	return serial
}
