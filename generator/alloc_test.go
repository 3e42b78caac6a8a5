package generator

import (
	"fmt"
	"testing"
)

// TestNoAllocations: a training step allocates nothing once the first ones
// have found how much working memory they need.
func TestNoAllocations(t *testing.T) {
	zoo, _ := testZoo(t, 4, 512)
	for name, cfg := range steadyConfigs(t) {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s-%d", name, threads), func(t *testing.T) {
				tr := newTrainer(openCPU(t, threads), cfg, zoo)
				tr.start()
				if threads == 3 {
					tr.keepAside(1 << 30)
				}
				step := func() {
					if _, err := tr.next(); err != nil {
						t.Fatal(err)
					}
				}
				step()
				if n := testing.AllocsPerRun(3, step); n != 0 {
					t.Errorf("a training step allocates %v times, want never", n)
				}
			})
		}
	}
}
