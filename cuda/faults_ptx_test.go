package cuda

// Tests of nvccFaults: those of a GPU, which run with what nvcc made.
const (
	bf16Products = "^TestGPUProducts$/^RPG_CUDA_BLAS=own,bf16=true$"
	accesses     = "^TestAccesses$"
)

// nvccFaults are in what g++ never compiles or cannot see: tensor cores, copies on
// their way, and how memory is used. TestPlantedFaultsPTX plants them.
var nvccFaults = []fault{
	// Fragments of tensor cores.
	{name: "halves of a pair exchanged", file: "tensor.cuh", unit: "gemm_bf16.cu", tests: bf16Products,
		right: `: "f"(second), "f"(first));`, wrong: `: "f"(first), "f"(second));`},
	{name: "tiles that are not transposed", file: "tensor.cuh", unit: "gemm_bf16.cu", tests: bf16Products,
		right: "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", wrong: "ldmatrix.sync.aligned.m8n8.x4.shared.b16"},
	{name: "tiles transposed for a convolution", file: "tensor.cuh", unit: "convlayer.cu", tests: "^TestGPUConvLayer$",
		right: "ldmatrix.sync.aligned.m8n8.x4.shared.b16", wrong: "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16"},
	{name: "quarters of a left tile exchanged", file: "tensor.cuh", unit: "convlayer.cu", tests: "^TestGPUConvLayer$",
		right: `: "r"(left.v[0]), "r"(left.v[1]), "r"(left.v[2])`, wrong: `: "r"(left.v[0]), "r"(left.v[2]), "r"(left.v[1])`},
	{name: "halves of a right tile exchanged", file: "tensor.cuh", unit: "gemm_bf16.cu", tests: bf16Products,
		right: `"r"(right[0]), "r"(right[1]));`, wrong: `"r"(right[1]), "r"(right[0]));`},
	{name: "sums that are not carried on", file: "tensor.cuh", unit: "gemm_bf16.cu", tests: bf16Products,
		right: "{%8, %9}, {%0, %1, %2, %3};", wrong: "{%8, %9}, {%0, %1, %0, %3};"},

	// Copies on their way.
	{name: "no wait for copies", file: "gemm_bf16.cu", tests: bf16Products,
		right: "    copy_wait<stages - 2>();\n", wrong: ""},
	{name: "a wait for too few copies", file: "gemm_bf16.cu", tests: bf16Products,
		right: "    copy_wait<stages - 2>();\n", wrong: "    copy_wait<stages - 1>();\n"},
	{name: "groups of copies that do not end", file: "gemm_bf16.cu", tests: bf16Products,
		right: "    copy_commit();\n", wrong: ""},
	{name: "no barrier after the wait for copies", file: "gemm_bf16.cu", tests: bf16Products,
		right: "    __syncthreads();  // what is there is there for all, and the stage before is free\n", wrong: "    __syncwarp();\n"},
	{name: "no wait for a window's gradients", file: "convlayer_gradients.cuh", unit: "convlayer_backward.cu", tests: "^TestGPUConvLayer$",
		right: "    copy_wait<0>();\n", wrong: ""},
	{name: "copies beyond the end of a row", file: "tensor.cuh", unit: "gemm_bf16.cu", tests: bf16Products,
		right: `"l"(from), "r"(bytes) : "memory");`, wrong: `"l"(from), "r"(bytes ? 16 : 0) : "memory");`},

	// What a GPU refuses.
	{name: "wide loads of addresses that are not aligned", file: "gemm_bf16.cu", tests: bf16Products,
		right: "!kept && reinterpret_cast<uintptr_t>(f.data) % 16 == 0 && f.stride", wrong: "!kept && f.stride"},
	{name: "more threads than launch bounds", file: "gemm_bf16.cu", tests: bf16Products,
		right: "__launch_bounds__(block, 2) multiply", wrong: "__launch_bounds__(block / 2, 2) multiply"},
	{name: "shared memory that is not asked for", file: "common.cuh", unit: "convlayer.cu", tests: "^TestGPUConvLayer$",
		right: "if ((bytes) > asked_shared)", wrong: "if ((bytes) > 48 << 10)"},

	// How memory is used, with right results.
	{name: "rows of a tile in the same banks", file: "tensor.cuh", unit: "gemm_bf16.cu", tests: accesses,
		right: "(step ^ (steps == 4 ? row >> 1 & 3 : row & 7));", wrong: "step;"},
	{name: "rows of a convolution in the same banks", file: "convlayer_tensor.cuh", unit: "convlayer.cu", tests: accesses,
		right: "tile_stride = tensor_channels + 8;", wrong: "tile_stride = tensor_channels;"},
	{name: "neighbouring values for one thread", file: "common.cuh", unit: "add.cu", tests: accesses,
		right: "+ threadIdx.x;\n#pragma unroll\n  for (int k = 0; k < span / threads; k++) {\n    const int64_t i = first + k * threads;",
		wrong: "+ threadIdx.x * 4;\n#pragma unroll\n  for (int k = 0; k < span / threads; k++) {\n    const int64_t i = first + k;"},
}
