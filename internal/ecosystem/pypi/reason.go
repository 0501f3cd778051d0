package pypi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"bonded/internal/request"
)

// How a connection ends whose request was refused before its body was read: the client learns the answer only once it has
// sent all, and a connection that is reset earlier loses it.
const (
	lingerTime  = 20 * time.Second
	lingerBytes = 256 << 20
	maxReason   = 1000
)

// speaksReason reports answers whose reason phrase somebody sees: refusals, on the only version of HTTP that has one. A page
// that is merely absent keeps its connection, since installers ask for many that are.
func speaksReason(r *http.Request, status int) bool {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	return r.ProtoMajor == 1 && status >= 400 && (!read || status != http.StatusNotFound)
}

// writeReason writes a whole answer with the sentence as reason phrase and ends the connection; net/http has no way to set
// the phrase. It reports false when the connection cannot be taken over and nothing was written.
func writeReason(w http.ResponseWriter, r *http.Request, now time.Time, status int, sentence string, body []byte) bool {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	// A client that neither reads nor closes holds the connection no longer than this.
	defer time.AfterFunc(lingerTime, func() { _ = conn.Close() }).Stop()
	request.SetStatus(r.Context(), status)
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	proto := "HTTP/1.1"
	if r.ProtoMinor == 0 {
		proto = "HTTP/1.0"
	}
	out := bufio.NewWriter(conn)
	_, _ = fmt.Fprintf(out, "%s %03d %s\r\n", proto, status, reasonPhrase(sentence))
	_ = h.Write(out)
	_, _ = out.WriteString("\r\n")
	_, _ = out.Write(body)
	if out.Flush() == nil {
		linger(conn, rw.Reader)
	}
	return true
}

// linger ends our direction and takes what the client still sends, for a while, so that it gets to read the answer.
func linger(conn net.Conn, in io.Reader) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.CopyN(io.Discard, in, lingerBytes)
}

// reasonPhrase makes a sentence fit for a status line: one line of ISO-8859-1 (RFC 9112 §4).
func reasonPhrase(sentence string) string {
	var b strings.Builder
	for _, c := range sentence {
		switch {
		case b.Len() >= maxReason:
			return b.String()
		case c < ' ' || c == 0x7f:
			b.WriteByte(' ')
		case c < 0x7f || c >= 0xa0 && c <= 0xff:
			b.WriteByte(byte(c))
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}
