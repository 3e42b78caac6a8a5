package cuda

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Lanes that leave a loop one after another, in a loop that only some enter, come
// together again behind it, where a shuffle needs them all.
func TestInterpreterDivergence(t *testing.T) {
	in := openInterpreter(t)
	text := kernel("", 1, `	mov.u32 %r1, 0;
	and.b32 %r2, %r0, 3;
	setp.eq.s32 %p1, %r2, 0;
	@%p1 bra $none;
$outer:
	mov.u32 %r3, 0;
$inner:
	add.s32 %r1, %r1, 1;
	add.s32 %r3, %r3, 1;
	setp.lt.u32 %p2, %r3, %r0;
	@%p2 bra $inner;
	sub.s32 %r2, %r2, 1;
	setp.ne.s32 %p3, %r2, 0;
	@%p3 bra $outer;
	bra.uni $met;
$none:
	mov.u32 %r1, 1000;
$met:
	shfl.sync.idx.b32 %r4|%p4, %r1, 3, 31, -1;
	@!%p1 add.s32 %r1, %r1, %r4;
	mul.wide.u32 %rd1, %r0, 4;
	add.s64 %rd2, %in0, %rd1;
	st.global.u32 [%rd2], %r1;
`)
	out := make([]byte, 4*64)
	in.launch(t, text, launched{grid: 1, block: 64, memory: [][]byte{out}})
	own := func(thread int) int {
		if thread%4 == 0 {
			return 1000
		}
		return thread % 4 * thread
	}
	for thread := range 64 {
		want := own(thread)
		if thread%4 != 0 {
			want += own(thread/32*32 + 3)
		}
		if got := int(binary.LittleEndian.Uint32(out[4*thread:])); got != want {
			t.Errorf("thread %d has %d, want %d", thread, got, want)
		}
	}
}

// A text with all that nvcc writes around instructions: comments, directives of
// debugging, a function that is called twice, nested names, a table in global memory,
// memory that the launch asks for, and several blocks in each order.
const program = `// a comment
.version 9.0
.target sm_80
.address_size 64

.func  (.param .b64 func_retval0) twice
(
	.param .b64 twice_param_0
)
;
.global .align 4 .b8 table[16] = {1, 0, 0, 0, 2, 0, 0, 0, 0xff, 255, 255, 255};
.extern .shared .align 16 .b8 dynamic[];
.shared .align 8 .b8 fixed[24];

.visible .entry k(
	.param .u64 k_param_0
)
.maxntid 64, 1, 1
.minnctapersm 2
{
	.reg .pred 	%p<2>;
	.reg .b32 	%r<20>;
	.reg .b64 	%rd<20>;
	.reg .f64 	%fd<4>;
	.loc	1 7 3
	ld.param.u64 	%rd1, [k_param_0];
	mov.u32 	%r1, %tid.x;
	mov.u32 	%r2, %ctaid.x;
	mov.u32 	%r3, %ntid.x;
	mad.lo.s32 	%r4, %r2, %r3, %r1;
	cvt.rn.f64.u32 	%fd1, %r4;
	{ // callseq 0, 0
	.param .b64 param0;
	st.param.f64 	[param0+0], %fd1;
	.param .b64 retval0;
	call.uni (retval0),
	twice,
	(
	param0
	);
	ld.param.f64 	%fd2, [retval0+0];
	} // callseq 0
	{ // callseq 1, 0
	.param .b64 param0;
	st.param.f64 	[param0], %fd2;
	.param .b64 retval0;
	call.uni (retval0), twice, (param0);
	ld.param.f64 	%fd2, [retval0];
	}
	{
	.reg .b32 %temp;
	mov.b64 	{%r5, %temp}, %fd2;
	mov.b64 	{%temp, %r6}, %fd2;
	}
	.loc	2 11 1, function_name $L__info_string0, inlined_at 1 8 3
	mov.u32 	%r7, dynamic;
	shl.b32 	%r8, %r1, 3;
	add.s32 	%r9, %r7, %r8;
	st.shared.f64 	[%r9], %fd2;
	setp.eq.s32 	%p1, %r1, 0;
	@%p1 st.shared.u32 	[fixed+20], %r2;
	bar.sync 	0;
	xor.b32 	%r10, %r8, 8;
	add.s32 	%r10, %r10, %r7;
	ld.shared.f64 	%fd3, [%r10];
	ld.shared.u32 	%r11, [fixed+20];
	mov.u64 	%rd2, table;
	and.b32 	%r12, %r1, 3;
	mul.wide.u32 	%rd3, %r12, 4;
	add.s64 	%rd4, %rd2, %rd3;
	ld.global.s32 	%rd5, [%rd4];
	cvt.rn.f64.s64 	%fd2, %rd5;
	add.f64 	%fd3, %fd3, %fd2;
	cvt.rn.f64.s32 	%fd2, %r11;
	fma.rn.f64 	%fd3, %fd2, 0d408F400000000000, %fd3;
	mul.wide.u32 	%rd6, %r4, 8;
	add.s64 	%rd7, %rd1, %rd6;
	st.global.f64 	[%rd7], %fd3;
	.pragma "nounroll";
	ret;
}
.func  (.param .b64 func_retval0) twice(
	.param .b64 twice_param_0
)
{
	.reg .pred 	%p<2>;
	.reg .f64 	%fd<3>;
	ld.param.f64 	%fd1, [twice_param_0];
	setp.lt.f64 	%p1, %fd1, 0d4024000000000000;
	@%p1 bra $L__BB1_2;
	add.f64 	%fd2, %fd1, %fd1;
	st.param.f64 	[func_retval0+0], %fd2;
	ret;
$L__BB1_2:
	neg.f64 	%fd2, %fd1;
	st.param.f64 	[func_retval0+0], %fd2;
	ret;
}
	.file	1 "/a/folder/kernel.cu"
	.file	2 "kernel.cuh"
	.section	.debug_str
	{
$L__info_string0:
.b8 95,90
	}
`

