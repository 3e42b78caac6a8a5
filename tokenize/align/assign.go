package align

import "math"

// assign solves the linear assignment problem: it gives each row i of the n by n
// matrix gain a column of its own, columns[i], so that the sum of
// gain[i*n+columns[i]] is largest. It takes O(n³) at worst.
//
// It is the shortest augmenting path algorithm of Jonker and Volgenant (1987) in
// the form of Crouse, "On implementing 2D rectangular assignment algorithms"
// (2016), with gains instead of costs: each row in turn gets a column by the path
// of least loss through the columns that others have. Gains must be finite. Among
// equal columns the row's own number comes first, then the lowest.
func assign(gain []float64, n int) (columns []int32) {
	const none = -1
	columns = make([]int32, n)
	rowOf := make([]int32, n)  // of each column
	before := make([]int32, n) // the row before a column on the path
	u, v := make([]float64, n), make([]float64, n)
	loss := make([]float64, n) // of the best path to a column
	open := make([]int32, n)   // columns that the path has not reached
	reached := make([]int32, 0, n)
	for i := range n {
		columns[i], rowOf[i] = none, none
		best := math.Inf(-1)
		for _, g := range gain[i*n : (i+1)*n] {
			best = max(best, g)
		}
		u[i] = -best // so that no reduced loss is below 0
	}
	for start := range n {
		for j := range n {
			open[j], loss[j] = int32(j), math.Inf(1)
		}
		// The row's own number first: models that are alike already stay.
		open[0], open[start] = open[start], open[0]
		left, row, least := n, start, 0.0
		reached = reached[:0]
		end := none
		for end == none {
			base := least - u[row]
			values := gain[row*n : (row+1)*n]
			lowest, at := math.Inf(1), 0
			for k, j := range open[:left] {
				if d := base - values[j] - v[j]; d < loss[j] {
					loss[j], before[j] = d, int32(row)
				}
				if d := loss[j]; d < lowest || d == lowest && rowOf[j] == none && rowOf[open[at]] != none {
					lowest, at = d, k
				}
			}
			least = lowest
			j := open[at]
			left--
			open[at], open[left] = open[left], j
			reached = append(reached, j)
			if rowOf[j] == none {
				end = int(j)
			} else {
				row = int(rowOf[j])
			}
		}
		// Dual variables: what every row and column on the tree has gained.
		u[start] += least
		for _, j := range reached[:len(reached)-1] {
			u[rowOf[j]] += least - loss[j]
			v[j] -= least - loss[j]
		}
		for j := int32(end); ; {
			i := before[j]
			rowOf[j] = i
			columns[i], j = j, columns[i]
			if int(i) == start {
				break
			}
		}
	}
	return columns
}
