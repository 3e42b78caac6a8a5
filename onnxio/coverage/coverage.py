"""Reads ONNX files with the onnx package and runs them with ONNX Runtime.

Called by the Go program beside it with a JSON list of files; prints a JSON list
of results. Every file is handled in a process that may die.
"""

import collections
import concurrent.futures
import concurrent.futures.process
import hashlib
import json
import os
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

PACKED = {
    TensorProto.UINT4: 4, TensorProto.INT4: 4, getattr(TensorProto, "FLOAT4E2M1", -1): 4,
    getattr(TensorProto, "UINT2", -2): 2, getattr(TensorProto, "INT2", -3): 2,
}


def canonical(tensor, array):
    """The bytes that onnxio's WriteTensor gives."""
    if tensor.data_type == TensorProto.STRING:
        return b"".join(struct.pack("<q", len(s)) + s for s in tensor.string_data)
    bits = PACKED.get(tensor.data_type)
    if bits is None:
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes() if array.dtype.itemsize > 1 else array.tobytes()
    codes = array.view(np.uint8).ravel() & ((1 << bits) - 1)
    per = 8 // bits
    codes = np.concatenate([codes, np.zeros(-len(codes) % per, np.uint8)]).reshape(-1, per)
    return np.bitwise_or.reduce(codes << (np.arange(per) * bits).astype(np.uint8), axis=1).astype(np.uint8).tobytes()


def tensors_of(message, main=False):
    """(name, tensor) for every TensorProto below a message and the lists of
    Constant nodes; the name is "" but for initializers of the main graph."""
    if isinstance(message, onnx.TensorProto):
        yield (message.name if main else ""), message
        return
    if isinstance(message, onnx.NodeProto) and message.op_type == "Constant" and message.domain in ("", "ai.onnx") and len(message.attribute) == 1 and len(message.output) == 1:
        a = message.attribute[0]
        if a.name.startswith("value_") and not a.ref_attr_name and a.name != "sparse_value":
            value = onnx.helper.get_attribute_value(a)
            kind = {"value_float": TensorProto.FLOAT, "value_int": TensorProto.INT64, "value_string": TensorProto.STRING}[a.name.rstrip("s")]
            dims = [len(value)] if a.name.endswith("s") else []
            values = list(value) if a.name.endswith("s") else [value]
            t = onnx.helper.make_tensor("", kind, dims, values)
            yield "", t
            return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if isinstance(value, collections.abc.Sequence) or hasattr(value, "add") else [value]:
            inside = isinstance(message, onnx.ModelProto) and field.name == "graph" or main and field.name == "initializer"
            yield from tensors_of(part, inside)


def describe(path):
    """The tensors of a file: [name, dtype, shape, sha256, array]."""
    model = onnx.load(path, load_external_data=False)
    out = []
    for name, t in tensors_of(model):
        if uses_external_data(t):
            load_external_data_for_tensor(t, os.path.dirname(path))
            t.data_location = TensorProto.DEFAULT
        array = numpy_helper.to_array(t) if t.data_type != TensorProto.STRING else None
        data = canonical(t, array)
        out.append((name, t.data_type, list(t.dims), hashlib.sha256(data).hexdigest(), array, t))
    return model, out


def scaled(tensor, array):
    """array times 1.001 in float32, rounded to its type, as canonical bytes."""
    small = array.astype(np.float32)
    with np.errstate(over="ignore"):
        new = (small * np.float32(1.001)).astype(np.float32)
    if array.dtype == np.float64:  # an element whose float32 stays keeps all its bits
        wide = np.where(new.view(np.uint32) == small.view(np.uint32), array, new.astype(np.float64))
    else:
        wide = new.astype(array.dtype)
    return hashlib.sha256(canonical(tensor, np.ascontiguousarray(wide))).hexdigest()


def compare(file):
    """(result fields) of reading the file and its changed copy."""
    r = {"read": "", "equal": 0, "unequal": "", "new": 0, "moved": ""}
    try:
        _, seen = describe(file["path"])
    except Exception as e:  # the onnx package refuses the file
        r["read"] = f"{type(e).__name__}: {e}"[:200]
        return r
    if file.get("moved"):
        _, moved = describe(file["moved"])
        r["moved"] = "read" if [x[:4] for x in moved] == [x[:4] for x in seen] else "other values"
    changed = seen
    if file.get("changed"):
        _, changed = describe(file["changed"])
    ours = collections.Counter()
    for t in file["tensors"]:
        new = t["new"] if file.get("changed") else t["old"]
        ours[(t["name"], t["dtype"], tuple(t["shape"]), t["old"], new, t["generate"] and bool(file.get("changed")))] += 1
    for (name, dtype, shape, old, array, tensor), after in zip(seen, changed, strict=True):
        key = (name, dtype, tuple(shape), old, after[3])
        for generate in (True, False):
            if ours[key + (generate,)] > 0:
                ours[key + (generate,)] -= 1
                r["equal"] += 1
                if generate:
                    if scaled(tensor, array) == after[3]:
                        r["new"] += 1
                    else:
                        r["unequal"] = r["unequal"] or f"new values of {tensor.name!r}"
                elif after[3] != old:
                    r["unequal"] = r["unequal"] or f"{tensor.name!r} changed and is copied"
                break
        else:
            r["unequal"] = r["unequal"] or f"{tensor.name!r} {dtype} {shape}"
    left = [k for k, n in ours.items() if n > 0]
    if left and not r["unequal"]:
        r["unequal"] = f"onnxio has a tensor more: {left[0]}"
    return r