func TestInterpreterProgram(t *testing.T) {
	in := openInterpreter(t)
	const blocks, threads = 300, 64
	for _, order := range []string{"forward", "reverse", "random"} {
		t.Setenv("RPG_SHIM_ORDER", order)
		out := make([]byte, 8*blocks*threads)
		in.launch(t, program, launched{grid: blocks, block: threads, dynamic: 8 * threads, memory: [][]byte{out}})
		twice := func(v float64) float64 {
			if v < 10 {
				return -v
			}
			return v + v
		}
		for i := range blocks * threads {
			block, thread := i/threads, i%threads
			want := twice(twice(float64(block*threads+(thread^1)))) + []float64{1, 2, -1, 0}[thread%4] + 1000*float64(block)
			if got := math.Float64frombits(binary.LittleEndian.Uint64(out[8*i:])); got != want {
				t.Fatalf("%s: thread %d of block %d has %v, want %v", order, thread, block, got, want)
			}
		}
	}
}

// A fault names the place in the source that .loc gave.
func TestInterpreterNamesSource(t *testing.T) {
	in := openInterpreter(t)
	if os.Getenv(faultyVariable) != "" {
		in.launch(t, program, launched{grid: 1, block: 64, dynamic: 8, memory: [][]byte{make([]byte, 8*64)}})
		return
	}
	program := exec.Command(os.Args[0], "-test.run=^TestInterpreterNamesSource$")
	program.Env = append(os.Environ(), faultyVariable+"=1")
	text, err := program.CombinedOutput()
	for _, want := range []string{"kernel.cuh:11", "thread 1,0,0", "are not in the 40 bytes", "ptx: k: test.ptx line"} {
		if err == nil || !strings.Contains(string(text), want) {
			t.Errorf("%v, want a message with %q:\n%.500s", err, want, text)
		}
	}
}

// The approximate functions are within what NVIDIA promises of them, also at their
// limits: 2^-22 for ex2, 2^-23 for rcp in float32, and 20 bits for rcp in float64.
func TestInterpreterApproximations(t *testing.T) {
	in := openInterpreter(t)
	text := kernel("", 2, `	mul.wide.u32 %rd1, %r0, 8;
	add.s64 %rd2, %in0, %rd1;
	ld.global.f64 %fd1, [%rd2];
	cvt.rn.f32.f64 %f1, %fd1;
	ex2.approx.ftz.f32 %f2, %f1;
	rcp.approx.ftz.f32 %f3, %f1;
	rcp.approx.ftz.f64 %fd2, %fd1;
	mul.wide.u32 %rd3, %r0, 24;
	add.s64 %rd4, %in1, %rd3;
	cvt.f64.f32 %fd3, %f2;
	cvt.f64.f32 %fd4, %f3;
	st.global.f64 [%rd4], %fd3;
	st.global.f64 [%rd4+8], %fd4;
	st.global.f64 [%rd4+16], %fd2;
`)
	// Values that float32 and the upper half of float64 hold exactly.
	values := []float64{1, -1, 0.5, 3, -126, 127.5, 100.25, -0.0078125, 1.5e-3, 0, math.Inf(1), math.Inf(-1), 128, -150, -126.5}
	for i := range values {
		values[i] = float64(float32(values[i]))
		values[i] = math.Float64frombits(math.Float64bits(values[i]) &^ 0xffffffff)
	}
	out := make([]byte, 24*len(values))
	in.launch(t, text, launched{grid: 1, block: uint32(len(values)), memory: [][]byte{packed(values), out}})
	for i, v := range values {
		power := math.Exp2(v)
		if power < 0x1p-126 {
			power = 0
		} else if power > math.MaxFloat32 {
			power = math.Inf(1)
		}
		inverse := 1 / v
		for k, want := range []float64{power, inverse, inverse} {
			got := math.Float64frombits(binary.LittleEndian.Uint64(out[24*i+8*k:]))
			bound := []float64{0x1p-22, 0x1p-23, 0x1p-19}[k]
			if !(got == want || math.Abs(got-want) <= bound*math.Abs(want)) {
				t.Errorf("function %d of %v is %v, want %v", k, v, got, want)
			}
		}
	}
}
