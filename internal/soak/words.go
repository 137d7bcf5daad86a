package soak

import (
	"bufio"
	"os"
	"path/filepath"

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

// judgeWords fails where nodes said so much that it would fill a disk.
func (r *run) judgeWords() {
	words, err := readWords(r.cfg.Dir)
	if err != nil {
		r.t.Errorf("%v", err)
		return
	}
	r.words = words
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
