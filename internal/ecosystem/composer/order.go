package composer

import (
	"cmp"
	"math"
	"strings"
)

// versionCompare orders two strings as PHP's version_compare does: runs of digits and runs of letters are parts, digits
// compare by value, words by formRank, and a number stands between release candidates and patches.
func versionCompare(a, b string) int {
	for {
		var x, y string
		x, a = nextPart(a)
		y, b = nextPart(b)
		switch {
		case x == "" && y == "":
			return 0
		case x == "":
			return -againstNothing(y)
		case y == "":
			return againstNothing(x)
		}
		if c := compareParts(x, y); c != 0 {
			return c
		}
	}
}

// nextPart takes the next run of digits or letters; anything else only separates.
func nextPart(s string) (part, rest string) {
	start := 0
	for start < len(s) && class(s[start]) == separator {
		start++
	}
	end := start
	for end < len(s) && class(s[end]) == class(s[start]) {
		end++
	}
	return s[start:end], s[end:]
}

type charClass uint8

const (
	separator charClass = iota
	digit
	letter
)

func class(c byte) charClass {
	switch {
	case '0' <= c && c <= '9':
		return digit
	case 'a' <= c|0x20 && c|0x20 <= 'z':
		return letter
	}
	return separator
}

func compareParts(x, y string) int {
	numX, numY := class(x[0]) == digit, class(y[0]) == digit
	switch {
	case numX && numY:
		return cmp.Compare(saturated(x), saturated(y))
	case numX:
		return cmp.Compare(numberRank, formRank(y))
	case numY:
		return cmp.Compare(formRank(x), numberRank)
	}
	return cmp.Compare(formRank(x), formRank(y))
}

// againstNothing compares a surplus part with the end of the shorter version: a number is more, a word counts by its rank.
func againstNothing(part string) int {
	if class(part[0]) == digit {
		return 1
	}
	return cmp.Compare(formRank(part), numberRank)
}

const numberRank = 4

// formRank ranks a word by its beginning, as PHP does: unknown < dev < alpha < beta < RC < number < patch.
func formRank(word string) int {
	switch {
	case strings.HasPrefix(word, "dev"):
		return 0
	case word[0] == 'a':
		return 1
	case word[0] == 'b':
		return 2
	case strings.HasPrefix(word, "RC"), strings.HasPrefix(word, "rc"):
		return 3
	case word[0] == 'p':
		return 5
	}
	return -1
}

// saturated reads digits as C's strtol does: what does not fit is the largest number.
func saturated(digits string) int64 {
	var n int64
	for i := range len(digits) {
		d := int64(digits[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return math.MaxInt64
		}
		n = n*10 + d
	}
	return n
}
