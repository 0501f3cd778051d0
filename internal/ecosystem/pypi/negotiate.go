package pypi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// representation is one form of a simple page.
type representation struct {
	name        string // for cache keys
	contentType string
	json        bool
}

// The forms (pypi.md §1.2).
var (
	plainHTML = representation{"simple+text", "text/html; charset=utf-8", false}
	simpleV1  = representation{"simple+html", "application/vnd.pypi.simple.v1+html", false}
	simpleJ1  = representation{"simple+json", "application/vnd.pypi.simple.v1+json", true}
)

// offers are the types a client may ask for, best first among equals, with what it gets: always a concrete version.
var offers = []struct {
	mediaType string
	gives     representation
}{
	{"application/vnd.pypi.simple.v1+json", simpleJ1},
	{"application/vnd.pypi.simple.latest+json", simpleJ1},
	{"application/vnd.pypi.simple.v1+html", simpleV1},
	{"application/vnd.pypi.simple.latest+html", simpleV1},
	{"text/html", plainHTML},
}

// negotiate chooses the form of a page: ?format= if it names one, else the accepted type of the highest quality, JSON among
// equals; text/html where nothing else fits (pypi.md §1.2).
func negotiate(r *http.Request) representation {
	if r.URL.RawQuery != "" {
		if values, err := url.ParseQuery(r.URL.RawQuery); err == nil {
			// A "+" that was not escaped arrives as a blank.
			format := strings.ReplaceAll(values.Get("format"), " ", "+")
			for _, o := range offers {
				if o.mediaType == format {
					return o.gives
				}
			}
		}
	}
	accept := r.Header["Accept"]
	if len(accept) == 0 {
		return plainHTML
	}
	return negotiateAccept(strings.Join(accept, ","))
}

func negotiateAccept(accept string) representation {
	best, quality := plainHTML, 0.0
	for _, o := range offers {
		if q := qualityOf(accept, o.mediaType); q > quality {
			best, quality = o.gives, q
		}
	}
	// Of wildcards only "*/*" is usual, and whoever sends nothing better is a browser or curl.
	if any := wildcardOf(accept); any > quality && qualityOf(accept, "text/html") == 0 && !refused(accept, "text/html") {
		return plainHTML
	}
	return best
}

// qualityOf is the quality (RFC 9110 §12.4.2) with which a media type is accepted by name; 0 if it is not named.
func qualityOf(accept, mediaType string) float64 {
	q, _ := named(accept, mediaType)
	return q
}

func wildcardOf(accept string) float64 { return qualityOf(accept, "*/*") }

// refused reports a type that is named with quality 0.
func refused(accept, mediaType string) bool {
	q, found := named(accept, mediaType)
	return found && q == 0
}

func named(accept, mediaType string) (quality float64, found bool) {
	for item := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(name), mediaType) {
			continue
		}
		q := 1.0
		for param := range strings.SplitSeq(params, ";") {
			key, value, _ := strings.Cut(param, "=")
			if !strings.EqualFold(strings.TrimSpace(key), "q") {
				continue
			}
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if q = v; err != nil || !(v >= 0 && v <= 1) { // also not a number
				q = 0
			}
		}
		quality, found = max(quality, q), true
	}
	return quality, found
}
