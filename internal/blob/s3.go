package blob

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"bonded/internal/digest"
	"bonded/internal/errs"
)

const (
	// partSize is the size from which a blob is uploaded in parts, and that of a part.
	partSize = 16 << 20
	// maxParts is the most parts that S3 allows for one object; larger blobs get larger parts.
	maxParts = 10_000
	// uploadWidth is how many blobs of one CommitAll, and parts of one blob, are sent at a time.
	uploadWidth = 4
	// requestTries is how often minio-go sends a request that fails in a way worth repeating.
	requestTries = 4
	// commitTries is how often an upload that lost a race with a deletion starts again.
	commitTries = 3
	openTimeout = 15 * time.Second
)

// s3Store keeps blobs in a bucket. Uploads are conditional on the name being free (If-None-Match: *).
type s3Store struct {
	client *minio.Core
	cfg    S3Config
}

// OpenS3 opens the blob store in a bucket and checks that the bucket can be reached: a HEAD of an object does not tell a
// missing bucket from a missing blob, so a wrong name must be found here.
func OpenS3(cfg S3Config) (Store, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.AccessKey == "" || cfg.SecretKey == "" {
		return nil, errs.New(errs.Invalid, "The S3 store needs an access key and a secret key.").WithRule("blob/s3-keys").
			WithNext("Set both in the configuration.")
	}
	if cfg.Transport == nil {
		return nil, errs.New(errs.Internal, "The S3 store was opened without a transport.")
	}
	lookup := minio.BucketLookupDNS
	if cfg.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.NewCore(cfg.Endpoint, &minio.Options{
		Creds:        credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure:       !cfg.Plaintext,
		Transport:    cfg.Transport,
		Region:       cmp.Or(cfg.Region, defaultRegion),
		BucketLookup: lookup,
		MaxRetries:   requestTries,
	})
	if err != nil {
		return nil, badURL("is not usable").Because(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	exists, err := client.BucketExists(ctx, cfg.Bucket)
	if err != nil {
		return nil, unreachable(err)
	}
	if !exists {
		return nil, errs.New(errs.Invalid, "The S3 store has no bucket %q.", cfg.Bucket).WithRule("blob/s3-bucket").
			WithNext("Make the bucket, or correct the address.")
	}
	return &s3Store{client: client, cfg: cfg}, nil
}

// key is the object of a blob.
func (s *s3Store) key(d digest.SHA256) string { return s.prefix() + key(d) }

func (s *s3Store) prefix() string {
	if s.cfg.Prefix == "" {
		return ""
	}
	return s.cfg.Prefix + "/"
}

// Stage spools r into a local file that has no name any more, so that not even a crash leaves it behind.
func (s *s3Store) Stage(ctx context.Context, r io.Reader, limit int64) (*Staged, error) {
	f, err := os.CreateTemp(s.cfg.SpoolDir, "bonded-spool-")
	if err != nil {
		return nil, unwritable(err)
	}
	name := f.Name()
	if os.Remove(name) == nil {
		name = ""
	} // an operating system that keeps open files named has it removed by unstage
	digests, err := receive(ctx, f, r, limit)
	if err != nil {
		_ = f.Close() // its bytes are given up
		s.unstage(name)
		return nil, err
	}
	return &Staged{digests: digests, place: s, name: name, file: &shared{file: f, refs: 1}}, nil
}

// unstage removes a spool file that could not be removed while open.
func (s *s3Store) unstage(name string) {
	if name != "" {
		_ = os.Remove(name) // costs only space in a temporary folder
	}
}

// commit uploads the bytes of every item.
func (s *s3Store) commit(ctx context.Context, items []*Staged) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploadWidth)
	for _, item := range items {
		group.Go(func() error { return s.upload(ctx, item) })
	}
	return group.Wait()
}

