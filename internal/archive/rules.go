package archive

// The rules, as named in anomalies and refusals.
const (
	ruleLimitEntries  = "archive/limit-entries"
	ruleLimitUnpacked = "archive/limit-unpacked"
	ruleLimitEntry    = "archive/limit-entry-size"
	ruleLimitRatio    = "archive/limit-ratio"
	ruleLimitDepth    = "archive/limit-depth"
	ruleLimitName     = "archive/limit-name-length"
	ruleLimitHeaders  = "archive/limit-headers"
	ruleLimitMetadata = "archive/limit-metadata"

	ruleNameEmpty     = "archive/name-empty"
	ruleNameEncoding  = "archive/name-encoding"
	ruleNameNUL       = "archive/name-nul"
	ruleNameControl   = "archive/name-unprintable"
	ruleNameBackslash = "archive/name-backslash"
	ruleNameDots      = "archive/name-not-clean"
	ruleAbsolute      = "archive/path-absolute"
	ruleTraversal     = "archive/path-traversal"
	ruleDuplicate     = "archive/duplicate"
	ruleDuplicateSame = "archive/duplicate-identical"
	ruleConflict      = "archive/name-conflict"
	ruleConflictEmpty = "archive/name-conflict-empty"
	ruleCase          = "archive/case-collision"
	ruleTop           = "archive/top-directory"
	ruleLink          = "archive/link"
	ruleLinkEscape    = "archive/link-escape"
	ruleDevice        = "archive/device"

	ruleZipEnd        = "archive/zip-end-record"
	ruleZipTrailing   = "archive/zip-trailing-data"
	ruleZipPrefix     = "archive/zip-prefixed-data"
	ruleZip64         = "archive/zip-zip64"
	ruleZipDirectory  = "archive/zip-central-directory"
	ruleZipLocal      = "archive/zip-local-header-mismatch"
	ruleZipOverlap    = "archive/zip-overlap"
	ruleZipGap        = "archive/zip-gap"
	ruleZipDescriptor = "archive/zip-data-descriptor"
	ruleZipScan       = "archive/zip-descriptor-in-data"
	ruleZipMethod     = "archive/zip-method"
	ruleZipEncrypted  = "archive/zip-encrypted"
	ruleZipExtra      = "archive/zip-extra-field"
	ruleZipUnicode    = "archive/zip-unicode-path"
	ruleZipCharset    = "archive/zip-name-charset"
	ruleZipData       = "archive/zip-data"
	ruleZipDirData    = "archive/zip-directory-entry"

	ruleGzip         = "archive/gzip-stream"
	ruleGzipMembers  = "archive/gzip-members"
	ruleGzipTrailing = "archive/gzip-trailing-data"
	ruleGzipPadding  = "archive/gzip-padding"
	ruleTarHeader    = "archive/tar-header"
	ruleTarField     = "archive/tar-field"
	ruleTarPrefix    = "archive/tar-prefix"
	ruleTarType      = "archive/tar-entry-type"
	ruleTarSparse    = "archive/tar-sparse"
	ruleTarSize      = "archive/tar-size"
	ruleTarPax       = "archive/tar-pax-header"
	ruleTarGlobal    = "archive/tar-pax-global"
	ruleTarMixed     = "archive/tar-mixed-extensions"
	ruleTarLongName  = "archive/tar-long-name"
	ruleTarEnd       = "archive/tar-end"
	ruleTarTruncated = "archive/tar-truncated"
	ruleTarTrailing  = "archive/tar-trailing-data"
)

// rule says how bad breaking it is, and what the person who made the archive can do.
type rule struct {
	severity Severity
	next     string
}

const (
	rebuild   = "Build the archive again with the ecosystem's own tool and upload that."
	rename    = "Rename or remove the entry and build the archive again."
	smaller   = "Leave out what the package does not need, or ask the operator to raise the limit."
	repack    = "Unpack the archive and build it again; a reader that starts elsewhere would see other files."
	noLinks   = "Replace the link by a copy of the file it points to and build the archive again."
	download  = "The file may be damaged: compare its digest with the original, or build it again."
	plainTree = "Keep only regular files and directories in the archive."
)

// rules is the table of every rule: its severity and its way out.
var rules = map[string]rule{
	ruleLimitEntries:  {Limit, smaller},
	ruleLimitUnpacked: {Limit, smaller},
	ruleLimitEntry:    {Limit, smaller},
	ruleLimitRatio:    {Limit, smaller},
	ruleLimitDepth:    {Limit, rename},
	ruleLimitName:     {Limit, rename},
	ruleLimitHeaders:  {Limit, rebuild},
	ruleLimitMetadata: {Limit, smaller},

	ruleNameEmpty:     {Disagreement, rename},
	ruleNameEncoding:  {Disagreement, rename},
	ruleNameNUL:       {Disagreement, rename},
	ruleNameControl:   {Finding, rename},
	ruleNameBackslash: {Finding, rename},
	ruleNameDots:      {Finding, rename},
	ruleAbsolute:      {Disagreement, rename},
	ruleTraversal:     {Disagreement, rename},
	ruleDuplicate:     {Disagreement, rename},
	ruleDuplicateSame: {Finding, rename},
	ruleConflict:      {Disagreement, rename},
	ruleConflictEmpty: {Finding, rename},
	ruleCase:          {Finding, rename},
	ruleTop:           {Finding, rebuild},
	ruleLink:          {Finding, noLinks},
	ruleLinkEscape:    {Disagreement, noLinks},
	ruleDevice:        {Disagreement, plainTree},

	ruleZipEnd:        {Disagreement, download},
	ruleZipTrailing:   {Disagreement, repack},
	ruleZipPrefix:     {Disagreement, repack},
	ruleZip64:         {Disagreement, repack},
	ruleZipDirectory:  {Disagreement, repack},
	ruleZipLocal:      {Disagreement, repack},
	ruleZipOverlap:    {Disagreement, repack},
	ruleZipGap:        {Disagreement, repack},
	ruleZipDescriptor: {Disagreement, repack},
	ruleZipScan:       {Finding, repack},
	ruleZipMethod:     {Disagreement, "Build the archive again with entries stored or deflated."},
	ruleZipEncrypted:  {Disagreement, "Build the archive again without encryption."},
	ruleZipExtra:      {Disagreement, repack},
	ruleZipUnicode:    {Disagreement, rename},
	ruleZipCharset:    {Finding, "Build the archive again with names flagged as UTF-8, or in ASCII."},
	ruleZipData:       {Disagreement, download},
	ruleZipDirData:    {Disagreement, repack},

	ruleGzip:         {Disagreement, download},
	ruleGzipMembers:  {Disagreement, "Compress the tar as one gzip member; some clients read only the first."},
	ruleGzipTrailing: {Disagreement, repack},
	ruleGzipPadding:  {Finding, repack},
	ruleTarHeader:    {Disagreement, download},
	ruleTarField:     {Finding, rebuild},
	ruleTarPrefix:    {Disagreement, repack},
	ruleTarType:      {Disagreement, plainTree},
	ruleTarSparse:    {Disagreement, "Build the archive again without sparse files."},
	ruleTarSize:      {Disagreement, repack},
	ruleTarPax:       {Disagreement, repack},
	ruleTarGlobal:    {Disagreement, repack},
	ruleTarMixed:     {Disagreement, repack},
	ruleTarLongName:  {Disagreement, repack},
	ruleTarEnd:       {Finding, rebuild},
	ruleTarTruncated: {Disagreement, download},
	ruleTarTrailing:  {Disagreement, repack},
}
