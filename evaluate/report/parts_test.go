package report

import (
	"math"
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name string
		axis axis
		n    int
		want string
	}{
		{"accuracies", axis{low: 74.5, high: 75.4}, 5, "74.6 74.8 75.0 75.2 75.4"},
		{"all percent", axis{low: 0, high: 100}, 5, "0 20 40 60 80 100"},
		{"overlap", axis{low: 0.38, high: 1}, 5, "0.4 0.6 0.8 1.0"},
		{"steps", axis{low: 0, high: 200}, 6, "0 50 100 150 200"},
		{"large", axis{low: 0, high: 120000}, 5, "0 50k 100k"},
		{"around zero", axis{low: -0.3, high: 0.3}, 5, "-0.2 0.0 0.2"},
		{"tiny range", axis{low: 91.7299, high: 91.7301}, 4, "91.72990 91.72995 91.73000 91.73005 91.73010"},
		{"logarithm, two decades", axis{low: 0.6, high: 150, log: true}, 6, "1 2 5 10 20 50 100"},
		{"logarithm, one decade", axis{low: 0.9, high: 12, log: true}, 6, "1 2 5 10"},
		{"logarithm, narrow", axis{low: 3.1, high: 5.9, log: true}, 5, "4 5"},
		{"logarithm, wide", axis{low: 1e-9, high: 1e9, log: true}, 6, "1e-9 1e-6 0.001 1 1000 1e6 1e9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var labels []string
			for _, k := range c.axis.ticks(c.n) {
				labels = append(labels, k.label)
				if !c.axis.has(k.value) {
					t.Errorf("tick %g is outside %g to %g", k.value, c.axis.low, c.axis.high)
				}
			}
			if got := strings.Join(labels, " "); got != c.want {
				t.Errorf("ticks %s, want %s", got, c.want)
			}
		})
	}
}

func TestAxisAt(t *testing.T) {
	for _, c := range []struct {
		name    string
		axis    axis
		x, want float64
	}{
		{"low", axis{low: 10, high: 20, from: 100, to: 200}, 10, 100},
		{"middle", axis{low: 10, high: 20, from: 100, to: 200}, 15, 150},
		{"upwards", axis{low: 0, high: 1, from: 300, to: 0}, 0.25, 225},
		{"logarithm", axis{low: 1, high: 100, from: 0, to: 10, log: true}, 10, 5},
		{"logarithm of nothing", axis{low: 1, high: 100, from: 0, to: 10, log: true}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.axis.at(c.x); !(math.Abs(got-c.want) < 1e-9) {
				t.Errorf("at(%g) = %g, want %g", c.x, got, c.want)
			}
		})
	}
}

func TestStudentT95(t *testing.T) {
	// Reference: scipy.stats.t.ppf(0.975, freedom).
	for freedom, want := range map[int]float64{1: 12.7062, 2: 4.3027, 9: 2.2622, 10: 2.2281, 11: 2.2010, 29: 2.0452, 49: 2.0096, 199: 1.9720} {
		if got := studentT95(freedom); !(math.Abs(got-want) < 2e-4) {
			t.Errorf("studentT95(%d) = %.4f, want %.4f", freedom, got, want)
		}
	}
}

func TestUsual(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		want   int
	}{
		{"one", []float64{3}, 1},
		{"all alike", []float64{3, 3, 3, 3}, 4},
		{"one far off", []float64{75, 75.1, 75.2, 75.3, 75.4, 10}, 5},
		{"spread out", []float64{10, 30, 50, 70, 90}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := usual(c.values); len(got) != c.want {
				t.Errorf("%v, want %d of them", got, c.want)
			}
		})
	}
}

func TestCommandText(t *testing.T) {
	files := []string{"gen/0000.onnx", "gen/0001.onnx", "gen/0002.onnx", "gen/0003.onnx"}
	for _, c := range []struct {
		name  string
		words []string
		want  string
	}{
		{"plain", []string{"rpg", "evaluate", "gen", "--data", "cifar10"}, "rpg evaluate gen --data cifar10"},
		{"quoted", []string{"rpg", "a b.onnx", "it's", "", "$HOME"}, `rpg 'a b.onnx' 'it'\''s' '' '$HOME'`},
		{"three files", append([]string{"rpg"}, files[:3]...), "rpg gen/0000.onnx gen/0001.onnx gen/0002.onnx"},
		{"many files", append(append([]string{"rpg"}, files...), "--against", "zoo"), "rpg gen/0000.onnx … gen/0003.onnx [4 files] --against zoo"},
		{"two folders", append(append([]string{"rpg"}, files...), "zoo/1.onnx", "zoo/2.onnx"), "rpg gen/0000.onnx … gen/0003.onnx [4 files] zoo/1.onnx zoo/2.onnx"},
		{"nothing", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := commandText(c.words); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

func TestTrainCommand(t *testing.T) {
	run := &Training{Dir: "run", Sources: []string{"zoo/a.onnx", "zoo/b.onnx"}, Settings: []Setting{
		{"preset", "fast", "default"}, {"steps", "200", "preset fast"}, {"width", "64", "flag"}, {"lr", "0.01", "my.yaml:3"}}}
	if got, want := trainCommand(run), "rpg train zoo/a.onnx zoo/b.onnx -o run --set width=64 --set lr=0.01"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestStretches(t *testing.T) {
	var steps []Step
	for i := range 7 {
		steps = append(steps, Step{Step: i + 1, Loss: float64(10 - i)})
	}
	list := stretches(steps, 3) // 3 + 3 + 1
	if len(list) != 3 || list[0] != (stretch{2, 9, 8, 10}) || list[2] != (stretch{7, 4, 4, 4}) {
		t.Errorf("%v", list)
	}
	for _, n := range []int{6, 7, 8} {
		if got := len(stretches(steps, n)); got > n {
			t.Errorf("%d stretches, want at most %d", got, n)
		}
	}
}

func TestTrainingSeconds(t *testing.T) {
	for _, c := range []struct {
		name    string
		elapsed []float64
		want    float64
	}{
		{"none", nil, 0},
		{"one process", []float64{1, 2, 3.5}, 3.5},
		{"resumed twice", []float64{1, 2, 0.5, 1.5, 0.25}, 3.75},
	} {
		t.Run(c.name, func(t *testing.T) {
			var steps []Step
			for _, e := range c.elapsed {
				steps = append(steps, Step{Elapsed: e})
			}
			if got := trainingSeconds(steps); got != c.want {
				t.Errorf("%g s, want %g", got, c.want)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(-1234567), "-1,234,567"},
		{digits(0, 3), "0"}, {digits(0.1537388, 4), "0.1537"}, {digits(123456, 3), "123456"}, {digits(1e-9, 2), "1.0e-09"}, {digits(-2.5, 2), "−2.5"},
		{signed(0.218), "+0.22"}, {signed(-0.001), "0.00"}, {signed(-1.5), "−1.50"},
		{chance(0.0002), "< 0.001"}, {chance(0.25), "0.250"},
		{percent(0.7522), "75.22"}, {fixed(-0.001, 2), "0.00"}, {num(-0.04), "0"}, {num(12.34), "12.3"},
		{plural(1, "model"), "1 model"}, {plural(1200, "step"), "1,200 steps"}, {clip("abcdef", 4), "…def"}, {clip("abc", 3), "abc"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
