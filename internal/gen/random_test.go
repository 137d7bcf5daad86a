package gen

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// randomStructs makes Go source with models of random fields, types and tags.
type randomStructs struct {
	*rand.Rand
	nested []string // names of struct types that were made
}

func (r *randomStructs) one(list ...string) string { return list[r.IntN(len(list))] }
func (r *randomStructs) chance(n int) bool         { return r.IntN(n) == 0 }

var scalars = []string{"string", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool",
	"time.Time", "time.Duration", "lithair.ID", "netip.Addr", "Word", "Number", "Ratio", "Flag"}

// typ is a type of a field, no deeper than depth.
func (r *randomStructs) typ(depth int) string {
	switch n := r.IntN(14); {
	case n == 0 && depth > 0:
		return "[]" + r.typ(depth-1)
	case n == 1 && depth > 0:
		return "map[" + r.one("string", "int", "Word", "uint8") + "]" + r.typ(depth-1)
	case n == 2 && len(r.nested) > 0:
		return r.one(r.nested...)
	case n == 3:
		return "[]byte"
	case n == 4 && depth > 0:
		return fmt.Sprintf("[]%s", r.one(append(r.nested, "string", "int64", "float64", "lithair.ID")...))
	}
	return r.one(scalars...)
}

func (r *randomStructs) rules(typ string) string {
	base := strings.TrimPrefix(typ, "*")
	switch base {
	case "Word":
		base = "string"
	case "Number":
		base = "int32"
	case "Ratio":
		base = "float64"
	}
	switch {
	case base == "string":
		return r.one("non_empty", "length(1,4)", "min_length(2)", "max_length(3)", "email", "url", "uuid", `regex(\"^a|b$\")`, "non_empty;max_length(3)")
	case strings.HasPrefix(base, "[]") || strings.HasPrefix(base, "map["):
		return r.one("non_empty", "length(0,2)", "min_length(1)", "max_length(2)")
	case strings.HasPrefix(base, "int") || strings.HasPrefix(base, "float"):
		return r.one("range(-1,3)", "min(2)", "max(1)", "range(0,100)")
	case strings.HasPrefix(base, "uint"):
		return r.one("range(1,3)", "min(2)", "max(1)")
	}
	return ""
}

// field is a line of a struct.
func (r *randomStructs) field(i int) string {
	typ := r.typ(2)
	if r.chance(4) && !strings.HasPrefix(typ, "[]") && !strings.HasPrefix(typ, "map") {
		typ = "*" + typ
	}
	var tags []string
	name := r.one(fmt.Sprintf("f%d", i), fmt.Sprintf("f-%d.é", i), fmt.Sprintf("%s-日本語é%d", "abcdefghijklmnop"[:r.IntN(17)], i), "")
	switch option := r.one("", "", "", ",omitempty", ",omitzero", ",omitempty,omitzero"); {
	case r.chance(15):
		tags = append(tags, `json:"-"`)
	case r.chance(15) && (typ == "int" || typ == "bool" || typ == "string"):
		tags = append(tags, fmt.Sprintf("json:%q", name+",string"))
	case name+option != "":
		tags = append(tags, fmt.Sprintf("json:%q", name+option))
	}
	if rules := r.rules(typ); rules != "" && r.chance(2) {
		tags = append(tags, `http:"validate=`+rules+`"`)
	}
	if len(tags) == 0 {
		return fmt.Sprintf("\tF%d %s\n", i, typ)
	}
	return fmt.Sprintf("\tF%d %s `%s`\n", i, typ, strings.Join(tags, " "))
}

// source is a package of that name; its models have directives or not.
func (r *randomStructs) source(name string, models int, directives bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nimport (\n\t\"net/netip\"\n\t\"time\"\n\n\tlithair \"github.com/lithair/lithair-go\"\n)\n\nvar _ time.Time\nvar _ netip.Addr\nvar _ lithair.ID\n\n"+
		"type Word string\ntype Number int32\ntype Ratio float64\ntype Flag bool\n\n", name)
	list := "\n// All are all of them.\nvar All = []any{"
	for i := range models {
		if r.chance(3) {
			fmt.Fprintf(&b, "type N%d struct {\n", i)
			for j := range 1 + r.IntN(4) {
				b.WriteString(r.field(j))
			}
			b.WriteString("}\n\n")
			r.nested = append(r.nested, fmt.Sprintf("N%d", i))
		}
		if directives {
			b.WriteString("//lithair:model -\n")
		}
		fmt.Fprintf(&b, "type M%d struct {\n\tID int64\n", i)
		if len(r.nested) > 0 && r.chance(4) {
			fmt.Fprintf(&b, "\tE%d\n", i)
		}
		for j := range 1 + r.IntN(8) {
			b.WriteString(r.field(10 + j))
		}
		b.WriteString("}\n\n")
		fmt.Fprintf(&b, "type E%d struct {\n%s}\n\n", i, r.field(90))
		list += fmt.Sprintf("&M%d{}, ", i)
	}
	return b.String() + list + "}\n"
}

