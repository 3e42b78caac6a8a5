package align

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"rpg/evaluate/fetch"
	"rpg/fixtures"
	"rpg/internal/shareddata"
	"rpg/onnxio"
	"rpg/tokenize"
)

// graph puts a small ONNX model together from protobuf fields. Weights are drawn
// at random; the model is the same each time.
type graph struct {
	fields []byte // of the GraphProto
	r      *rand.Rand
}

func newGraph() *graph { return &graph{r: rand.New(rand.NewPCG(7, 7))} }

func varint(b []byte, field, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, field<<3), v)
}

func message(b []byte, field uint64, body []byte) []byte {
	b = binary.AppendUvarint(b, field<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

func named(b []byte, field uint64, name string) []byte { return message(b, field, []byte(name)) }

const float32Type, int64Type = 1, 7

// tensorProto is a TensorProto.
func tensorProto(name string, dtype uint64, dims []int, raw []byte) []byte {
	var b []byte
	for _, d := range dims {
		b = varint(b, 1, uint64(d))
	}
	return message(named(varint(b, 2, dtype), 8, name), 9, raw)
}

// weight adds an initializer of normal numbers; positive makes them so.
func (g *graph) weight(name string, dims ...int) *graph {
	return g.drawn(name, func() float64 { return g.r.NormFloat64() }, dims)
}

func (g *graph) positive(name string, dims ...int) *graph {
	return g.drawn(name, func() float64 { return 0.5 + g.r.Float64() }, dims)
}

func (g *graph) drawn(name string, draw func() float64, dims []int) *graph {
	n := 1
	for _, d := range dims {
		n *= d
	}
	var raw []byte
	for range n {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(draw())))
	}
	g.fields = message(g.fields, 5, tensorProto(name, float32Type, dims, raw))
	return g
}

// floats adds a list of numbers that is no weight where an operator takes it for
// something else.
func (g *graph) floats(name string, values ...float32) *graph {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	g.fields = message(g.fields, 5, tensorProto(name, float32Type, []int{len(values)}, raw))
	return g
}

// ints adds a list of whole numbers; number adds one without axes.
func (g *graph) ints(name string, values ...int64) *graph {
	return g.wholes(name, []int{len(values)}, values)
}

func (g *graph) number(name string, value int64) *graph { return g.wholes(name, nil, []int64{value}) }

func (g *graph) wholes(name string, dims []int, values []int64) *graph {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	g.fields = message(g.fields, 5, tensorProto(name, int64Type, dims, raw))
	return g
}

// node adds a node; inputs and outputs are names with spaces between, "-" for one
// that is left out. An operator of another domain is written domain:Op.
func (g *graph) node(op, inputs, outputs string, attributes ...[]byte) *graph {
	var b []byte
	for _, s := range strings.Fields(inputs) {
		b = named(b, 1, strings.Trim(s, "-"))
	}
	for _, s := range strings.Fields(outputs) {
		b = named(b, 2, strings.Trim(s, "-"))
	}
	if domain, name, ok := strings.Cut(op, ":"); ok {
		b, op = named(b, 7, domain), name
	}
	b = named(b, 4, op)
	for _, a := range attributes {
		b = message(b, 5, a)
	}
	g.fields = message(g.fields, 1, b)
	return g
}

// whole, list and text are attributes.
func whole(name string, v int64) []byte {
	return varint(varint(named(nil, 1, name), 3, uint64(v)), 20, 2)
}

func list(name string, values ...int64) []byte {
	b := named(nil, 1, name)
	for _, v := range values {
		b = varint(b, 8, uint64(v))
	}
	return varint(b, 20, 7)
}

func text(name, value string) []byte {
	return varint(message(named(nil, 1, name), 4, []byte(value)), 20, 3)
}

// port is a ValueInfoProto; a dimension of -1 is "batch", 0 says nothing. Without
// dimensions the shape is left out.
func port(name string, dtype uint64, dims []int) []byte {
	t := varint(nil, 1, dtype)
	if dims != nil {
		var shape []byte
		for _, d := range dims {
			var dim []byte
			switch {
			case d > 0:
				dim = varint(nil, 1, uint64(d))
			case d < 0:
				dim = named(nil, 2, "batch")
			}
			shape = message(shape, 1, dim)
		}
		t = message(t, 2, shape)
	}
	return message(named(nil, 1, name), 2, message(nil, 1, t))
}

func (g *graph) in(name string, dims ...int) *graph {
	g.fields = message(g.fields, 11, port(name, float32Type, dims))
	return g
}

func (g *graph) out(names ...string) *graph {
	for _, name := range names {
		g.fields = message(g.fields, 12, port(name, float32Type, nil))
	}
	return g
}

// model is the finished ModelProto.
func (g *graph) model(opset uint64) []byte {
	b := varint(nil, 1, 8)
	b = message(b, 7, named(g.fields, 2, "test"))
	b = message(b, 8, varint(named(nil, 1, ""), 2, opset))
	return message(b, 8, varint(named(nil, 1, "com.microsoft"), 2, 1))
}

