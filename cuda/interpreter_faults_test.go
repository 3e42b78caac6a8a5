package cuda

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// faultyKernel is a kernel of one block that does what the ISA leaves open, and what
// the interpreter says then; nothing where it is right.
type faultyKernel struct {
	name, before, body, says string
	block                    uint32
	grid                     uint32 // 1 where it is 0
}

const (
	tile = ".shared .align 16 .b8 tile[1024];\n"
	// Each thread's own word of the tile is %r2, its neighbour's in the warp %r3 and
	// that of the thread 32 further on, which the tile has for 64 threads, %r4.
	places = `	mov.u32 %r1, tile;
	shl.b32 %r2, %r0, 2;
	xor.b32 %r3, %r2, 4;
	xor.b32 %r4, %r2, 128;
	add.s32 %r2, %r1, %r2;
	add.s32 %r3, %r1, %r3;
	add.s32 %r4, %r1, %r4;
`
	// The word of each thread of all blocks of 32.
	ownWord = `	mov.u32 %r2, %ctaid.x;
	mad.lo.s32 %r1, %r2, 32, %r0;
	mul.wide.u32 %rd1, %r1, 4;
	add.s64 %rd2, %in0, %rd1;
`
	// 16 bytes for each of 32 threads, of the first 512 bytes of memory.
	copied = `	mov.u32 %r1, tile;
	shl.b32 %r2, %r0, 4;
	add.s32 %r3, %r1, %r2;
	cvt.u64.u32 %rd1, %r2;
	add.s64 %rd2, %in0, %rd1;
	cp.async.cg.shared.global [%r3], [%rd2], 16;
	cp.async.commit_group;
`
)

