package ws

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// CloseCode says why a connection is closed (RFC 6455 §7.4). Codes from 3000 to 3999 are
// registered by libraries, those from 4000 to 4999 are free for programs.
type CloseCode uint16

// Close codes of RFC 6455 §7.4.1, and those registered later that may be sent.
const (
	CloseNormal          CloseCode = 1000
	CloseGoingAway       CloseCode = 1001
	CloseProtocolError   CloseCode = 1002
	CloseUnsupportedData CloseCode = 1003
	CloseNoStatus        CloseCode = 1005 // never sent: a close frame without a code
	CloseAbnormal        CloseCode = 1006 // never sent: the connection ended without a close frame
	CloseInvalidPayload  CloseCode = 1007
	ClosePolicyViolation CloseCode = 1008
	CloseMessageTooBig   CloseCode = 1009
	CloseMandatoryExt    CloseCode = 1010
	CloseInternalError   CloseCode = 1011
	CloseServiceRestart  CloseCode = 1012
	CloseTryAgainLater   CloseCode = 1013
	CloseBadGateway      CloseCode = 1014
	closeTLSHandshake    CloseCode = 1015 // never sent
	firstLibraryCode     CloseCode = 3000
	lastCode             CloseCode = 4999
	maxReason                      = maxControl - 2
	maxControl                     = 125
)

// sendable says whether a close frame may carry the code (RFC 6455 §7.4).
func (c CloseCode) sendable() bool {
	switch {
	case c >= firstLibraryCode && c <= lastCode:
		return true
	case c < CloseNormal || c > CloseBadGateway:
		return false
	}
	return c != 1004 && c != CloseNoStatus && c != CloseAbnormal
}

var closeNames = map[CloseCode]string{
	CloseNormal: "normal closure", CloseGoingAway: "going away", CloseProtocolError: "protocol error", CloseUnsupportedData: "unsupported data",
	CloseNoStatus: "no status received", CloseAbnormal: "abnormal closure", CloseInvalidPayload: "invalid payload", ClosePolicyViolation: "policy violation",
	CloseMessageTooBig: "message too big", CloseMandatoryExt: "mandatory extension", CloseInternalError: "internal error", CloseServiceRestart: "service restart",
	CloseTryAgainLater: "try again later", CloseBadGateway: "bad gateway", closeTLSHandshake: "TLS handshake",
}

// String returns the number and, where it has one, the name.
func (c CloseCode) String() string {
	s := strconv.Itoa(int(c))
	if n := closeNames[c]; n != "" {
		return s + " (" + n + ")"
	}
	return s
}

// parseClose reads a close frame's payload:
//
//	[ code (2 bytes, big-endian) reason (UTF-8) ]   (RFC 6455 §5.5.1)
func parseClose(b []byte) (CloseCode, string, *ProtocolError) {
	switch len(b) {
	case 0:
		return CloseNoStatus, "", nil
	case 1:
		return 0, "", violation("a close frame with one byte")
	}
	code := CloseCode(binary.BigEndian.Uint16(b))
	if !code.sendable() {
		return 0, "", violation("a close code that may not be sent")
	}
	if !utf8.Valid(b[2:]) {
		return 0, "", &ProtocolError{CloseInvalidPayload, "a close reason that is not UTF-8"}
	}
	return code, string(b[2:]), nil
}

// appendClose appends a close frame's payload. A reason that is too long is cut at the
// end of a character. [CloseNoStatus] gives an empty payload.
func appendClose(dst []byte, code CloseCode, reason string) []byte {
	if code == CloseNoStatus {
		return dst
	}
	if len(reason) > maxReason {
		reason = reason[:maxReason]
		for len(reason) > 0 {
			if r, n := utf8.DecodeLastRuneInString(reason); r != utf8.RuneError || n != 1 {
				break
			}
			reason = reason[:len(reason)-1]
		}
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(code)), reason...)
}