def session(path):
    import onnxruntime as ort
    ort.set_default_logger_severity(4)
    o = ort.SessionOptions()
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    o.intra_op_num_threads = 1
    o.inter_op_num_threads = 1
    o.add_session_config_entry("session.disable_prepacking", "1")  # kernels round otherwise for constants
    return ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


TYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16, "tensor(int64)": np.int64,
    "tensor(int32)": np.int32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_,
    "tensor(int16)": np.int16, "tensor(uint16)": np.uint16, "tensor(uint32)": np.uint32, "tensor(uint64)": np.uint64,
}


def feeds_of(s, skip):
    rng = np.random.default_rng(0)
    feeds = {}
    for i in s.get_inputs():
        if i.name in skip:
            continue
        if i.type not in TYPES:
            return None
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in i.shape]
        if np.prod(shape, dtype=np.float64) > 1e8:
            return None
        t = TYPES[i.type]
        if np.issubdtype(t, np.floating):
            feeds[i.name] = rng.random(shape).astype(t)
        else:
            feeds[i.name] = rng.integers(0, 2, shape).astype(t)
    return feeds


def same(a, b):
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and (a.dtype.kind in "OUS" and (a == b).all() or a.tobytes() == b.tobytes())
    return repr(a) == repr(b)


def alike(original, path, skip):
    """Whether another file gives the same outputs: "equal", "" when that cannot be told, or what is wrong."""
    try:
        other = session(path)
    except Exception as e:
        return "does not load: " + str(e)[:300]
    feeds = feeds_of(original, skip)
    if feeds is None:
        return ""
    try:
        want = original.run(None, feeds)
        again = original.run(None, feeds)
    except Exception:
        return ""
    if not all(same(x, y) for x, y in zip(want, again)):
        return ""  # it draws random numbers
    return "equal" if all(same(x, y) for x, y in zip(want, other.run(None, feeds))) else "outputs differ"


def run(file):
    r = {"loads": "", "changed": "", "inputs": ""}
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return r
    try:
        original = session(file["path"])
    except Exception as e:
        r["loads"] = f"{type(e).__name__}"
        return r
    r["loads"] = "yes"
    if file.get("changed"):
        try:
            session(file["changed"])
            r["changed"] = "yes"
        except Exception as e:
            r["changed"] = str(e)[:200]
    if file.get("moved"):
        moved = alike(original, file["moved"], set())
        if moved:
            r["moved"] = moved
    if not file.get("inputs"):
        return r
    try:
        lifted = session(file["inputs"])
    except Exception as e:
        r["inputs"] = "does not load: " + str(e)[:300]
        return r
    r["inputs"] = "loaded"
    feeds = feeds_of(original, set(file["names"] or []))
    if feeds is None:
        return r
    try:
        want = original.run(None, feeds)
        again = original.run(None, feeds)
    except Exception:
        return r
    if not all(same(x, y) for x, y in zip(want, again)):
        return r  # it draws random numbers
    _, seen = describe(file["path"])
    byhash = {(d, tuple(s), h): a for _, d, s, h, a, _ in seen}
    for name, k in zip(file["names"] or [], file["weights"] or []):
        t = file["tensors"][k]
        feeds[name] = byhash[(t["dtype"], tuple(t["shape"]), t["old"])].astype(np.float32)
    try:
        got = lifted.run(None, feeds)
    except Exception as e:
        r["inputs"] = "does not run: " + str(e)[:300]
        return r
    if all(same(x, y) for x, y in zip(want, got)):
        r["inputs"] = "equal"
    elif all(t["dtype"] != 11 or not t["generate"] for t in file["tensors"]) or not close(want, got):
        r["inputs"] = "outputs differ"
    else:
        r["inputs"] = "close"
    return r


def close(want, got):
    return all(np.allclose(x, y, rtol=1e-5, atol=1e-6, equal_nan=True) for x, y in zip(want, got))


def loads(file):
    session(file["path"])


# Seconds that one file may take.
LIMIT = 300


class Worker:
    """A process for one job after another; a new one after one that died or was too slow."""

    def __init__(self):
        self.pool = concurrent.futures.ProcessPoolExecutor(1)

    def do(self, job, file):
        try:
            return self.pool.submit(job, file).result(timeout=LIMIT)
        except (concurrent.futures.process.BrokenProcessPool, concurrent.futures.TimeoutError):
            for process in (self.pool._processes or {}).values():
                process.kill()
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = concurrent.futures.ProcessPoolExecutor(1)
            raise


def examine(worker, file):
    r = {"path": file["path"]}
    if file.get("refused"):
        return r
    try:
        r.update(worker.do(compare, file))
    except Exception as e:
        r["unequal"] = f"compare: {type(e).__name__}: {e}"[:300]
    try:
        r.update(worker.do(run, file))
    except concurrent.futures.TimeoutError:
        r["loads"] = "slow"
    except concurrent.futures.process.BrokenProcessPool:
        r["loads"] = "died"
        try:
            worker.do(loads, file)
            r.update({"loads": "yes", "changed": "ONNX Runtime ends the process with a file that was made of it"})
        except Exception:
            pass  # it is the original that it cannot stand
    except Exception as e:
        r.update({"loads": "yes", "changed": f"run: {type(e).__name__}: {e}"[:300]})
    return r


def main():
    with open(sys.argv[1]) as f:
        files = json.load(f)
    worker = Worker()
    out = [examine(worker, file) for file in files]
    worker.pool.shutdown()
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
