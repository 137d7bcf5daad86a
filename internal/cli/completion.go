package cli

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

func setupCompletion(*flag.FlagSet) func(*Console, Input) error {
	return func(c *Console, in Input) error {
		write := map[string]func(io.Writer, []completion){"bash": bash, "zsh": zsh, "fish": fish}[in.Args[0]]
		if write == nil {
			return &ExitError{CodeUsage, fmt.Errorf("%q is no shell known here: bash, zsh or fish", in.Args[0])}
		}
		name := c.program.Name
		var b strings.Builder
		write(&b, c.program.completions())
		_, err := strings.NewReplacer("@FUNCTION@", "_"+notInNames.ReplaceAllString(name, "_"), "@NAME@", name).WriteString(c.Out, b.String())
		return err
	}
}

// notInNames is what cannot stand in the name of a shell function.
var notInNames = regexp.MustCompile(`[^A-Za-z0-9_]`)

// completion is what can stand behind some words.
type completion struct {
	words []string // after lithair
	next  []choice
}

type choice struct{ word, what string }

// completions are made of the table of commands.
func (p *Program) completions() (list []completion) {
	add := func(words []string, c choice) {
		i := slices.IndexFunc(list, func(x completion) bool { return slices.Equal(x.words, words) })
		if i < 0 {
			i, list = len(list), append(list, completion{words: words})
		}
		if !slices.ContainsFunc(list[i].next, func(x choice) bool { return x.word == c.word }) {
			list[i].next = append(list[i].next, c)
		}
	}
	for i := range p.Commands {
		k := &p.Commands[i]
		words := strings.Fields(k.Name)
		if len(words) > 1 {
			add(nil, choice{words[0], "see " + p.Name + " " + words[0] + " -h"})
			add(words[:1], choice{words[1], k.What})
		} else {
			add(nil, choice{words[0], k.What})
		}
		fs := flag.NewFlagSet(k.Name, flag.ContinueOnError)
		k.Setup(fs)
		fs.VisitAll(func(f *flag.Flag) { add(words, choice{"-" + f.Name, f.Usage}) })
	}
	add([]string{"completion"}, choice{"bash", "for bash"})
	add([]string{"completion"}, choice{"zsh", "for zsh"})
	add([]string{"completion"}, choice{"fish", "for fish"})
	return list
}

// quote makes a word of a shell of any text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// bash: a choice of words by the ones before it; files where there is none.
func bash(w io.Writer, list []completion) {
	fmt.Fprint(w, "# source <(@NAME@ completion bash)\n@FUNCTION@() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n")
	byDepth(list, func(c *completion) {
		var words []string
		for _, n := range c.next {
			words = append(words, n.word)
		}
		pattern := strings.Join(c.words, " ") + " *"
		if len(c.words) == 2 {
			pattern = strings.Join(c.words, " ")
		}
		if len(c.words) == 0 {
			fmt.Fprintf(w, "\tesac\n\t[[ $COMP_CWORD == 1 ]] && words=%s\n", quote(strings.Join(words, " ")))
			return
		}
		fmt.Fprintf(w, "\t%s) words=%s ;;\n", strings.ReplaceAll(pattern, " ", `\ `), quote(strings.Join(words, " ")))
	})
	fmt.Fprint(w, "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -o default -F @FUNCTION@ @NAME@\n")
}

// byDepth visits the longest rows first, and that of no words last.
func byDepth(list []completion, fn func(*completion)) {
	for depth := 2; depth >= 0; depth-- {
		for i := range list {
			if len(list[i].words) == depth {
				fn(&list[i])
			}
		}
	}
}

// zsh: the same, with what each word means.
func zsh(w io.Writer, list []completion) {
	fmt.Fprint(w, "#compdef @NAME@\n# source <(@NAME@ completion zsh)\n@FUNCTION@() {\n\tlocal -a next\n\tlocal at=\"$words[2] $words[3]\"\n\t(( CURRENT == 2 )) && at=\n\tcase $at in\n")
	byDepth(list, func(c *completion) {
		pattern := strings.Join(c.words, `\ `)
		switch len(c.words) {
		case 0:
			pattern = "''"
		case 1:
			pattern += `\ *`
		}
		fmt.Fprintf(w, "\t%s) next=(", pattern)
		for _, n := range c.next {
			fmt.Fprintf(w, " %s", quote(n.word+":"+n.what))
		}
		fmt.Fprint(w, " ) ;;\n")
	})
	fmt.Fprint(w, "\tesac\n\t(( $#next )) && _describe @NAME@ next\n\t(( CURRENT > 2 )) && _files\n}\ncompdef @FUNCTION@ @NAME@\n")
}

// fish: one line for each word.
func fish(w io.Writer, list []completion) {
	fmt.Fprint(w, "# @NAME@ completion fish | source\n")
	for _, c := range list {
		cond := "__fish_use_subcommand"
		if len(c.words) > 0 {
			cond = "__fish_seen_subcommand_from " + strings.Join(c.words, "; and __fish_seen_subcommand_from ")
		}
		for _, n := range c.next {
			if name, is := strings.CutPrefix(n.word, "-"); is {
				fmt.Fprintf(w, "complete -c @NAME@ -n %s -o %s -d %s\n", quote(cond), name, quote(n.what))
				continue
			}
			fmt.Fprintf(w, "complete -c @NAME@ -n %s -a %s -d %s\n", quote(cond), n.word, quote(n.what))
		}
	}
}