// upload puts one blob in its place unless it is there.
func (s *s3Store) upload(ctx context.Context, item *Staged) error {
	d, size := item.digests.SHA256, item.digests.Size
	if size > partSize {
		// Worth a question first: a refusal would come only after all parts are sent.
		if present, err := s.present(ctx, d, size); present || err != nil {
			return err
		}
	}
	var err error
	for range commitTries {
		if size > partSize {
			err = s.putParts(ctx, item)
		} else {
			err = s.putWhole(ctx, item)
		}
		if !isTaken(err) {
			break
		}
		present, statErr := s.present(ctx, d, size)
		if present || statErr != nil {
			return statErr
		}
		// Deleted since, or the upload that we collided with failed: it is our turn.
	}
	if err != nil && !isOurs(err) {
		return unreachable(err)
	}
	return err
}

// present reports whether d is stored, and an error if it is with another size.
func (s *s3Store) present(ctx context.Context, d digest.SHA256, size int64) (bool, error) {
	stored, err := s.Stat(ctx, d)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err == nil && stored != size {
		err = wrongSize(d, stored, size)
	}
	return err == nil, err
}

// putWhole uploads in one request, whose signature holds the SHA-256: the server refuses other bytes.
func (s *s3Store) putWhole(ctx context.Context, item *Staged) error {
	body := io.NewSectionReader(item.file.file, 0, item.digests.Size)
	_, err := s.client.PutObject(ctx, s.cfg.Bucket, s.key(item.digests.SHA256), body, item.digests.Size, "",
		item.digests.SHA256.String(), ifAbsent())
	return err
}

