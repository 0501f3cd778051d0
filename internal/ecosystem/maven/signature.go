package maven

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxSignature bounds an .asc file; one signature has about a kilobyte.
const maxSignature = 64 << 10

// checkPGP examines a detached, armoured OpenPGP signature over body as far as that is possible without the signer's key: it
// parses, it is a signature over a document with a hash that still counts, and the first 16 bits of that hash, which the
// signature carries for quick rejection (RFC 9580 §5.2.4), are those of body. So a damaged signature, or one of another file,
// is found; who signed is not.
func checkPGP(armored []byte, body io.Reader) error {
	if len(armored) > maxSignature {
		return fmt.Errorf("it has more than %d bytes", maxSignature)
	}
	block, err := armor.Decode(bytes.NewReader(armored))
	if err != nil {
		return errors.New("it is not ASCII-armoured")
	}
	if block.Type != "PGP SIGNATURE" {
		return fmt.Errorf("it holds a %s instead of a PGP SIGNATURE", block.Type)
	}
	signature, err := onlySignature(block.Body)
	if err != nil {
		return err
	}
	hasher, err := signature.PrepareVerify()
	if err != nil {
		return errors.New("its hash algorithm is not known here")
	}
	if _, err := io.Copy(hasher, body); err != nil {
		return err
	}
	_, _ = hasher.Write(signature.HashSuffix) // a hash takes everything
	if sum := hasher.Sum(nil); !bytes.Equal(sum[:2], signature.HashTag[:]) {
		return errors.New("it was made for other bytes")
	}
	return nil
}

// onlySignature reads the one packet of a detached signature.
func onlySignature(r io.Reader) (*packet.Signature, error) {
	p, err := packet.Read(r)
	if err != nil {
		return nil, errors.New("its packets cannot be read")
	}
	signature, ok := p.(*packet.Signature)
	if !ok {
		return nil, errors.New("it holds another packet than a signature")
	}
	if _, err := packet.Read(r); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one packet")
	}
	if signature.SigType != packet.SigTypeBinary {
		return nil, errors.New("it is not a signature over a file")
	}
	switch signature.Hash {
	case crypto.MD5, crypto.SHA1, crypto.RIPEMD160:
		return nil, fmt.Errorf("its hash %s can be forged; sign with SHA-256 or better", signature.Hash)
	default:
		return signature, nil
	}
}
