"""Writes small models that have weights in every place and type into a folder.

    python models.py FOLDER

All of them are valid, and ONNX Runtime runs them on the CPU.
"""

import hashlib
import os
import sys

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as n

rng = np.random.default_rng(4)
folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)


def values(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def array(name, a):
    return n.from_array(np.asarray(a), name)


def io(name, *shape, kind=T.FLOAT):
    return h.make_tensor_value_info(name, kind, list(shape))


def save(name, nodes, inits=(), inputs=None, outputs=None, functions=(), sparse=(), opset=21, check=True):
    g = h.make_graph(nodes, "g", inputs or [io("x", 2, 4)], outputs or [io("y", None, None)], initializer=list(inits), sparse_initializer=list(sparse))
    opsets = [h.make_opsetid("", opset)] + [h.make_opsetid(d, 1) for d in sorted({f.domain for f in functions})]
    m = h.make_model(g, opset_imports=opsets, functions=list(functions), ir_version=10)
    path = os.path.join(folder, name + ".onnx")
    if check:
        onnx.checker.check_model(m)
    onnx.save_model(m, path)
    return path


FLOATS = {"float32": (T.FLOAT, np.float32), "float64": (T.DOUBLE, np.float64), "float16": (T.FLOAT16, np.float16), "bfloat16": (T.BFLOAT16, ml_dtypes.bfloat16)}


def typed(name, kind, a):
    """A tensor whose values are in the typed field."""
    if kind in (T.FLOAT16, T.BFLOAT16):
        t = T(name=name, data_type=kind, dims=a.shape)
        t.int32_data.extend(int(v) for v in a.view(np.uint16).ravel())
        return t
    return h.make_tensor(name, kind, a.shape, a.ravel().tolist())


for label, (kind, dtype) in FLOATS.items():
    for form in ("raw", "typed"):
        wide = rng.standard_normal((4, 3)) if kind == T.DOUBLE else values(4, 3)
        w, b = wide.astype(dtype), values(3).astype(dtype)
        make = (lambda k, v: array(k, v)) if form == "raw" else (lambda k, v: typed(k, kind, v))
        nodes = [h.make_node("Cast", ["w"], ["wf"], to=T.FLOAT), h.make_node("Cast", ["b"], ["bf"], to=T.FLOAT), h.make_node("Gemm", ["x", "wf", "bf"], ["y"])]
        save(f"{label}_{form}", nodes, [make("w", w), make("b", b)])

# Constant nodes in all forms.
const = h.make_node
save("constants", [
    const("Constant", [], ["floats"], value_floats=[0.5, 1.5, -2.5, 3.25]),
    const("Constant", [], ["float"], value_float=0.75),
    const("Constant", [], ["ints"], value_ints=[2, 2, 2]),
    const("Constant", [], ["int"], value_int=1),
    const("Constant", [], ["dense"], value=array("", values(4))),
    const("Constant", [], ["half"], value=array("", values(4).astype(np.float16))),
    h.make_node("Add", ["x", "floats"], ["a"]), h.make_node("Mul", ["a", "float"], ["b"]), h.make_node("Mul", ["b", "dense"], ["c"]),
    h.make_node("Cast", ["half"], ["hf"], to=T.FLOAT), h.make_node("Add", ["c", "hf"], ["d"]),
    h.make_node("Reshape", ["d", "ints"], ["e"]), h.make_node("Gather", ["e", "int"], ["y"], axis=0),
])


def sparse(name, dense):
    at = np.flatnonzero(dense)
    return h.make_sparse_tensor(array(name, dense.ravel()[at]), array("", at.astype(np.int64)), dense.shape)


dense = values(4, 3) * (rng.random((4, 3)) < 0.5)
save("sparse_initializer", [h.make_node("MatMul", ["x", "w"], ["y"])], sparse=[sparse("w", dense)], check=False)
save("sparse_constant", [h.make_node("Constant", [], ["w"], sparse_value=sparse("", dense)), h.make_node("MatMul", ["x", "w"], ["y"])], check=False)


def graph(name, nodes, outs, inits=(), ins=()):
    return h.make_graph(nodes, name, list(ins), [io(o, *s) if s else io(o) for o, *s in outs], initializer=list(inits))


# Branches that use one name for two weights, an inner branch, a Constant in a branch, a weight from outside.
inner_then = graph("it", [h.make_node("Mul", ["t1", "w"], ["it_out"])], [("it_out", None, None)], [array("w", values(4))])
inner_else = graph("ie", [h.make_node("Constant", [], ["k"], value=array("", values(4).astype(np.float64))), h.make_node("Cast", ["k"], ["kf"], to=T.FLOAT), h.make_node("Add", ["t1", "kf"], ["ie_out"])], [("ie_out", None, None)])
then = graph("then", [h.make_node("MatMul", ["x", "w"], ["t0"]), h.make_node("Add", ["t0", "shared"], ["t1"]), h.make_node("If", ["c"], ["t2"], then_branch=inner_then, else_branch=inner_else)], [("t2", None, None)], [array("w", values(4, 4))])
other = graph("else", [h.make_node("MatMul", ["x", "w"], ["e0"]), h.make_node("Mul", ["e0", "shared"], ["e1"])], [("e1", None, None)], [array("w", values(4, 4).astype(np.float32))])
save("branches", [h.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)], [array("shared", values(4))], [io("x", 2, 4), io("c", 1, kind=T.BOOL)])

