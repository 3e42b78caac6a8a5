package cuda

// unseen are faults that nothing on the host can see, with the reason: only a GPU
// (make test-gpu) may show them.
var unseen = []struct {
	fault
	reason string
}{
	{fault{name: "no wait for copies", file: "gemm_bf16.cu", right: "    copy_wait<stages - 2>();\n", wrong: ""},
		"the shim's copy_async copies at once"},
	{fault{name: "wait for too few groups", file: "gemm_bf16.cu", right: "    copy_commit();\n", wrong: ""},
		"the shim's copy_async copies at once"},
}

// faults are those that TestPlantedFaults plants.
var faults = []fault{
	// Barriers that are needed.
	{name: "no barrier before the next block_sum", file: "common.cuh", unit: "layernorm.cu", tests: "LayerNorm",
		right: "  __syncthreads();  // before the next sum writes part\n", wrong: ""},
	{name: "no barrier inside block_sum", file: "common.cuh", unit: "squaredsum.cu", tests: "SquaredSum",
		right: "part[warp] = v;\n  __syncthreads();", wrong: "part[warp] = v;"},
	{name: "slice overwritten while it is used", file: "ssd_tile.cuh", unit: "ssd_rates.cu", tests: "SSD",
		right: "    __syncthreads();  // the slice of before has been used\n", wrong: ""},
	{name: "no barrier before parts are added", file: "columnsums.cu", tests: "ColumnSums",
		right: "= sum;\n  __syncthreads();", wrong: "= sum;"},
	{name: "no barrier after counts", file: "scatteradd.cu", tests: "ScatterAdd",
		right: "    __syncthreads();  // after it none still reads the lists of before\n", wrong: ""},
	{name: "no barrier after the list", file: "scatteradd.cu", tests: "ScatterAdd",
		right: "= threadIdx.x;\n    __syncthreads();", wrong: "= threadIdx.x;"},
	{name: "barrier of some threads only", file: "lstm.cu", tests: "LSTMBackward",
		right: "  __syncthreads();\n  const int64_t seq = first + warp", wrong: "  if (warp < warps - 1) __syncthreads();\n  const int64_t seq = first + warp"},
	{name: "no barrier after the codes are copied", file: "adamw8.cu", tests: "AdamW8",
		right: "  }\n  __syncthreads();\n  const rpg_adam_w_now", wrong: "  }\n  const rpg_adam_w_now"},
	{name: "no barrier after a stage is stored", file: "gemm_float32.cu", tests: "Gemm",
		right: "    store(half);\n    __syncthreads();", wrong: "    store(half);"},
	{name: "no barrier before a stage is used again", file: "gemm_bf16.cu", tests: "TestProducts",
		right: "    __syncthreads();  // what is there is there for all, and the stage before is free\n", wrong: ""},
	{name: "no barrier before results are read", file: "convlayer_tensor.cuh", unit: "convlayer.cu", tests: "TestConvLayerBF16",
		right: "      __syncthreads();\n      for (int r = warp", wrong: "      for (int r = warp"},

	// Waits that are needed.
	{name: "staging memory used before its copy is done", file: "device.cu", tests: "TestLongUpload",
		right: "    TRY(dev, cudaEventSynchronize(passed));\n", wrong: ""},
	{name: "no event after a copy", file: "device.cu", tests: "TestLongUpload",
		right: "    TRY(dev, cudaEventRecord(passed, dev->stream));\n", wrong: ""},
	{name: "results read before they are there", file: "device.cu", tests: "TestLongUpload",
		right: "cudaMemcpyDeviceToHost, dev->stream));\n  return rpg_sync(dev);", wrong: "cudaMemcpyDeviceToHost, dev->stream));\n  return 0;"},

	// Bounds and edges.
	{name: "one value too many", file: "normal.cu", tests: "Normal",
		right: "if (4 * block + i < a.n)", wrong: "if (4 * block + i <= a.n)"},
	{name: "codes of values behind the end", file: "adamw8.cu", tests: "AdamW8",
		right: "if (i < a.n) {\n        a.m_codes", wrong: "if (i <= a.n) {\n        a.m_codes"},
	{name: "no check of the last row", file: "rows.cuh", unit: "maskedmse.cu", tests: "MaskedMSE",
		right: "  if (row >= rows) return;\n", wrong: ""},
	{name: "no check of the last column", file: "gemm.cuh", unit: "gemm_float32.cu", tests: "Gemm",
		right: "    if (col + i >= g.n) break;\n", wrong: ""},
	{name: "convolution reads before the sequence", file: "causalconv.cuh", unit: "causalconv.cu", tests: "CausalConv",
		right: "if (back < a.k - 1 && l >= 0)", wrong: "if (back < a.k - 1)"},
	{name: "no gradient from the end of a piece", file: "ssd_backward.cuh", unit: "ssd_edges.cu", tests: "SSDBackward",
		right: "item.chunk + 1 < g.t.chunks || g.dend;", wrong: "item.chunk + 1 < g.t.chunks;"},
	{name: "tokens after the end of a chunk", file: "ssd.cu", tests: "SSD",
		right: "return i < item.tokens && j <= i", wrong: "return i < item.tokens && j < i"},
	{name: "keys that a query must not see", file: "attention.cu", tests: "Attention",
		right: "if (tile_col() + c > seen ||", wrong: "if (tile_col() + c > seen + 1 ||"},
	{name: "positions outside of a token", file: "convlayer.cuh", unit: "convlayer.cu", tests: "ConvLayer",
		right: "if (p < 0 || p >= d) return {0, 0, 0, 0, false};", wrong: "if (p < 0 || p > d) return {0, 0, 0, 0, false};"},
	{name: "a factor stays though its rows are not aligned", file: "gemm_bf16.cu", tests: "TestProducts",
		right: "g.b.stride % 8 == 0 && g.b.stride >= g.b.cols;", wrong: "g.b.stride >= g.b.cols;"},
	{name: "8 signals at once from any address", file: "convlayer.cuh", unit: "convlayer.cu", tests: "TestConvLayerRounded",
		right: " && reinterpret_cast<uintptr_t>(s.data) % 16 == 0;", wrong: ";"},
	{name: "8 signals at once from any row", file: "convlayer.cuh", unit: "convlayer_backward.cu", tests: "TestConvLayerRounded",
		right: "d % 8 == 0 && s.stride % 8 == 0 &&", wrong: "d % 8 == 0 &&"},
	{name: "statistics of what is not stored", file: "convlayer.cuh", unit: "convlayer.cu", tests: "TestConvLayerRounded",
		right: "v[j] = y.store(to + at, v[j]);", wrong: "y.store(to + at, v[j]);"},
	{name: "wide loads of any address", file: "gemm_float32.cu", tests: "Gemm",
		right: "return reinterpret_cast<uintptr_t>(f.data) % 16 == 0 && f.stride % 4 == 0;", wrong: "return f.stride > 0;"},
	{name: "a block goes on after the end of a row", file: "gather.cu", tests: "Gather",
		right: "first + span < a.dst.cols ? first + span : a.dst.cols;", wrong: "first + span;"},

	// Sharing, sums and memory.
	{name: "all blocks write one sum", file: "squaredsum.cu", tests: "SquaredSum",
		right: "sums[blockIdx.x] = sum;", wrong: "sums[0] += sum;"},
	{name: "blocks add without order", file: "columnsums.cu", tests: "ColumnSums",
		right: "  sums[blockIdx.y * x.cols + col] = sum;", wrong: "  sums[col] = blockIdx.y ? sums[col] + sum : sum;"},
	{name: "shuffle from the wrong lane", file: "ssd_rates.cu", tests: "SSD",
		right: "__shfl_sync(0xffffffffu, sum, 31)", wrong: "__shfl_sync(0xffffffffu, sum, 30)"},
	{name: "half of a warp left out of a sum", file: "common.cuh", unit: "layernorm.cu", tests: "LayerNorm",
		right: "for (int lane = 16; lane > 0; lane >>= 1) v += ", wrong: "for (int lane = 8; lane > 0; lane >>= 1) v += "},
	{name: "shared memory read before written", file: "lstm.cu", tests: "LSTMBackward",
		right: "parts[warp][s][lane] = sums[s];", wrong: "parts[warp][s][lane] += sums[s];"},
	{name: "workspace read before written", file: "gatedrmsnorm.cu", tests: "GatedRMSNormBackward",
		right: "line[j] = row == first ? part : line[j] + part;", wrong: "line[j] += part;"},
	{name: "halves are rounded up", file: "device.cu", tests: "TestUploadRounded",
		right: "0x7fff + (b >> 16 & 1)", wrong: "0x8000"},
	{name: "all runs write one sum", file: "causalconv_backward.cu", tests: "CausalConvBackward",
		right: "sums + at.run * (1 + a.k) * a.x.cols + at.c;", wrong: "sums + at.c;"},
}