func parse(t testing.TB, name string, data []byte) *onnxio.Model {
	t.Helper()
	m, err := onnxio.Parse(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// openRuntime opens the libonnxruntime of this machine and closes it when the
// test ends.
func openRuntime(t *testing.T) {
	t.Helper()
	lib, _, _, err := fetch.FindRuntime()
	if err != nil {
		t.Skip("no libonnxruntime on this machine; `rpg fetch onnxruntime` gets it")
	}
	ort.SetSharedLibraryPath(lib)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ort.DestroyEnvironment(); err != nil {
			t.Error(err)
		}
	})
}

// outputs runs a model on random inputs, the same each time, and gives all values
// of all its outputs; sizes that are not known are 2.
func outputs(t *testing.T, m *onnxio.Model, v onnxio.Values) []float32 {
	t.Helper()
	var data bytes.Buffer
	if err := onnxio.WriteTo(&data, m, v, nil); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	var inputs []ort.Value
	var inputNames, outputNames []string
	for _, in := range m.Info().Inputs {
		shape, n := ort.Shape{}, int64(1)
		for _, d := range in.Shape {
			if d < 1 {
				d = 2
			}
			shape, n = append(shape, d), n*d
		}
		x, err := randomTensor(r, in.DType, shape, n)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Destroy()
		inputs, inputNames = append(inputs, x), append(inputNames, in.Name)
	}
	for _, out := range m.Info().Outputs {
		outputNames = append(outputNames, out.Name)
	}
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(data.Bytes(), inputNames, outputNames, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Destroy()
	got := make([]ort.Value, len(outputNames))
	if err := s.Run(inputs, got); err != nil {
		t.Fatal(err)
	}
	var all []float32
	for _, x := range got {
		all = append(all, x.(*ort.Tensor[float32]).GetData()...)
		x.Destroy()
	}
	return append([]float32{}, all...)
}

// randomTensor has n normal numbers, or whole numbers that are 0 or 1.
func randomTensor(r *rand.Rand, d onnxio.DType, shape ort.Shape, n int64) (ort.Value, error) {
	if d == onnxio.Int64 {
		values := make([]int64, n)
		for i := range values {
			values[i] = r.Int64N(2)
		}
		return ort.NewTensor(shape, values)
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	return ort.NewTensor(shape, values)
}

// sameOutputs fails unless b is a, but for rounding of sums taken in another order.
func sameOutputs(t *testing.T, a, b []float32) {
	t.Helper()
	scale := 0.0
	for _, v := range a {
		scale = max(scale, math.Abs(float64(v)))
	}
	if len(a) != len(b) || len(a) == 0 || !(scale > 0) {
		t.Fatalf("%d and %d values of up to %g", len(a), len(b), scale)
	}
	for i := range a {
		if !(math.Abs(float64(a[i])-float64(b[i])) <= 1e-4*scale) {
			t.Fatalf("output %d is %g, was %g, the largest is %g", i, b[i], a[i], scale)
		}
	}
}

// tokensOf tokenizes models as evaluate does.
func tokensOf(t testing.TB, models []*onnxio.Model) (*tokenize.Tokenizer, [][]float32) {
	t.Helper()
	k, err := tokenize.Build(models, tokenize.Options{TokenDim: 256, Stats: tokenize.StatsPooled, Granularity: tokenize.GranularityTensor})
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float32
	for _, m := range models {
		d, err := k.Tokens(m)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d.Data().([]float32))
	}
	return k, all
}

// rewritten is m with other values, in memory.
func rewritten(t testing.TB, m *onnxio.Model, v onnxio.Values) *onnxio.Model {
	t.Helper()
	var b bytes.Buffer
	if err := onnxio.WriteTo(&b, m, v, nil); err != nil {
		t.Fatal(err)
	}
	return parse(t, m.Path+" rewritten", b.Bytes())
}

// zooOf opens the first n models of a zoo of shared/data.
func zooOf(t *testing.T, folder string, n int) []*onnxio.Model {
	t.Helper()
	var models []*onnxio.Model
	for _, path := range shareddata.Models(t, folder)[:n] {
		m, err := onnxio.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		models = append(models, m)
	}
	return models
}

// cnns gives the first n checkpoints of the embedded zoo.
func cnns(t *testing.T, n int) []*onnxio.Model {
	t.Helper()
	var models []*onnxio.Model
	for _, name := range fixtures.ZooNames()[:n] {
		data, err := fs.ReadFile(fixtures.Zoo(), name)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, parse(t, name, data))
	}
	return models
}

// valuesOf reads all values of weight i.
func valuesOf(t testing.TB, m *onnxio.Model, v onnxio.Values, i int) []float32 {
	t.Helper()
	x := make([]float32, m.Weights()[i].Elements)
	if err := v.ReadValues(i, x, 0); err != nil {
		t.Fatal(err)
	}
	return x
}
