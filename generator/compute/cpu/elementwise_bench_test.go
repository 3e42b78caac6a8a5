package cpu

import "testing"

// Operations whose time goes by the number of values.
func BenchmarkElementwise(b *testing.B) {
	d, err := open(1, kernels()[0])
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for _, op := range elementwiseOperations(d) {
		b.Run(op.name, func(b *testing.B) {
			for b.Loop() {
				op.run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1400*256), "ns/value")
		})
	}
}