// putParts uploads in parts, each with its SHA-256 in the signature.
func (s *s3Store) putParts(ctx context.Context, item *Staged) (err error) {
	object, size := s.key(item.digests.SHA256), item.digests.Size
	length := max(partSize, (size+maxParts-1)/maxParts)
	sums, err := partSums(ctx, item, length)
	if err != nil {
		return err
	}
	upload, err := s.client.NewMultipartUpload(ctx, s.cfg.Bucket, object, minio.PutObjectOptions{})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// Parts of an upload cost space until it ends; also when the caller has gone.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
			defer cancel()
			_ = s.client.AbortMultipartUpload(ctx, s.cfg.Bucket, object, upload) // the first error says why
		}
	}()
	parts := make([]minio.CompletePart, len(sums))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(uploadWidth)
	for i, sum := range sums {
		group.Go(func() error {
			start := int64(i) * length
			n := min(length, size-start)
			part, err := s.client.PutObjectPart(groupCtx, s.cfg.Bucket, object, upload, i+1,
				io.NewSectionReader(item.file.file, start, n), n,
				minio.PutObjectPartOptions{Sha256Hex: sum, DisableContentSha256: true})
			parts[i] = minio.CompletePart{PartNumber: part.PartNumber, ETag: part.ETag}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	_, err = s.client.CompleteMultipartUpload(ctx, s.cfg.Bucket, object, upload, parts, ifAbsent())
	return err
}

// partSums hashes each part of a spooled file, and the whole again: the sums of the parts are worth something only if
// the file still is what was received.
func partSums(ctx context.Context, item *Staged, length int64) ([]string, error) {
	whole := sha256.New()
	var sums []string
	for start := int64(0); start < item.digests.Size; start += length {
		part := sha256.New()
		section := io.NewSectionReader(item.file.file, start, min(length, item.digests.Size-start))
		if _, err := io.Copy(io.MultiWriter(whole, part), withContext{ctx, section}); err != nil {
			return nil, err
		}
		sums = append(sums, hex.EncodeToString(part.Sum(nil)))
	}
	if got := digest.SHA256(whole.Sum(nil)); got != item.digests.SHA256 {
		return nil, errs.New(errs.Internal, "The spooled bytes of blob %s have changed to %s.", item.digests.SHA256, got).
			WithRule(RuleDamaged).WithNext("Check the disk of the spool folder, then send the file again.")
	}
	return sums, nil
}

// ifAbsent makes a write conditional on the name being free, and its payload hash the one that we give.
func ifAbsent() minio.PutObjectOptions {
	opts := minio.PutObjectOptions{DisableContentSha256: true}
	opts.SetMatchETagExcept("*")
	return opts
}

// isTaken reports whether a conditional write found the name taken (412), or being taken by another request (409).
func isTaken(err error) bool {
	status := minio.ToErrorResponse(err).StatusCode
	return status == http.StatusPreconditionFailed || status == http.StatusConflict
}

// Open asks for the size; bytes are fetched as they are read.
func (s *s3Store) Open(ctx context.Context, d digest.SHA256) (*Reader, error) {
	size, err := s.Stat(ctx, d)
	if err != nil {
		return nil, err
	}
	return &Reader{ReadSeekerAt: &s3Object{ctx: ctx, store: s, digest: d, size: size}, size: size}, nil
}

// Stat asks the server for the size of a blob.
func (s *s3Store) Stat(ctx context.Context, d digest.SHA256) (int64, error) {
	info, err := s.client.StatObject(ctx, s.cfg.Bucket, s.key(d), minio.StatObjectOptions{})
	if err != nil {
		return 0, s.unreadable(d, err)
	}
	return info.Size, nil
}

// Delete removes the object of a blob.
func (s *s3Store) Delete(ctx context.Context, d digest.SHA256) error {
	err := s.client.RemoveObject(ctx, s.cfg.Bucket, s.key(d), minio.RemoveObjectOptions{})
	if err == nil || minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil
	}
	return unreachable(err)
}

// List reads the server's listing, whose order is that of the digests because the keys have one length.
func (s *s3Store) List(ctx context.Context, after digest.SHA256, fn func(digest.SHA256, int64) error) error {
	// The iterator of minio-go ends its work when its context does.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opts := minio.ListObjectsOptions{Prefix: s.prefix() + blobDir + "/", Recursive: true}
	if !after.IsZero() {
		opts.StartAfter = s.key(after)
	}
	for object := range s.client.ListObjectsIter(ctx, s.cfg.Bucket, opts) {
		if object.Err != nil {
			return unreachable(object.Err)
		}
		d, ok := digest.Parse(object.Key[strings.LastIndexByte(object.Key, '/')+1:])
		if !ok || object.Key != s.key(d) {
			continue // no blob of ours
		}
		if err := fn(d, object.Size); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err // the iterator ends silently
	}
	return nil
}

// SignedURL presigns a GET (AWS Signature Version 4, query form).
func (s *s3Store) SignedURL(ctx context.Context, d digest.SHA256, ttl time.Duration, filename, contentType string) (string, bool, error) {
	if ttl < time.Second {
		return "", false, nil // the finest life that the signature can express
	}
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": filename})
	if disposition == "" || filename == "" || strings.ContainsFunc(filename, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", false, errs.New(errs.Invalid, "The file name %q cannot be sent in a header.", filename).WithRule("blob/filename")
	}
	if _, _, err := mime.ParseMediaType(contentType); err != nil {
		return "", false, errs.New(errs.Invalid, "The content type %q is malformed.", contentType).WithRule("blob/content-type").Because(err)
	}
	u, err := s.client.PresignedGetObject(ctx, s.cfg.Bucket, s.key(d), min(ttl, MaxSignedTTL), url.Values{
		"response-content-disposition": {disposition},
		"response-content-type":        {contentType},
	})
	if err != nil {
		return "", false, unreachable(err)
	}
	return u.String(), true, nil
}

// Close does nothing: connections belong to the caller's transport.
func (s *s3Store) Close() error { return nil }

func (s *s3Store) unreadable(d digest.SHA256, err error) error {
	if code := minio.ToErrorResponse(err).Code; code == minio.NoSuchKey {
		return absent(d, err)
	}
	return unreachable(err)
}

// unreachable turns an answer of the S3 server, or the lack of one, into an error of ours. What the caller itself
// cancelled is passed on as that.
func unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return errs.New(errs.Unavailable, "The blob store does not answer as it should.").WithNext("Try again later.").Because(err)
}