var faultyKernels = []faultyKernel{
	{"own word", tile, places + "st.shared.u32 [%r2], %r0;\nld.shared.u32 %r9, [%r2];\n", "", 64, 0},
	{"neighbour after the warp's barrier", tile,
		places + "st.shared.u32 [%r2], %r0;\nbar.warp.sync -1;\nld.shared.u32 %r9, [%r3];\n", "", 64, 0},
	{"neighbour without a barrier", tile, places + "st.shared.u32 [%r2], %r0;\nld.shared.u32 %r9, [%r3];\n", "race: read", 64, 0},
	{"neighbour after a shuffle, which orders nothing", tile,
		places + "st.shared.u32 [%r2], %r0;\nshfl.sync.bfly.b32 %r8|%p1, %r0, 1, 31, -1;\nld.shared.u32 %r9, [%r3];\n", "race: read", 64, 0},
	{"other warp after the block's barrier", tile,
		places + "st.shared.u32 [%r2], %r0;\nbar.sync 0;\nld.shared.u32 %r9, [%r4];\n", "", 64, 0},
	{"other warp after its own warp's barrier", tile,
		places + "st.shared.u32 [%r2], %r0;\nbar.warp.sync -1;\nsetp.lt.u32 %p1, %r0, 32;\n@%p1 ret;\nld.shared.u32 %r9, [%r4];\n",
		"race: read", 64, 0},
	{"write after another warp's read", tile,
		places + "st.shared.u32 [%r2], %r0;\nbar.sync 0;\nld.shared.u32 %r9, [%r4];\nst.shared.u32 [%r2], %r9;\n", "race: ", 64, 0},
	{"write after another lane's read", tile,
		places + "st.shared.u32 [%r2], %r0;\nbar.sync 0;\nld.shared.u32 %r9, [%r3];\nst.shared.u32 [%r2], %r9;\n", "race: write", 64, 0},
	{"write after another warp's read and a barrier", tile,
		places + "st.shared.u32 [%r2], %r0;\nbar.sync 0;\nld.shared.u32 %r9, [%r4];\nbar.sync 0;\nst.shared.u32 [%r2], %r9;\n", "", 64, 0},
	{"two lanes write one word", tile, places + "st.shared.u32 [tile], %r0;\n", "race: write", 2, 0},
	{"halves of one word", tile,
		places + "shr.u32 %r5, %r2, 1;\ncvt.u16.u32 %rs1, %r0;\nst.shared.u16 [%r5], %rs1;\n", "", 64, 0},
	{"never written", tile, places + "ld.shared.u32 %r9, [%r2];\n", "has not written", 1, 0},
	{"end of shared memory", tile, places + "st.shared.u32 [%r2+1024], %r0;\n", "are not in the 1024 bytes of shared memory", 1, 0},
	{"misaligned in shared memory", tile,
		places + "mov.f32 %f1, 0f3F800000;\nst.shared.v2.f32 [%r2+4], {%f1, %f1};\n", "not aligned to 8 bytes", 1, 0},
	{"end of global memory", "", "ld.global.u32 %r9, [%in0+512];\n", "is in no allocation", 1, 0},
	{"across the end of global memory", "", "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%in0+500];\n", "not aligned to 16 bytes", 1, 0},
	{"before global memory", "", "st.global.u8 [%in0+-1], %r0;\n", "is in no allocation", 1, 0},
	{"last word of global memory", "", "ld.global.u32 %r9, [%in0+508];\n", "", 1, 0},
	{"misaligned in global memory", "", "ld.global.v2.f32 {%f1, %f2}, [%in0+4];\n", "not aligned to 8 bytes", 1, 0},
	{"copy that is waited for", tile, copied + "cp.async.wait_group 0;\nld.shared.u32 %r9, [%r3];\n", "", 32, 0},
	{"copy that is not waited for", tile, copied + "ld.shared.u32 %r9, [%r3];\n", "may not have brought yet", 32, 0},
	{"copy that one group too few is waited for", tile, copied + "cp.async.wait_group 1;\nld.shared.u32 %r9, [%r3];\n",
		"may not have brought yet", 32, 0},
	{"copy of the group before the last", tile,
		copied + "cp.async.commit_group;\ncp.async.wait_group 1;\nld.shared.u32 %r9, [%r3];\n", "", 32, 0},
	{"copy that is not in a group", tile, strings.Replace(copied, "cp.async.commit_group;", "", 1) +
		"cp.async.wait_group 0;\nld.shared.u32 %r9, [%r3];\n", "may not have brought yet", 32, 0},
	{"another thread's copy without a barrier", tile,
		copied + "cp.async.wait_group 0;\nxor.b32 %r4, %r3, 16;\nld.shared.u32 %r9, [%r4];\n", "race: read", 32, 0},
	{"another thread's copy after a barrier", tile,
		copied + "cp.async.wait_group 0;\nbar.sync 0;\nxor.b32 %r4, %r3, 16;\nld.shared.u32 %r9, [%r4];\n", "", 32, 0},
	{"write into a copy under way", tile, copied + "st.shared.u32 [%r3], %r0;\n", "may not have brought yet", 32, 0},
	{"copy over what another thread reads", tile,
		places + "st.shared.u32 [%r2], %r0;\nbar.sync 0;\nld.shared.u32 %r9, [%r2];\n" + copied, "race: write", 32, 0},
	{"copy of more than 16 bytes", tile,
		"mov.u32 %r1, tile;\nmov.u32 %r2, 17;\ncp.async.cg.shared.global [%r1], [%in0], 16, %r2;\n", "17 bytes, where 16 are the most", 1, 0},
	{"barrier that half a warp does", "", "setp.lt.u32 %p1, %r0, 16;\n@%p1 bra $a;\nbar.sync 0;\nbra $b;\n$a:\nbar.warp.sync -1;\n$b:\n",
		"deadlock", 32, 0},
	{"barrier that the other lanes have ended before", "", "setp.lt.u32 %p1, %r0, 16;\n@%p1 ret;\nbar.sync 0;\n", "", 64, 0},
	{"barriers in two branches", "", "setp.lt.u32 %p1, %r0, 16;\n@%p1 bra $a;\nbar.sync 0;\nbra $b;\n$a:\nbar.sync 0;\n$b:\n", "deadlock", 32, 0},
	{"shuffle that half a warp does", "",
		"setp.lt.u32 %p1, %r0, 16;\n@%p1 bra $a;\nshfl.sync.bfly.b32 %r8|%p2, %r0, 1, 31, -1;\nbra $b;\n$a:\nbar.sync 0;\n$b:\n", "deadlock", 32, 0},
	{"shuffle of half a warp", "",
		"setp.lt.u32 %p1, %r0, 16;\n@%p1 bra $a;\nshfl.sync.bfly.b32 %r8|%p2, %r0, 1, 31, 0xffff0000;\n$a:\n", "", 32, 0},
	{"shuffle whose mask leaves the lane out", "", "shfl.sync.bfly.b32 %r8|%p2, %r0, 1, 31, 1;\n", "does not name the lane itself", 2, 0},
	{"shuffle from a lane that has ended", "",
		"setp.lt.u32 %p1, %r0, 16;\n@%p1 ret;\nshfl.sync.bfly.b32 %r8|%p2, %r0, 16, 31, -1;\n", "does not take part", 32, 0},
	{"matrix that half a warp loads", tile,
		"setp.lt.u32 %p1, %r0, 16;\n@%p1 ret;\nmov.u32 %r1, tile;\n" +
			"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r2, %r3, %r4, %r5}, [%r1];\n", "lanes that have ended", 32, 0},
	{"blocks write words of their own", "", ownWord + "st.global.u32 [%rd2], %r0;\nld.global.u32 %r9, [%rd2];\n", "", 32, 4},
	{"blocks write one word", "", "st.global.u32 [%in0], %r0;\n", "race: write of bytes", 1, 2},
	{"blocks write one word, volatile", "", "st.volatile.global.u32 [%in0], %r0;\n", "", 1, 2},
	{"a block writes what another has read", "", ownWord + "ld.global.u32 %r9, [%in0+64];\nst.global.u32 [%rd2], %r0;\n",
		"race: ", 32, 2},
	{"blocks read one word", "", "ld.global.u32 %r9, [%in0];\n", "", 32, 4},
	{"neighbour's word of global memory", "",
		ownWord + "st.global.u32 [%rd2], %r0;\nxor.b32 %r5, %r1, 1;\nmul.wide.u32 %rd3, %r5, 4;\nadd.s64 %rd3, %rd3, %in0;\n" +
			"ld.global.u32 %r9, [%rd3];\n", "race: read", 32, 1},
	{"neighbour's word of global memory after a barrier", "",
		ownWord + "st.global.u32 [%rd2], %r0;\nbar.sync 0;\nxor.b32 %r5, %r1, 1;\nmul.wide.u32 %rd3, %r5, 4;\nadd.s64 %rd3, %rd3, %in0;\n" +
			"ld.global.u32 %r9, [%rd3];\n", "", 32, 1},
	{"division by zero", "", "sub.s32 %r1, %r0, 1;\ndiv.s32 %r2, %r0, %r1;\n", "division by zero", 2, 0},
	{"parameters' end", "", "mov.b64 %rd1, k_param_0;\nld.param.u32 %r1, [%rd1+8];\n", "are not in the 8 bytes of parameters", 1, 0},
	{"instruction that is not known", "", "sin.approx.f32 %f1, %f2;\n", "an instruction that is not known", 1, 0},
	{"space that is not known", "", "ld.local.u32 %r1, [%rd1];\n", "an access that is not known", 1, 0},
	{"widths that do not fit", "", "add.s32 %r1, %rd1, %r2;\n", "another width", 1, 0},
	{"label that is nowhere", "", "bra $c;\n", "a label that is nowhere", 1, 0},
	{"more threads than allowed", "", "", "at most 1024 are allowed", 1025, 0},
}

