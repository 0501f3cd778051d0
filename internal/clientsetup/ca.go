package clientsetup

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format of Java's key stores fixes it; it guards against damage, not against people
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"unicode/utf16"

	"bonded/internal/errs"
)

// The files that hold a private authority.
const (
	caFile     = "ca.pem"        // it alone, for clients that can be told per host
	bundleFile = "ca-bundle.pem" // it and the machine's authorities, for clients that trust one file
	trustFile  = "truststore.jks"
)

// certificates reads a PEM file and refuses what is no certificate.
func certificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return all, nil
		}
		if block.Type != "CERTIFICATE" {
			return nil, errs.New(errs.Invalid, "The file of the authority holds a %s.", block.Type).WithRule("client-setup/ca").
				WithNext("It must hold certificates alone.")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errs.New(errs.Invalid, "The file of the authority holds a certificate that cannot be read: %v.", err).WithRule("client-setup/ca")
		}
		all = append(all, cert)
	}
}

// writeCA plans a file of ours below the configuration folder and returns its path; "" without a private authority.
func (p *planner) writeCA(name string, make func(own, system []*x509.Certificate) []byte) (string, error) {
	if len(p.CA) == 0 {
		return "", nil
	}
	own, err := certificates(p.CA)
	if err != nil {
		return "", err
	}
	if len(own) == 0 {
		return "", errs.New(errs.Invalid, "The file of the authority holds no certificate.").WithRule("client-setup/ca").WithNext("It must be PEM.")
	}
	system, err := certificates(p.SystemRoots)
	if err != nil {
		system = nil // the machine's bundle is its own affair
	}
	path := p.config("bonded", name)
	f := &File{Path: path, After: make(own, system)}
	for _, known := range p.files {
		if known.Path == path {
			return path, nil
		}
	}
	if f.Before, err = readRaw(path); err != nil {
		return "", err
	}
	p.files = append(p.files, f)
	return path, nil
}

func (p *planner) caAlone() (string, error) {
	return p.writeCA(caFile, func(own, _ []*x509.Certificate) []byte { return encodePEM(own) })
}

func (p *planner) caBundle() (string, error) {
	return p.writeCA(bundleFile, func(own, system []*x509.Certificate) []byte { return encodePEM(append(system, own...)) })
}

func (p *planner) trustStore() (string, error) {
	return p.writeCA(trustFile, func(own, system []*x509.Certificate) []byte { return javaTrust(append(system, own...)) })
}

func encodePEM(certs []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a buffer takes everything
	}
	return b.Bytes()
}

// trustPassword is Java's customary one; the store holds nothing secret.
const trustPassword = "changeit"

// javaTrust writes a Java key store (JKS, version 2) of trusted certificates: a big-endian magic number, version and count;
// per entry the tag 2, an alias, a time in ms, the type and the DER, texts and bytes preceded by their length (2 and 4
// bytes); last the SHA-1 of the password in UTF-16, the words "Mighty Aphrodite" and all that.
func javaTrust(certs []*x509.Certificate) []byte {
	var b bytes.Buffer
	number := func(n int) { _ = binary.Write(&b, binary.BigEndian, uint32(n)) }
	words := func(s string) {
		_ = binary.Write(&b, binary.BigEndian, uint16(len(s)))
		b.WriteString(s)
	}
	seen := map[string]bool{}
	var unique []*x509.Certificate
	for _, c := range certs {
		if !seen[string(c.Raw)] {
			seen[string(c.Raw)] = true
			unique = append(unique, c)
		}
	}
	number(0xFEEDFEED)
	number(2)
	number(len(unique))
	for _, c := range unique {
		sum := sha1.Sum(c.Raw) //nolint:gosec // an alias
		number(2)
		words(hex.EncodeToString(sum[:]))
		_ = binary.Write(&b, binary.BigEndian, c.NotBefore.UnixMilli())
		words("X.509")
		number(len(c.Raw))
		b.Write(c.Raw)
	}
	h := sha1.New() //nolint:gosec // see the import
	for _, u := range utf16.Encode([]rune(trustPassword)) {
		h.Write([]byte{byte(u >> 8), byte(u)})
	}
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(b.Bytes())
	return h.Sum(b.Bytes())
}
