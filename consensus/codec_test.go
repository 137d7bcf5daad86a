package consensus

import (
	"reflect"
	"testing"
)

func messages() []Message {
	s := Snapshot{Index: 9, Term: 3, Time: -7, Size: 40, Sum: [32]byte{1, 2}, Membership: Membership{Members: Voters(1, 2, 300).Members, Format: HistoryFormat, History: 1<<63 + 5}}
	return []Message{
		{Kind: MsgVote, Group: 7, From: 1, To: 2, Term: 1 << 40, Index: 3, LogTerm: 2, Incarnation: 5, Transfer: true},
		{Kind: MsgAppend, From: 2, To: 1, Term: 4, Index: 8, LogTerm: 4, Commit: 7, Seq: 12, Entries: []Entry{
			{Index: 9, Term: 4, Time: -1, Kind: KindNoop}, {Index: 10, Term: 4, Time: 1 << 60, Kind: FirstKind, Data: []byte("data")},
			{Index: 11, Term: 4, Time: 5, Kind: 255, Data: make([]byte, 32), Redacted: true}}},
		{Kind: MsgAppendResp, From: 2, To: 1, Term: 4, Index: 8, Hint: 3, HintTerm: 2, Match: 1, Reject: true},
		{Kind: MsgSnapshot, From: 2, To: 1, Term: 4, Snapshot: &s},
		{Kind: MsgChunk, From: 2, To: 1, Term: 4, Snapshot: &s, Offset: 16, Data: []byte("piece"), Checksum: 1<<32 - 1, Last: true},
		{Kind: MsgReadIndex, From: 2, To: 1, Reads: []uint64{1, 1 << 63}},
	}
}

func TestMessagesSurviveTheirEncoding(t *testing.T) {
	for _, m := range messages() {
		b := AppendMessage(nil, &m)
		got, err := ParseMessage(b)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%v: %v\n got %+v\nwant %+v", m.Kind, err, got, m)
		}
		for n := range b {
			if _, err := ParseMessage(b[:n]); err == nil {
				t.Errorf("%v: cut at %d of %d bytes and still read", m.Kind, n, len(b))
			}
		}
		if _, err := ParseMessage(append(b, 0)); err == nil {
			t.Errorf("%v: a byte behind the end went unnoticed", m.Kind)
		}
	}
	for _, b := range [][]byte{{2, 1, 0}, {messageVersion, 0, 0}, {messageVersion, 99, 0}, {messageVersion, 1, 16}} {
		if _, err := ParseMessage(append(b, make([]byte, 40)...)); err == nil {
			t.Errorf("% x is read", b)
		}
	}
}

// FuzzMessage: what is read is written back byte for byte, for there is one encoding of each
// message; and nothing is allocated for lengths that the bytes do not have.
func FuzzMessage(f *testing.F) {
	for _, m := range messages() {
		f.Add(AppendMessage(nil, &m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		if again := AppendMessage(nil, &m); string(again) != string(b) {
			t.Fatalf("% x is read as %+v, which is written % x", b, m, again)
		}
		if len(m.Entries) > len(b) || len(m.Reads) > len(b) {
			t.Fatalf("%d entries, %d reads from %d bytes", len(m.Entries), len(m.Reads), len(b))
		}
	})
}
