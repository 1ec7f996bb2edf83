package proxy

import (
	"bytes"
	"cmp"
	"strconv"
	"time"
	"unicode/utf8"
)

// accessEntry is what an access log tells of a request. The tags say what
// appendJSON calls the fields.
type accessEntry struct {
	Time      time.Time `json:"time"`
	Client    string    `json:"client"`
	Method    string    `json:"method"`
	Host      string    `json:"host"`
	Target    string    `json:"target"`
	Protocol  string    `json:"protocol"`
	Status    int       `json:"status"`
	Bytes     int64     `json:"bytes"`
	Seconds   float64   `json:"seconds"`
	Service   string    `json:"service"`
	Endpoint  string    `json:"endpoint,omitempty"`
	Attempts  int       `json:"attempts"`
	Fault     string    `json:"fault,omitempty"`
	Referer   string    `json:"referer,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

// appendLine appends an entry as a line.
func (f AccessFormat) appendLine(b []byte, e *accessEntry) []byte {
	if f == AccessCombined {
		b = appendCombined(b, e)
	} else {
		b = appendJSON(b, e)
	}
	return append(b, '\n')
}

// appendJSON appends what encoding/json would make of e. Only less than a
// microsecond looks otherwise: it is written in full.
func appendJSON(b []byte, e *accessEntry) []byte {
	b = append(b, `{"time":"`...)
	b = e.Time.AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	b = appendMember(b, `,"client":"`, e.Client)
	b = appendMember(b, `,"method":"`, e.Method)
	b = appendMember(b, `,"host":"`, e.Host)
	b = appendMember(b, `,"target":"`, e.Target)
	b = appendMember(b, `,"protocol":"`, e.Protocol)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, e.Bytes, 10)
	b = append(b, `,"seconds":`...)
	b = appendSeconds(b, e.Seconds)
	b = appendMember(b, `,"service":"`, e.Service)
	b = appendOptional(b, `,"endpoint":"`, e.Endpoint)
	b = append(b, `,"attempts":`...)
	b = strconv.AppendInt(b, int64(e.Attempts), 10)
	b = appendOptional(b, `,"fault":"`, e.Fault)
	b = appendOptional(b, `,"referer":"`, e.Referer)
	b = appendOptional(b, `,"user_agent":"`, e.UserAgent)
	return append(b, '}')
}

func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendMember(b, name, value)
}

// appendMember appends a string and its name, which comes with all that stands
// before the value.
func appendMember(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = appendEscaped(b, value)
	return append(b, '"')
}

// isPlain tells of each byte whether it stands for itself in a JSON string. <,
// > and & would, but are escaped for pages that show a log without care.
var isPlain = func() (plain [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return plain
}()

// appendEscaped appends what stands between the quotes of a JSON string (RFC
// 8259 §7). Bytes that are not UTF-8 become U+FFFD.
func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	done := 0 // what b has of s
	for i := 0; i < len(s); {
		c := s[i]
		if isPlain[c] {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			// JavaScript once took U+2028 and U+2029 for ends of lines.
			if r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		b = append(b, s[done:i]...)
		switch r {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		}
		i += size
		done = i
	}
	return append(b, s[done:]...)
}

// appendSeconds appends the shortest decimal number that reads as s. It is
// quick for whole nanoseconds, which is what a clock gives: with up to 15
// digits, as many as a float64 holds for sure, theirs are the shortest.
func appendSeconds(b []byte, s float64) []byte {
	n := int64(s*1e9 + .5)
	if n < 0 || n >= 1e15 || float64(n)/1e9 != s {
		return strconv.AppendFloat(b, s, 'f', -1, 64)
	}
	b = strconv.AppendInt(b, n/1e9, 10)
	n %= 1e9
	if n == 0 {
		return b
	}
	decimals := [...]byte{'.', '0', '0', '0', '0', '0', '0', '0', '0', '0'}
	for i := len(decimals) - 1; n > 0; i-- {
		decimals[i] += byte(n % 10)
		n /= 10
	}
	return append(b, bytes.TrimRight(decimals[:], "0")...)
}

// appendCombined appends e in the Combined Log Format. What a client wrote is
// quoted, so that it can't forge a line or a part of its own.
func appendCombined(b []byte, e *accessEntry) []byte {
	b = appendQuoted(b, e.Client)
	b = append(b, " - - ["...)
	b = appendCommonTime(b, e.Time)
	b = append(b, `] "`...)
	b = appendQuoted(b, e.Method)
	b = append(b, ' ')
	b = appendQuoted(b, e.Target)
	b = append(b, ' ')
	b = appendQuoted(b, e.Protocol)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, e.Bytes, 10)
	b = append(b, ` "`...)
	b = appendQuoted(b, cmp.Or(e.Referer, "-"))
	b = append(b, `" "`...)
	b = appendQuoted(b, cmp.Or(e.UserAgent, "-"))
	return append(b, '"')
}

// appendQuoted appends what [strconv.Quote] puts between its quotes.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			start := len(b)
			b = strconv.AppendQuote(b, s)
			copy(b[start:], b[start+1:])
			return b[:len(b)-2]
		}
	}
	return append(b, s...)
}

// appendCommonTime appends t as 02/Jan/2006:15:04:05 -0700. Reading that layout
// for each line would take four times as long.
func appendCommonTime(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	_, zone := t.Zone()
	zone /= 60
	sign := byte('+')
	if zone < 0 {
		sign, zone = '-', -zone
	}
	b = appendTwo(b, day)
	b = append(b, '/')
	b = append(b, month.String()[:3]...)
	b = append(b, '/')
	b = appendTwo(appendTwo(b, year/100), year%100)
	b = append(b, ':')
	b = appendTwo(b, hour)
	b = append(b, ':')
	b = appendTwo(b, minute)
	b = append(b, ':')
	b = appendTwo(b, second)
	b = append(b, ' ', sign)
	return appendTwo(appendTwo(b, zone/60), zone%60)
}

// appendTwo appends the two digits of n.
func appendTwo(b []byte, n int) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10))
}