body = graph("body", [h.make_node("Identity", ["cond"], ["cond_out"]), h.make_node("MatMul", ["s", "lw"], ["m"]), h.make_node("Tanh", ["m"], ["s_out"])],
             [("cond_out",), ("s_out", 2, 4)], [array("lw", values(4, 4))], [io("i", kind=T.INT64), io("cond", kind=T.BOOL), io("s", 2, 4)])
body.output[0].type.tensor_type.elem_type = T.BOOL
save("loop", [h.make_node("Loop", ["n", "", "x"], ["y"], body=body)], [array("n", np.int64(3))])
step = graph("step", [h.make_node("Add", ["state", "row"], ["s1"]), h.make_node("Mul", ["s1", "sw"], ["s2"]), h.make_node("Identity", ["s2"], ["o"])],
             [("s2", 4), ("o", 4)], [array("sw", values(4))], [io("state", 4), io("row", 4)])
save("scan", [h.make_node("Scan", ["h0", "x"], ["last", "y"], body=step, num_scan_inputs=1)], [array("h0", values(4))])

# Local functions: a weight inside, weights given to it, one function calling another, two calls.
fc = h.make_function("f", "Dense", ["a", "w", "b"], ["r"], [h.make_node("Transpose", ["w"], ["t"], perm=[1, 0]), h.make_node("Gemm", ["a", "t", "b"], ["r"])], [h.make_opsetid("", 21)])
block = h.make_function("f", "Block", ["a", "w", "b"], ["r"],
                        [h.make_node("Constant", [], ["k"], value=array("", values(4))), h.make_node("Dense", ["a", "w", "b"], ["d"], domain="f"), h.make_node("Mul", ["d", "k"], ["r"])],
                        [h.make_opsetid("", 21), h.make_opsetid("f", 1)])
save("functions", [h.make_node("Block", ["x", "w1", "b1"], ["h"], domain="f"), h.make_node("Dense", ["h", "w2", "b2"], ["y"], domain="f")],
     [array("w2", values(3, 4)), array("b2", values(3)), array("w1", values(4, 4)), array("b1", values(4))], functions=[fc, block])
save("functions_given", [h.make_node("Dense", ["x", "w1", "b1"], ["h"], domain="f"), h.make_node("Dense", ["h", "w2", "b2"], ["y"], domain="f")],
     [array("w2", values(3, 4)), array("b2", values(3)), array("w1", values(4, 4)), array("b1", values(4))], functions=[fc])

# Quantized weights.
q = rng.integers(-127, 127, (4, 3)).astype(np.int8)
dq = h.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1)
save("qdq_int8", [dq, h.make_node("MatMul", ["x", "w"], ["y"])], [array("q", q), array("s", np.full(3, 0.01, np.float32)), array("z", np.zeros(3, np.int8))])
for label, kind in (("int4", T.INT4), ("uint4", T.UINT4), ("float8e4m3fn", T.FLOAT8E4M3FN), ("float8e5m2", T.FLOAT8E5M2)):
    t = h.make_tensor("q", kind, [4, 3], [float(v) if "float" in label else int(v) for v in rng.integers(0, 7, 12)])
    save("qdq_" + label, [h.make_node("DequantizeLinear", ["q", "s"], ["w"]), h.make_node("MatMul", ["x", "w"], ["y"])], [t, array("s", np.float32(0.5))])