// faultyVariable has the number of the kernel that a second program runs.
const faultyVariable = "RPG_TEST_PTX_FAULT"

// Each fault ends the process and is told with its place; and what is right, but
// only just, goes through.
func TestInterpreterFaults(t *testing.T) {
	in := openInterpreter(t)
	if name := os.Getenv(faultyVariable); name != "" {
		for _, f := range faultyKernels {
			if f.name == name {
				in.launch(t, kernel(f.before, 1, f.body), launched{grid: max(f.grid, 1), block: f.block, memory: [][]byte{make([]byte, 1024)[:512]}})
			}
		}
		return
	}
	for _, f := range faultyKernels {
		t.Run(f.name, func(t *testing.T) {
			program := exec.Command(os.Args[0], "-test.run=^TestInterpreterFaults$")
			program.Env = append(os.Environ(), faultyVariable+"="+f.name, "RPG_PTX_RACES=1")
			all, err := program.CombinedOutput()
			text, _, _ := strings.Cut(string(all), "SIGABRT") // before what Go tells of itself
			switch {
			case f.says == "" && err != nil:
				t.Errorf("%v\n%s", err, text)
			case f.says != "" && (err == nil || !strings.Contains(text, f.says)):
				t.Errorf("%v, want a message with %q:\n%s", err, f.says, text)
			case f.says != "" && !strings.Contains(text, "test.ptx line ") && f.body != "":
				t.Errorf("the message names no line:\n%s", text)
			}
		})
	}
}
