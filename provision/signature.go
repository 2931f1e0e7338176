package provision

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// signatureNamespace is what keeps a signature that was made for something
// else, such as a commit, from being one of a manifest.
const signatureNamespace = "tokendrop"

// What may be wrong with a signature, whoever made it.
var (
	errUnsigned       = errors.New(`the file has no signature; sign it with "ssh-keygen -Y sign -n tokendrop -f KEY FILE" and drop FILE.sig beside it`)
	errNoSignature    = errors.New(`what is in the file with .sig at its end is no signature, or more than one; "ssh-keygen -Y sign" makes it`)
	errCutSignature   = errors.New("the signature is damaged, or of a kind that is not known; sign the file again")
	errNamespace      = errors.New(`the signature is for another namespace; sign with "ssh-keygen -Y sign -n tokendrop"`)
	errWrongSignature = errors.New("the signature does not fit the file; sign the file as it is now")
	errCertificate    = errors.New("the signature is by a certificate; sign with a key that is listed itself")
)

// verifySignature tells who has signed a message: the first principal of the
// first line that admits the signature's key now. A signature that is nil is
// missing.
func verifySignature(message, signature []byte, allowed signers, now time.Time) (principal string, err error) {
	if signature == nil {
		return "", errUnsigned
	}
	sig, err := parseSignature(signature)
	if err != nil {
		return "", err
	}
	if sig.Namespace != signatureNamespace {
		return "", errNamespace
	}
	principal, err = allowed.find(sig.PublicKey, now)
	if err != nil {
		return "", err
	}
	err = sshsig.Verify(bytes.NewReader(message), sig, sig.PublicKey, sig.HashAlgorithm, signatureNamespace)
	if err != nil {
		return "", errWrongSignature
	}
	return principal, nil
}

const (
	signatureBegin = "-----BEGIN SSH SIGNATURE-----\n"
	signatureEnd   = "\n-----END SSH SIGNATURE-----"
)

// parseSignature reads one signature and nothing beside it: what else there is
// would have to be ignored. The library checks magic, version and hash, and
// that RSA is not with SHA-1.
func parseSignature(text []byte) (*sshsig.Signature, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil || len(rest) > 0 || len(block.Headers) > 0,
		!bytes.HasPrefix(text, []byte(signatureBegin)), !bytes.HasSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte(signatureEnd)):
		return nil, errNoSignature
	}
	sig, err := sshsig.ParseSignature(block.Bytes)
	if err != nil {
		return nil, errCutSignature
	}
	if _, ok := sig.PublicKey.(*ssh.Certificate); ok {
		return nil, errCertificate
	}
	// Only hardware keys have anything behind the signature, which is checked
	// with it; behind others it would be ignored.
	if len(sig.Signature.Rest) > 0 && !strings.HasPrefix(sig.PublicKey.Type(), "sk-") {
		return nil, errCutSignature
	}
	return sig, nil
}

// find returns the first principal of the first line that admits the key. Where
// there is none, the error is that of the line that came closest.
func (s signers) find(key ssh.PublicKey, now time.Time) (principal string, err error) {
	blob := string(key.Marshal())
	for i := range s.usable {
		one := &s.usable[i]
		if one.key != blob {
			continue
		}
		if err = one.admits(now); err == nil {
			return one.principal, nil
		}
	}
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("the signature is by a key that is not in the file (%s)", ssh.FingerprintSHA256(key))
	if len(s.wrong) > 0 { // it may be meant by the first, and then only that helps
		text += fmt.Sprintf("; its line %d cannot be used: %s", s.wrong[0].Pos.Line, s.wrong[0].Text)
	}
	return "", errors.New(text)
}

// admits tells whether the line lets its key sign manifests now, which is in the
// time zone of the host.
func (s *signer) admits(now time.Time) error {
	after, before := s.after.in(now.Location()), s.before.in(now.Location())
	switch {
	case s.namespaces.OK && !matchList(signatureNamespace, s.namespaces.Value):
		return errors.New(`the key that has signed may not sign in the namespace tokendrop; see "namespaces" in its line`)
	case !s.after.isZero() && now.Before(after):
		return fmt.Errorf("the key that has signed is not valid before %s", after.Format(time.RFC3339))
	case !s.before.isZero() && now.After(before):
		return fmt.Errorf("the key that has signed was valid until %s", before.Format(time.RFC3339))
	}
	return nil
}