// comparison is the program that fills the models of both packages with the same values, good
// and bad, and holds what becomes of them against each other.
const comparison = `package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"time"

	"github.com/lithair/lithair-go/jsonx"
	"github.com/lithair/lithair-go/model"

	"random/plain"
	"random/with"
)

var texts = []string{"", "a", "b", "ab", "abcde", "a@b.org", "http://a.b", "01890a5d-ac96-774b-bcce-b302099a8057", "é\n\"\\<>&\u2028", "\xff", "日本語日本語"}

func fill(r *rand.Rand, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		if r.IntN(3) > 0 {
			v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<33), r.Int64N(2)*r.Int64N(1e9)).UTC()))
		}
		return
	case netip.Addr:
		if r.IntN(3) > 0 {
			v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{byte(r.IntN(256)), 1, 2, 3})))
		}
		return
	}
	if r.IntN(4) == 0 {
		return
	}
	switch k := v.Kind(); {
	case k == reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case v.CanInt():
		v.SetInt([]int64{0, 1, -1, 2, 5, math.MaxInt64, math.MinInt64, 100}[r.IntN(8)])
	case v.CanUint():
		v.SetUint([]uint64{0, 1, 2, 5, math.MaxUint64}[r.IntN(5)])
	case v.CanFloat():
		v.SetFloat([]float64{0, 1, -1, 0.5, 1e30, math.Copysign(0, -1), math.NaN(), math.Inf(1), 3}[r.IntN(9)])
	case k == reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case k == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case k == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case k == reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case k == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(3) {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key)
			fill(r, elem)
			v.SetMapIndex(key, elem)
		}
	case k == reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	}
}

func main() {
	models, coded, values, invalid, failed, bad := 0, 0, 0, 0, 0, 0
	for i := range with.All {
		a, b := reflect.TypeOf(with.All[i]).Elem(), reflect.TypeOf(plain.All[i]).Elem()
		ma, err := model.Of(a)
		if err != nil {
			fmt.Println(a, err)
			os.Exit(1)
		}
		mb, err := model.Of(b)
		if err != nil {
			fmt.Println(b, err)
			os.Exit(1)
		}
		models++
		if m, ok := reflect.PointerTo(a).MethodByName("GeneratedJSON"); ok {
			made := m.Func.Call([]reflect.Value{reflect.Zero(reflect.PointerTo(a))})[1].Interface().([]string)
			if want := jsonx.Members(a); !reflect.DeepEqual(made, want) {
				fmt.Printf("%s: code for %q, and it has %q\n", a, made, want)
				bad++
			}
			coded++
		}
		for seed := range uint64(60) {
			x, y := reflect.New(a), reflect.New(b)
			fill(rand.New(rand.NewPCG(seed, uint64(i))), x.Elem())
			fill(rand.New(rand.NewPCG(seed, uint64(i))), y.Elem())
			values++
			va, vb := ma.Validate(x.Interface()), mb.Validate(y.Interface())
			if len(va) > 0 {
				invalid++
			}
			if !reflect.DeepEqual(va, vb) {
				fmt.Printf("%s, seed %d: with generated code %+v, without %+v\n", a, seed, va, vb)
				bad++
			}
			ja, ea := jsonx.Append(nil, x.Interface())
			jb, eb := jsonx.Append(nil, y.Interface())
			if eb != nil {
				failed++
			}
			if string(ja) != string(jb) || (ea == nil) != (eb == nil) {
				fmt.Printf("%s, seed %d: with generated code %s %v, without %s %v\n", a, seed, ja, ea, jb, eb)
				bad++
			}
			if bad > 20 {
				os.Exit(1)
			}
		}
	}
	fmt.Printf("%d models, %d with code for JSON, %d values, %d invalid, %d that cannot be JSON\n", models, coded, values, invalid, failed)
	if bad > 0 {
		os.Exit(1)
	}
}
`

// TestRandomModels generates code for random models, and holds what it does against what is
// done without it, for random values.
func TestRandomModels(t *testing.T) {
	if os.Getenv("LITHAIR_LONG") == "" {
		t.Skip("LITHAIR_LONG=1 builds a program of random models")
	}
	models, seed := 60, rand.Uint64()
	if s := os.Getenv("SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module random\n\ngo 1.26\n\nrequire github.com/lithair/lithair-go v0.0.0\n\nreplace github.com/lithair/lithair-go => "+root+"\n")
	write("main.go", comparison)
	for _, name := range []string{"with", "plain"} {
		r := &randomStructs{Rand: rand.New(rand.NewPCG(seed, 0))}
		write(name+"/models.go", r.source(name, models, name == "with"))
	}
	p, err := Load(filepath.Join(dir, "with"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := Generate(p)
	if err != nil || len(out.Mistakes)+len(out.Notes) > 0 {
		t.Fatal(err, out.Mistakes, out.Notes)
	}
	write("with/"+FileName, string(out.Source))
	for _, args := range [][]string{{"vet", "./with"}, {"run", "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
		b, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("SEED=%d LITHAIR_LONG=1: go %v: %v\n%.6000s", seed, args, err, b)
		}
		t.Logf("SEED=%d: %s", seed, b)
	}
}