save("qat", [h.make_node("QuantizeLinear", ["f", "s", "z"], ["q"]), h.make_node("DequantizeLinear", ["q", "s", "z"], ["w"]), h.make_node("MatMul", ["x", "w"], ["y"])],
     [array("f", values(4, 3)), array("s", np.float32(0.03)), array("z", np.int8(0))])
save("matmul_integer", [h.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]), h.make_node("MatMulInteger", ["xq", "q", "xz"], ["yi"]), h.make_node("Cast", ["yi"], ["y"], to=T.FLOAT)], [array("q", q)])

# One initializer used twice, one that is an input too, empty and scalar ones, one through Split.
save("shared", [h.make_node("MatMul", ["x", "w"], ["a"]), h.make_node("MatMul", ["a", "w"], ["b"]), h.make_node("Add", ["b", "scalar"], ["c"]), h.make_node("Concat", ["c", "empty"], ["y"], axis=0)],
     [array("w", values(4, 4)), array("scalar", np.float32(2)), array("empty", np.zeros((0, 4), np.float32))])
save("input_too", [h.make_node("Gemm", ["x", "w", "b"], ["y"])], [array("w", values(4, 3)), array("b", values(3).astype(np.float32))], [io("x", 2, 4), io("w", 4, 3), io("b", 3)])
save("split", [h.make_node("Split", ["w"], ["w1", "w2"], axis=1, num_outputs=2), h.make_node("MatMul", ["x", "w1"], ["a"]), h.make_node("MatMul", ["x", "w2"], ["b"]), h.make_node("Add", ["a", "b"], ["y"])], [array("w", values(4, 6))])
save("lstm", [h.make_node("Unsqueeze", ["x", "axes"], ["x3"]), h.make_node("Concat", ["wi", "wo"], ["wc"], axis=0), h.make_node("Unsqueeze", ["wc", "axes"], ["W"]),
              h.make_node("LSTM", ["x3", "W", "R", "B"], ["", "hn"], hidden_size=2), h.make_node("Squeeze", ["hn", "axes"], ["y"])],
     [array("axes", np.array([0], np.int64)), array("wi", values(4, 4)), array("wo", values(4, 4)), array("R", values(1, 8, 2)), array("B", values(1, 16))])
save("strings", [h.make_node("Constant", [], ["s"], value_strings=["a", "bc"]), h.make_node("Constant", [], ["one"], value_string="d"), h.make_node("StringConcat", ["s", "one"], ["y"]), h.make_node("Add", ["x", "w"], ["z"])],
     [array("w", values(4))], outputs=[io("y", 2, kind=T.STRING), io("z", 2, 4)])


# Side files: two tensors in one; without length; with checksum; one file for each; a branch's weight.
def external(name, tensors, nodes, side=lambda t: "weights.bin", keys=("offset", "length"), gap=0, **more):
    sides, refs = {}, []
    for label, a in tensors.items():
        t = array(label, a)
        raw, file = t.raw_data, name + "." + side(label)
        data = sides.setdefault(file, bytearray())
        data.extend(b"\xee" * gap)
        t.ClearField("raw_data")
        t.data_location = T.EXTERNAL
        entries = {"location": file, "offset": str(len(data)), "length": str(len(raw)), "checksum": hashlib.sha1(raw).hexdigest()}
        for k in ("location",) + keys:
            t.external_data.add(key=k, value=entries[k])
        data.extend(raw)
        refs.append(t)
    for file, data in sides.items():
        with open(os.path.join(folder, file), "wb") as f:
            f.write(data)
    save(name, nodes, refs, check=False, **more)


dense_layer = [h.make_node("Gemm", ["x", "w", "b"], ["y"])]
external("external", {"w": values(4, 3), "b": values(3)}, dense_layer)
external("external_gap", {"w": values(4, 3), "b": values(3)}, dense_layer, gap=8)
external("external_checksum", {"w": values(4, 3), "b": values(3)}, dense_layer, keys=("checksum", "length", "offset"))
external("external_whole", {"w": values(4, 3), "b": values(3)}, dense_layer, side=lambda t: t, keys=())
external("external_types", {"w": values(4, 3).astype(np.float16), "b": values(3).astype(np.float64)},
         [h.make_node("Cast", ["w"], ["wf"], to=T.FLOAT), h.make_node("Cast", ["b"], ["bf"], to=T.FLOAT), h.make_node("Gemm", ["x", "wf", "bf"], ["y"])])
