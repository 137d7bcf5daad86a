package soak

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lithair/lithair-go/jsonx"
)

// wordsEach is how many warnings and errors one fault may bring, on all nodes together.
const wordsEach = 40

// readWords counts what nodes said, by level and message; what is no line of the log, such as the banner, does not count.
func readWords(dir string) (map[string]int, error) {
	words := map[string]int{}
	names, err := filepath.Glob(filepath.Join(dir, "node*.log"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var line struct {
				Level string `json:"level"`
				Msg   string `json:"msg"`
			}
			if jsonx.Unmarshal(in.Bytes(), &line) == nil && line.Level != "" {
				words[line.Level+" "+line.Msg]++
			}
		}
		err = in.Err()
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return nil, err
		}
	}
	return words, nil
}

// neverWords are the beginnings of what nodes may not say: no fault of a plan explains it.
var neverWords = []string{
	"ERROR the states of nodes differ", "ERROR this node is fenced", "ERROR the log is damaged", "ERROR a snapshot is damaged", "ERROR changes beyond a snapshot cannot be used",
	"ERROR a request failed", "ERROR a live connection met an error", "ERROR this node is not fed", "ERROR the clock of this node is wrong",
}

// badWords are those of the words that nodes may not say.
func badWords(words map[string]int) (bad []string) {
	for word := range words {
		if slices.ContainsFunc(neverWords, func(never string) bool { return strings.HasPrefix(word, never) }) {
			bad = append(bad, word)
		}
	}
	slices.Sort(bad)
	return bad
}

// judgeWords fails where nodes said what they may not, or so much that it would fill a disk.
func (r *run) judgeWords() {
	words, err := readWords(r.cfg.Dir)
	if err != nil {
		r.t.Errorf("%v", err)
		return
	}
	r.words = words
	for _, word := range badWords(words) {
		r.t.Errorf("%d times nodes said: %s", words[word], word)
	}
	sum := 0
	for _, n := range words {
		sum += n
	}
	_, _, _, faults := r.tally.sum()
	if most := wordsEach * (faults + r.round); sum > most {
		r.t.Errorf("nodes said %d warnings and errors under %d faults, more than %d: %v", sum, faults, most, words)
	}
	r.tally.check("nodes say little", 1)
}
