package demo

import (
	"archive/zip"
	"bytes"
	"crypto/sha1" //nolint:gosec // what Composer's and Maven's protocols have
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"os"
	"time"
)

// entry is a file in an archive.
type entry struct{ name, text string }

// pack makes a zip, its times fixed.
func pack(entries []entry) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// fileSums are the digests of a file in hex; sha512 in base64, as npm writes it.
type fileSums struct{ sha1, sha256, sha512 string }

func sumsOf(path string) (fileSums, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return fileSums{}, err
	}
	one, two, five := sha1.Sum(b), sha256.Sum256(b), sha512.Sum512(b) //nolint:gosec // see the import
	return fileSums{hex.EncodeToString(one[:]), hex.EncodeToString(two[:]), base64.StdEncoding.EncodeToString(five[:])}, nil
}
