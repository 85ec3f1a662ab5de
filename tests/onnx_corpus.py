#!/usr/bin/env python3
"""Makes graphs of one operator or a few, and what ONNX Runtime gives for them: what `tests/onnx.rs` holds the embedded back-end against.

    onnx_corpus.py OUT_DIR [--every N] [--only OPERATOR ...] [--seed N]

Every operator that rten 0.27 claims is here, with the attributes, opsets, shapes and kinds of numbers that exports use. `--every N`
takes each N-th graph; which ones does not depend on the others. A graph that ONNX Runtime refuses is left out, and counted.

What ONNX leaves open is left out: casts out of a type's range, sums beyond 32 bits, what becomes of NaN in Relu, Clip and reductions,
the order of TopK where it isn't sorted, the mean of nothing. ONNX Runtime runs without its own optimizations.

OUT_DIR/NAME.onnx    the graph; what goes in is f32 or i64 (other types are cast within), what comes out is f32 or an integer
OUT_DIR/cases.jsonl  a line a graph: name, operator, opset, inputs, outputs as lists, how far apart outputs may be

Needs onnx, numpy and onnxruntime, as in tests/requirements.txt.
"""
import argparse, base64, itertools, json, os, zlib
import numpy as np, onnx
import onnxruntime as ort
from onnx import TensorProto as T, helper as h, numpy_helper as nh

F, I = np.float32, np.int64
TYPES = {np.dtype(np.float32): T.FLOAT, np.dtype(np.float16): T.FLOAT16, np.dtype(np.float64): T.DOUBLE,
         np.dtype(np.int64): T.INT64, np.dtype(np.int32): T.INT32, np.dtype(np.int8): T.INT8,
         np.dtype(np.uint8): T.UINT8, np.dtype(np.bool_): T.BOOL}


class Const:
    """An input that is a weight of the graph."""
    def __init__(self, value):
        self.value = np.asarray(value)


def floats(rng, *shape, low=-2.0, high=2.0):
    return rng.uniform(low, high, shape).astype(F)


class Corpus:
    def __init__(self, out, every, only, seed):
        self.out, self.every, self.only, self.seed = out, every, only, seed
        self.lines, self.made, self.refused, self.seen = [], 0, {}, 0
        self.names = set()
        os.makedirs(out, exist_ok=True)

    def rng(self, *key):
        return np.random.default_rng(zlib.crc32(repr((self.seed, *key)).encode()))

    def one(self, op, inputs, attrs=None, opset=17, outs=1, note="", loose=None, ins=None, dynamic=None):
        """A graph of one node. `inputs`: arrays (fed), Const (weights), None (left out)."""
        names, init, feeds, pre, infos = [], [], {}, [], []
        for at, value in enumerate(inputs):
            name = f"x{at}"
            if value is None:
                names.append("")
            elif isinstance(value, Const):
                init.append(nh.from_array(value.value, name))
                names.append(name)
            else:
                names.append(self.feed(name, np.asarray(value), feeds, infos, pre, dynamic))
        while names and names[-1] == "":
            names.pop()
        nodes = [h.make_node(op, names, [f"y{at}" for at in range(outs)], **(attrs or {}))]
        key = f"{op} opset={opset} {attrs or ''} {note}"
        self.graph(op, pre + nodes, feeds, infos, init, [f"y{at}" for at in range(outs)], opset, key, loose)

    def feed(self, name, value, feeds, infos, pre, dynamic=None):
        """A graph input of this value, cast within where it is no f32 and no i64."""
        kind = value.dtype
        if kind == np.float32 or kind == np.int64:
            feeds[name] = value
            infos.append((name, kind, value.shape, dynamic))
            return name
        if kind == np.int32:
            feeds[name] = value.astype(I)
            infos.append((name, np.dtype(np.int32), value.shape, dynamic))
            return name
        if kind == np.bool_:
            feeds[name] = value.astype(F)
            infos.append((name, np.dtype(F), value.shape, dynamic))
            pre.append(h.make_node("Greater", [name, "a_half"], [name + "_b"]))
            pre.append("a_half")
            return name + "_b"
        feeds[name] = value.astype(F)
        infos.append((name, np.dtype(F), value.shape, dynamic))
        pre.append(h.make_node("Cast", [name], [name + "_c"], to=TYPES[kind]))
        return name + "_c"

    def graph(self, op, nodes, feeds, infos, init, outputs, opset, key, loose=None):
        """Runs a graph in ONNX Runtime, and writes it down with what it gave."""
        if self.only and op not in self.only:
            return
        while key in self.names:
            key += "'"
        self.names.add(key)
        if zlib.crc32(key.encode()) % self.every:
            return
        self.seen += 1
        init = list(init)
        if "a_half" in nodes:
            init.append(nh.from_array(np.array(0.5, F), "a_half"))
        nodes = [node for node in nodes if not isinstance(node, str)]
        rng = self.rng("axes", key)
        def axes(at, shape, dynamic):
            free = rng.random() < 0.5 if dynamic is None else dynamic
            return [f"d{at}_{axis}" if free else n for axis, n in enumerate(shape)]
        ins = [h.make_tensor_value_info(n, TYPES[np.dtype(k)], axes(at, s, d)) for at, (n, k, s, d) in enumerate(infos)]
        imports = [h.make_opsetid("", opset)]
        # What comes out: found by asking, then cast to what is read.
        def model(nodes, outs):
            graph = h.make_graph(nodes, "case", ins, outs, init)
            return h.make_model(graph, opset_imports=imports, ir_version=8 if opset < 21 else 10)
        try:
            bare = model(nodes, [onnx.ValueInfoProto(name=name) for name in outputs])
            options = ort.SessionOptions()
            options.log_severity_level = 4
            options.intra_op_num_threads = 1
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            session = ort.InferenceSession(bare.SerializeToString(), options, providers=["CPUExecutionProvider"])
            given = {i.name: feeds[i.name].astype(np.int32) if i.type == "tensor(int32)" else feeds[i.name] for i in session.get_inputs()}
            session.run(None, given)
            outs = []
            for output in session.get_outputs():
                kind = output.type
                if not kind.startswith("tensor("):
                    raise ValueError(f"an output of {kind}")
                kind = kind[7:-1]
                if kind in ("float", "float16", "int64", "int32", "uint8", "bool"):
                    names = {"float": T.FLOAT, "float16": T.FLOAT16, "int64": T.INT64, "int32": T.INT32, "uint8": T.UINT8, "bool": T.BOOL}
                    outs.append(h.make_tensor_value_info(output.name, names[kind], None))
                else:
                    to = {"double": T.FLOAT, "int8": T.INT32}[kind]
                    nodes = nodes + [h.make_node("Cast", [output.name], [output.name + "_c"], to=to)]
                    outs.append(h.make_tensor_value_info(output.name + "_c", to, None))
            whole = model(nodes, outs)
            session = ort.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
            found = session.run(None, given)
        except Exception as error:
            self.refused.setdefault(op, []).append(f"{key}: {str(error)[:160]}")
            return
        name = f"{self.made:05}"
        self.made += 1
        with open(os.path.join(self.out, name + ".onnx"), "wb") as file:
            file.write(whole.SerializeToString())
        def listed(value):
            value = np.asarray(value)
            if value.dtype.kind == "f":
                data = [float(x) if np.isfinite(x) else str(x) for x in value.astype(np.float64).ravel()]
            else:
                data = [int(x) for x in value.ravel()]
            return {"shape": list(value.shape), "float": bool(value.dtype.kind == "f"), "data": data}
        half = any(np.asarray(v).dtype == np.float16 for v in found)
        self.lines.append(json.dumps({
            "name": name, "operator": op, "case": key, "loose": loose or (2e-2 if half else 1e-4), "levels": 1 if op == "DynamicQuantizeLinear" else 0,
            "inputs": [{"name": n, **listed(feeds[n])} for n, *_ in infos if n in given],
            "outputs": [{"name": o.name, **listed(v)} for o, v in zip(session.get_outputs(), found)],
        }))

    def write(self):
        with open(os.path.join(self.out, "cases.jsonl"), "w") as file:
            file.write("\n".join(self.lines) + "\n")


def unary(c):
    special = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30, 88.0, -88.0, 100.0, -100.0, 20.0], F)
    within = {"Acos": (-1, 1), "Asin": (-1, 1), "Atanh": (-0.99, 0.99), "Acosh": (1, 5), "Log": (0.01, 5), "Sqrt": (0, 9)}
    ops = {"Abs": 13, "Acos": 7, "Acosh": 9, "Asin": 7, "Asinh": 9, "Atan": 7, "Atanh": 9, "Ceil": 13, "Cos": 7, "Cosh": 9, "Erf": 13,
           "Exp": 13, "Floor": 13, "IsNaN": 13, "IsInf": 10, "Log": 13, "Neg": 13, "Reciprocal": 13, "Relu": 14, "Round": 11,
           "Sigmoid": 13, "Sign": 13, "Sin": 7, "Sinh": 9, "Softplus": 1, "Softsign": 1, "Sqrt": 13, "Tan": 7, "Tanh": 13,
           "Identity": 16, "HardSwish": 14, "Gelu": 20, "Elu": 6, "LeakyRelu": 16, "HardSigmoid": 6, "Swish": 24, "Selu": 6, "ThresholdedRelu": 10, "Celu": 12, "Mish": 18}
    for op, first in ops.items():
        for opset in (11, 13, 17, 20, 22, 24):
            if opset < first:
                continue
            rng = c.rng(op, opset)
            low, high = within.get(op, (-3, 3))
            for shape in [(), (1,), (0,), (2, 3), (2, 3, 4, 5), (33,)]:
                c.one(op, [floats(rng, *shape, low=low, high=high)], opset=opset, note=f"{shape}")
            c.one(op, [special[np.isfinite(special)] if op == "Relu" else special], opset=opset, note="special")
    for opset in (13, 17, 20):
        for op in ("Abs", "Neg", "Sign", "Relu", "Identity"):
            for kind in (np.int32, I, np.int8, np.uint8):
                if kind == np.uint8 and op == "Neg":
                    continue
                c.one(op, [np.array([-7, -1, 0, 3, 100]).astype(kind)], opset=opset, note=kind.__name__)
        c.one("Identity", [np.array([True, False])], opset=opset, note="bool")
        c.one("Not", [np.array([[True, False, True]])], opset=opset)
    x = floats(c.rng("attrs"), 3, 7, low=-4, high=4)
    for alpha in (0.0, 0.3, 2.0, -0.5):
        for op in ("Elu", "LeakyRelu", "Swish", "ThresholdedRelu", "Celu"):
            c.one(op, [x], {"alpha": alpha}, opset=24 if op == "Swish" else 17)
        c.one("HardSigmoid", [x], {"alpha": alpha, "beta": 0.4})
    for kind in ("none", "tanh"):
        c.one("Gelu", [x], {"approximate": kind}, opset=20)
    for positive, negative in itertools.product((0, 1), (0, 1)):
        c.one("IsInf", [special], {"detect_positive": positive, "detect_negative": negative})
    for op in ("Relu", "Sigmoid", "Exp", "Sqrt", "Tanh", "Identity", "Abs"):
        c.one(op, [np.abs(x).astype(np.float16)], note="half")
        c.one(op, [np.abs(x).astype(np.float64)], note="double")


def binary(c):
    shapes = [((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (3, 4)), ((3, 1), (1, 4)), ((2, 1, 4), (3, 1)), ((), (3,)), ((3,), ()), ((), ()), ((0, 3), (3,)), ((2, 3, 4, 5), (1, 3, 1, 1)), ((1,), (2, 2))]
    for op in ("Add", "Sub", "Mul", "Div", "Pow", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "PRelu"):
        for opset in (11, 13, 17, 22):
            if opset < 12 and op.endswith("OrEqual"):
                continue
            for at, (a, b) in enumerate(shapes):
                rng = c.rng(op, opset, at)
                left, right = floats(rng, *a), floats(rng, *b)
                if op == "Pow":
                    left = np.abs(left)
                if "E" in op or "Less" in op or "Greater" in op:
                    left, right = np.round(left), np.round(right)
                if op == "PRelu" and np.broadcast_shapes(a, b) != a:
                    continue
                c.one(op, [left, right], opset=opset, note=f"{a} {b}")
                if at < 5:
                    c.one(op, [left, Const(right)], opset=opset, note=f"{a} {b} const")
            for kind in (np.int32, I, np.float64, np.float16, np.int8, np.uint8):
                rng = c.rng(op, kind.__name__)
                a, b = rng.integers(-9, 9, (4, 5)), rng.integers(1, 4, (4, 5)) * (1 if op == "Pow" or kind == np.uint8 else rng.choice([-1, 1], (4, 5)))
                if kind == np.uint8:
                    a = np.abs(a)
                c.one(op, [a.astype(kind), b.astype(kind)], opset=opset, note=kind.__name__)
    for op in ("And", "Or", "Xor", "Equal"):
        for opset in (11, 13, 19):
            rng = c.rng(op)
            for a, b in shapes[:6]:
                c.one(op, [rng.random(a) < 0.5, rng.random(b) < 0.5], opset=opset, note=f"{a} {b}")
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0], F)
    pairs = np.array(list(itertools.product(odd, odd)), F)
    for op in ("Add", "Sub", "Mul", "Div", "Pow", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "PRelu"):
        c.one(op, [pairs[:, 0].copy(), pairs[:, 1].copy()], note="special")
    for fmod in (0, 1):
        for kind in (np.int32, I, F, np.float64):
            a = np.array([-7, -6, -1, 0, 1, 5, 7, 8], kind)
            for by in (3, -3, 4):
                c.one("Mod", [a, np.array([by], kind)], {"fmod": fmod}, opset=13, note=f"{kind.__name__} {by}")
                c.one("Mod", [a * (1.1 if kind in (F, np.float64) else 1), Const(np.array(by, kind))], {"fmod": fmod}, opset=17, note=f"{kind.__name__} {by} const")
    for exponent in (2, 3, 0.5, -1, 0, 1.7):
        c.one("Pow", [floats(c.rng("pow"), 3, 4, low=-3, high=3), Const(np.array(exponent, F))], note=f"{exponent}")
    c.one("Pow", [floats(c.rng("pow"), 3, low=0, high=3), np.array([2], I)], note="int exponent")
    c.one("Pow", [np.array([2, -3, 4], np.int32), np.array([3, 2, 1], np.int32)], note="ints")
    c.one("Pow", [np.array([2, -3, 4], np.int32), np.array([0.5, 2, 1.0], F)], note="int and float")
    c.one("Pow", [np.array([2, -3, 4], I), np.array([-1, 2, 1], I)], note="negative exponent")
    for op in ("Add", "Mul", "Sub"):
        c.one(op, [np.array([200, 255, 3], np.uint8), np.array([100, 255, 5], np.uint8)], note="wrapping uint8", opset=14)
    c.one("Div", [np.array([7, -7, 7, -7], np.int32), np.array([2, 2, -2, -2], np.int32)], note="rounding")
    for op in ("Max", "Min", "Sum", "Mean"):
        for opset in (8, 12, 13, 17):
            for count in (1, 2, 3, 4):
                rng = c.rng(op, count)
                c.one(op, [floats(rng, 2, 3) for _ in range(count)], opset=opset, note=f"{count}")
                c.one(op, [floats(rng, *s) for s in [(2, 3), (3,), (2, 1), ()][:count]], opset=opset, note=f"{count} broadcast")
        for kind in (np.int32, I, np.uint8, np.int8, np.float16):
            c.one(op, [np.array([1, 5, 3]).astype(kind), np.array([4, 2, 3]).astype(kind)], note=kind.__name__)


def choosing(c):
    rng = c.rng("where")
    for opset in (9, 11, 16, 22):
        for a, b, d in [((3, 4),) * 3, ((3, 1), (4,), ()), ((2, 1, 1), (3, 1), (4,)), ((), (2,), (2,))]:
            c.one("Where", [rng.random(a) < 0.5, floats(rng, *b), floats(rng, *d)], opset=opset, note=f"{a} {b} {d}")
        for kind in (np.int32, I, np.uint8, np.float16):
            c.one("Where", [rng.random(5) < 0.5, np.arange(5).astype(kind), np.arange(5)[::-1].astype(kind)], opset=opset, note=kind.__name__)
    x = floats(rng, 3, 5, low=-5, high=5)
    for low, high in [(-1.0, 1.0), (None, 1.0), (-1.0, None), (None, None), (2.0, -2.0)]:
        attrs = {k: v for k, v in (("min", low), ("max", high)) if v is not None}
        c.one("Clip", [x], attrs, opset=10)
        for opset in (11, 12, 13, 17):
            made = lambda v, wrap: None if v is None else wrap(np.array(v, F))
            c.one("Clip", [x, made(low, Const), made(high, Const)], opset=opset, note=f"{low} {high} const")
            c.one("Clip", [x, made(low, np.asarray), made(high, np.asarray)], opset=opset, note=f"{low} {high}")
    for kind in (np.int32, I, np.int8, np.uint8):
        c.one("Clip", [np.arange(-5, 6).astype(kind), Const(np.array(2, kind)), Const(np.array(4, kind))], note=kind.__name__)
    c.one("Clip", [np.array([np.inf, -np.inf, 1], F), Const(np.array(-1, F)), Const(np.array(2, F))], note="special")


def casting(c):
    values = {F: [0.0, 0.4, 0.5, -0.5, 1.0, 1.5, 2.0, -1.0, -2.7, 3.9, 100.0, 127.6],
              np.float16: [0.0, 0.5, 1.0, -2.0, 100.0], np.float64: [0.0, 0.5, -1.5, 1e3],
              np.int32: [0, 1, 2, -1, 100], I: [0, 1, 2, -1, 100], np.uint8: [0, 1, 2, 100], np.int8: [0, 1, 2, -1, 100], np.bool_: [0, 1, 1]}
    for opset in (9, 13, 17, 19, 21):
        for kind, numbers in values.items():
            for to in values:
                if np.dtype(to).kind in "iu":
                    info = np.iinfo(to)
                    numbers = [n for n in values[kind] if info.min <= n <= info.max]
                else:
                    numbers = values[kind]
                c.one("Cast", [np.array(numbers, kind)], {"to": TYPES[np.dtype(to)]}, opset=opset, note=np.dtype(kind).name)
                if opset >= 15:
                    c.one("CastLike", [np.array(numbers, kind), np.array([1], to)], opset=opset, note=f"{np.dtype(kind).name} {np.dtype(to).name}")
    for kind in values:
        # Truth values as numbers again, and what is done with them.
        nodes, feeds, infos = [], {}, []
        name = c.feed("x", np.array(values[kind], kind), feeds, infos, nodes)
        nodes += [h.make_node("Cast", [name], ["b"], to=T.BOOL), h.make_node("Cast", ["b"], ["y"], to=T.FLOAT)]
        c.graph("Cast", nodes, feeds, infos, [], ["y"], 17, f"Cast to bool and back of {np.dtype(kind).name}")


def reducing(c):
    for op in ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"):
        for opset in (11, 13, 17, 18, 20, 22):
            as_input = opset >= (13 if op == "ReduceSum" else 18)
            for shape, axes in [((2, 3, 4), [1]), ((2, 3, 4), [-1]), ((2, 3, 4), [0, 2]), ((2, 3, 4), [-2, -1]), ((2, 3, 4), None), ((5,), [0]), ((2, 3, 4, 5), [2, 3]), ((2, 3, 4), [2, 0]), ((), None)]:
                for keep in (0, 1):
                    rng = c.rng(op, opset, shape)
                    x = floats(rng, *shape, low=0.1, high=2)
                    attrs = {"keepdims": keep}
                    if as_input:
                        given = [x] if axes is None else [x, Const(np.array(axes, I))]
                    else:
                        given = [x]
                        if axes is not None:
                            attrs["axes"] = axes
                    c.one(op, given, attrs, opset, note=f"{shape} {axes}")
            if as_input:
                x = floats(c.rng(op), 2, 3, low=0.1, high=2)
                for noop, keep in itertools.product((0, 1), (0, 1)):
                    attrs = {"noop_with_empty_axes": noop, "keepdims": keep}
                    c.one(op, [x], attrs, opset, note="no axes")
                    c.one(op, [x, Const(np.zeros(0, I))], attrs, opset, note="empty axes")
                    c.one(op, [x, np.zeros(0, I)], attrs, opset, note="empty axes fed")
                c.one(op, [x, np.array([-1], I)], {}, opset, note="axes fed")
            for kind in (np.int32, I, np.float16, np.float64, np.int8, np.uint8):
                x = c.rng(op).integers(1, 5, (2, 3)).astype(kind)
                c.one(op, [x, Const(np.array([1], I))] if as_input else [x], {} if as_input else {"axes": [1]}, opset, note=np.dtype(kind).name)
            if op in ("ReduceMean", "ReduceMax", "ReduceMin"):
                continue
            x = np.zeros((2, 0, 3), F)
            c.one(op, [x, Const(np.array([1], I))] if as_input else [x], {} if as_input else {"axes": [1]}, opset, note="empty")
        x = np.array([[np.inf, 3, 1], [-np.inf, -np.inf, -np.inf], [100, 101, 102]], F)
        c.one(op, [x], {"axes": [1]}, 17 if op != "ReduceSum" else 11, note="special")
    for op in ("ArgMax", "ArgMin"):
        for opset in (11, 12, 13, 17, 22):
            for axis, keep, last in itertools.product((0, 1, -1, None), (0, 1), (None, 0, 1)):
                attrs = {"keepdims": keep}
                if axis is not None:
                    attrs["axis"] = axis
                if last is not None and opset >= 12:
                    attrs["select_last_index"] = last
                x = np.array([[1, 3, 3, 2], [2, 2, 1, 1], [1, 3, 1, 1]], F)
                c.one(op, [x], attrs, opset)
            c.one(op, [np.array([[3, 1, 2], [1, 3, 3]], np.int32)], {"axis": 1}, opset, note="int32")
        c.one(op, [np.zeros((2, 40), F)], {"axis": 1}, note="all the same")
        c.one(op, [np.array([[5, 9, 9, 9, 0, 0]], I)], {"axis": -1, "keepdims": 0}, note="padding")
    for opset in (11, 14, 17):
        for axis, exclusive, reverse in itertools.product((0, 1, -1), (0, 1), (0, 1)):
            x = floats(c.rng("cumsum"), 3, 4)
            c.one("CumSum", [x, Const(np.array(axis, I))], {"exclusive": exclusive, "reverse": reverse}, opset, note=f"{axis}")
        c.one("CumSum", [np.arange(6), Const(np.array([0], np.int32))], {}, opset, note="int64, axis a list")
    for opset in (10, 11, 17, 24):
        for axis, largest, ordered, k in itertools.product((0, -1, 1), (0, 1), (1,), (1, 2, 3)):
            attrs = {"axis": axis}
            if opset >= 11:
                attrs |= {"largest": largest, "sorted": ordered}
            x = np.array([[5, 1, 3, 3], [2, 2, 9, 1], [7, 8, 9, 9]], F)
            c.one("TopK", [x, Const(np.array([k], I))], attrs, opset, outs=2, note=f"k={k}")
        c.one("TopK", [np.array([3, 1, 2, 3], I), Const(np.array([2], I))], {}, opset, outs=2, note="int64")
        c.one("TopK", [np.array([3, np.nan, 2, np.inf], F), Const(np.array([2], I))], {}, opset, outs=2, note="special")
        c.one("TopK", [np.array([3, 1, 2, 3], F), Const(np.array([0], I))], {}, opset, outs=2, note="k=0")


def moving(c):
    rng = c.rng("moving")
    x = floats(rng, 2, 3, 4)
    for opset in (11, 13, 17, 22):
        for axis in (0, 1, 2, -1, -3):
            c.one("Concat", [x, floats(rng, *[n if a != axis % 3 else 2 for a, n in enumerate(x.shape)])], {"axis": axis}, opset)
            c.one("Concat", [x, x, Const(x)], {"axis": axis}, opset, note="three")
            c.one("Concat", [np.zeros([n if a != axis % 3 else 0 for a, n in enumerate(x.shape)], F), x], {"axis": axis}, opset, note="empty")
        for kind in (np.int32, I, np.uint8, np.bool_, np.float16):
            c.one("Concat", [np.arange(3).astype(kind), np.arange(2).astype(kind)], {"axis": 0}, opset, note=np.dtype(kind).name)
        for perm in [None, (2, 0, 1), (0, 2, 1), (1, 0, 2), (0, 1, 2)]:
            c.one("Transpose", [x], {} if perm is None else {"perm": list(perm)}, opset)
        c.one("Transpose", [floats(rng, 2, 3, 4, 5, 2)], {"perm": [4, 2, 0, 1, 3]}, opset)
        for shape, allow in [((6, 4), None), ((0, -1), None), ((-1,), None), ((2, 0, -1), None), ((4, 6), 1), ((24, 1, 1), 0), ((-1, 2, 0), None)]:
            if allow is not None and opset < 14:
                continue
            attrs = {} if allow is None else {"allowzero": allow}
            c.one("Reshape", [x, Const(np.array(shape, I))], attrs, opset, note=f"{shape}")
            c.one("Reshape", [x, np.array(shape, I)], attrs, opset, note=f"{shape} fed")
        if opset >= 14:
            c.one("Reshape", [np.zeros((0, 3), F), Const(np.array([3, 0], I))], {"allowzero": 1}, opset, note="empty")
        for axis in (0, 1, 2, 3, -1, -2, None):
            c.one("Flatten", [x], {} if axis is None else {"axis": axis}, opset)
        y = floats(rng, 1, 3, 1, 4)
        for axes in ([0], [2], [0, 2], [-2], [-4], None):
            if opset < 13:
                c.one("Squeeze", [y], {} if axes is None else {"axes": axes}, opset)
            else:
                c.one("Squeeze", [y] if axes is None else [y, Const(np.array(axes, I))], {}, opset, note=f"{axes}")
        for axes in ([0], [1, 3], [-1], [-1, 0], [3, 1]):
            if opset < 13:
                c.one("Unsqueeze", [x], {"axes": axes}, opset)
            else:
                c.one("Unsqueeze", [x, Const(np.array(axes, I))], {}, opset, note=f"{axes}")
                c.one("Unsqueeze", [x, np.array(axes, I)], {}, opset, note=f"{axes} fed")
        for shape in ((2, 3, 4), (2, 2, 3, 4), (1, 1), (3, 1), (1,), ()):
            c.one("Expand", [floats(rng, 3, 1), Const(np.array((2, 3, 4), I))], {}, opset, note="wider")
            c.one("Expand", [floats(rng, 2, 3, 4), Const(np.array(shape, I))], {}, opset, note=f"{shape}")
        for times in ([1, 2, 3], [2, 1, 1], [0, 1, 1], [1, 1, 1]):
            c.one("Tile", [x, Const(np.array(times, I))], {}, opset, note=f"{times}")
            c.one("Tile", [x, np.array(times, I)], {}, opset, note=f"{times} fed")
        for start, end in [(None, None), (1, None), (None, 2), (-1, None), (0, -1), (1, 9), (-9, 2), (2, 1)]:
            if (start, end) != (None, None) and opset < 15:
                continue
            c.one("Shape", [x], {k: v for k, v in (("start", start), ("end", end)) if v is not None}, opset)
        c.one("Size", [x], {}, opset)
        for starts, ends, axes, steps in [([0], [2], [0], None), ([1], [9], [2], None), ([-2], [2 ** 63 - 1], [-1], None), ([3], [-5], [2], [-1]),
                                          ([2 ** 31 - 1], [-2 ** 63], [1], [-1]), ([0, 1], [2, 3], None, None), ([0, 0, 0], [2, 3, 4], [0, 1, 2], [1, 2, 2]), ([-1], [-9], [1], [-2]),
                                          ([2], [1], [2], None), ([0], [-1], [1], [1]), ([5], [9], [2], None), ([3], [0], [2], [-2]), ([-9], [-1], [2], [1])]:
            given = [Const(np.array(v, I)) if v is not None else None for v in (starts, ends, axes, steps)]
            c.one("Slice", [x, *given], {}, opset, note=f"{starts} {ends} {axes} {steps}")
            if max(abs(n) for n in starts + ends) < 2 ** 31:
                given = [np.array(v, I) if v is not None else None for v in (starts, ends, axes, steps)]
                c.one("Slice", [x, *given], {}, opset, note=f"{starts} {ends} {axes} {steps} fed")
    c.one("Slice", [x], {"starts": [0, 1], "ends": [1, 9], "axes": [0, 2]}, 9)
    c.one("Slice", [x], {"starts": [-1], "ends": [2 ** 63 - 1]}, 9)
    c.one("Transpose", [np.arange(6).reshape(2, 3).astype(np.uint8)], {"perm": [1, 0]})
    for opset in (11, 13, 17, 18):
        for axis, parts in [(0, [1, 1]), (2, [1, 3]), (-1, [2, 2]), (1, [1, 1, 1]), (1, [0, 3]), (2, None)]:
            count = len(parts) if parts else 2
            if parts is None:
                c.one("Split", [x], {"axis": axis, **({"num_outputs": 2} if opset >= 18 else {})}, opset, outs=2)
            elif opset < 13:
                c.one("Split", [x], {"axis": axis, "split": parts}, opset, outs=count)
            else:
                c.one("Split", [x, Const(np.array(parts, I))], {"axis": axis}, opset, outs=count, note=f"{parts}")
    for count, length in itertools.product((1, 2, 3, 4), (4, 5, 7)):
        if (count - 1) * -(-length // count) >= length:
            continue
        c.one("Split", [floats(rng, length, 2)], {"num_outputs": count}, 18, outs=count, note=f"{length}")
    for block, mode, opset in itertools.product((1, 2, 3), ("DCR", "CRD"), (11, 13, 17)):
        c.one("DepthToSpace", [floats(rng, 2, block * block * 2, 3, 2)], {"blocksize": block, "mode": mode}, opset)
        c.one("SpaceToDepth", [floats(rng, 1, 2, 6, 6)], {"blocksize": block}, 13)
    for batch, time, opset in itertools.product((0, 1), (0, 1), (10, 17)):
        if batch != time:
            c.one("ReverseSequence", [floats(rng, 3, 3, 2), Const(np.array([1, 2, 3], I))], {"batch_axis": batch, "time_axis": time}, opset)
    c.one("ReverseSequence", [floats(rng, 4, 3, 2), np.array([1, 4, 2], I)], {}, 10)
    for upper, k, opset in itertools.product((0, 1), (-5, -1, 0, 1, 2, 9, None), (14, 17)):
        for shape in [(3, 4), (2, 3, 3), (4, 2), (2, 0, 3)]:
            c.one("Trilu", [floats(rng, *shape)] + ([] if k is None else [Const(np.array(k, I))]), {"upper": upper}, opset, note=f"{shape} {k}")
    c.one("Trilu", [np.arange(9).reshape(3, 3), Const(np.array(1, I))], {}, 14, note="int64")
    c.one("Trilu", [np.ones((3, 3), np.bool_), Const(np.array(1, I))], {}, 14, note="bool")
    for k, kind, opset in itertools.product((-2, 0, 1, 7), (None, T.FLOAT, T.INT64, T.INT32, T.BOOL), (9, 17)):
        c.one("EyeLike", [floats(rng, 3, 4)], {"k": k, **({} if kind is None else {"dtype": kind})}, opset)
    for shape in ([2, 3], [0], [], [1, 0, 2]):
        for value in (None, np.array([3.5], F), np.array([7], I), np.array([7], np.int32), np.array([True]), np.array([3], np.uint8)):
            attrs = {} if value is None else {"value": nh.from_array(value)}
            for opset in (9, 17, 20):
                c.one("ConstantOfShape", [np.array(shape, I)], attrs, opset, note=f"{shape} {value}")
                c.one("ConstantOfShape", [Const(np.array(shape, I))], attrs, opset, note=f"{shape} {value} const")
    for kind in (F, I, np.int32, np.float64):
        for start, limit, delta in [(0, 5, 1), (5, 0, -2), (3, 3, 1), (0, 5, 2), (10, 4, -3), (5, 1, 1)]:
            for opset in (11, 17):
                c.one("Range", [np.array(v, kind) for v in (start, limit, delta)], {}, opset, note=f"{np.dtype(kind).name} {start} {limit} {delta}")
                c.one("Range", [Const(np.array(v, kind)) for v in (start, limit, delta)], {}, opset, note=f"{np.dtype(kind).name} {start} {limit} {delta} const")
    c.one("Range", [np.array(v, F) for v in (0.1, 1.0, 0.3)], {})
    c.one("Range", [np.array(v, F) for v in (0.0, 1.0, 0.1)], {}, note="tenths")


def indexing(c):
    rng = c.rng("indexing")
    x = floats(rng, 3, 4, 5)
    for opset in (11, 13, 17, 22):
        for axis in (0, 1, 2, -1, None):
            n = x.shape[axis or 0]
            for index in [np.array([0, n - 1, 1]), np.array([[0, 1], [-1, -n]]), np.array(1), np.array(-1), np.zeros((0,), I)]:
                attrs = {} if axis is None else {"axis": axis}
                c.one("Gather", [x, index.astype(I)], attrs, opset, note=f"{index.tolist()}")
                c.one("Gather", [x, Const(index.astype(np.int32))], attrs, opset, note=f"{index.tolist()} const int32")
            if axis is not None:
                shape = [2 if a == axis % 3 else m for a, m in enumerate(x.shape)]
                index = rng.integers(-n, n, shape)
                c.one("GatherElements", [x, index], {"axis": axis}, opset)
                c.one("GatherElements", [x, Const(index.astype(np.int32))], {"axis": axis}, opset, note="const int32")
                c.one("GatherElements", [x, rng.integers(0, n, [1, 2, 2])], {"axis": axis}, opset, note="smaller")
                fresh = np.stack([rng.permutation(n)[:2] for _ in range(60 // n)]).reshape(-1)[:1]
                for reduction in (None, "none", "add", "mul", "min", "max"):
                    if reduction and opset < (16 if reduction in ("none", "add", "mul") else 18):
                        continue
                    shape = [2 if a == axis % 3 else m for a, m in enumerate(x.shape)]
                    index = np.take(rng.permutation(n)[:2], [0, 1]).reshape([2 if a == axis % 3 else 1 for a in range(3)]) * np.ones(shape, I)
                    attrs = {"axis": axis, **({"reduction": reduction} if reduction else {})}
                    c.one("ScatterElements", [x, index, floats(rng, *shape)], attrs, opset, note="one each")
                    c.one("ScatterElements", [x, index - n, floats(rng, *shape)], attrs, opset, note="from the end")
                    if reduction in ("add", "mul", "min", "max"):
                        c.one("ScatterElements", [x, rng.integers(0, n, shape), floats(rng, *shape)], attrs, opset, note="several")
                    c.one("ScatterElements", [np.arange(60).reshape(3, 4, 5), index, rng.integers(-9, 9, shape)], attrs, opset, note="int64")
        for indices in ([[0], [2]], [[0, 1], [2, 3]], [[-1, -1]], [[[0, 1]], [[2, 0]]], [[0, 1, 2], [2, 3, 4]], [1, 2, 3]):
            index = np.array(indices, I)
            c.one("GatherND", [x, index], {}, opset, note=f"{indices}")
            updates = floats(rng, *index.shape[:-1], *x.shape[index.shape[-1]:])
            for reduction in (None, "add", "mul", "min", "max"):
                if reduction and opset < (16 if reduction in ("add", "mul") else 18):
                    continue
                c.one("ScatterND", [x, index, updates], {"reduction": reduction} if reduction else {}, opset, note=f"{indices}")
        if opset >= 12:
            for batch in (1, 2):
                c.one("GatherND", [x, rng.integers(0, 4, (3, 2, 1)) if batch == 1 else rng.integers(0, 5, (3, 4, 1))], {"batch_dims": batch}, opset)
        if opset >= 16:
            for reduction in ("add", "mul"):
                c.one("ScatterND", [x, np.array([[0], [0]], I), floats(rng, 2, 4, 5)], {"reduction": reduction}, opset, note="twice")
    c.one("Scatter", [x, np.array([[[1, 0, 2, 0, 1]]], I), floats(rng, 1, 1, 5)], {"axis": 0}, 9)
    c.one("Scatter", [x, np.array([[[1], [0]]], I), floats(rng, 1, 2, 1)], {"axis": 1}, 10)
    c.one("NonZero", [np.array([[1, 0, 2], [0, 0, 3]], F)], {}, 13)
    c.one("NonZero", [np.array([[True, False], [True, True]])], {}, 13, note="bool")
    c.one("NonZero", [np.array(3.0, F)], {}, 13, note="scalar")
    c.one("NonZero", [np.zeros((2, 2), I)], {}, 9, note="nothing")
    # Numbers of 8 bits, wherever they may go.
    for kind in (np.uint8, np.int8):
        x8 = np.arange(24).reshape(2, 3, 4).astype(kind)
        name = np.dtype(kind).name
        one = lambda op, given, attrs=None, **more: c.one(op, given, attrs, note=f"of {name}", **more)
        k = lambda *v: Const(np.array(v, I))
        one("Transpose", [x8], {"perm": [2, 0, 1]})
        one("Reshape", [x8, k(6, 4)])
        one("Flatten", [x8])
        one("Squeeze", [x8[:1], k(0)])
        one("Unsqueeze", [x8, k(0)])
        one("Concat", [x8, x8], {"axis": 1})
        one("Slice", [x8, k(1), k(3), k(2)])
        one("Gather", [x8, k(1, 0)], {"axis": 1})
        one("GatherElements", [x8, np.zeros((2, 1, 4), I)], {"axis": 1})
        one("GatherND", [x8, np.array([[0, 1], [1, 2]], I)])
        one("Expand", [x8[:1], k(2, 3, 4)])
        one("Tile", [x8, k(1, 2, 1)])
        one("Split", [x8], {"axis": 0}, outs=2)
        one("Pad", [x8, k(0, 0, 1, 0, 0, 2)])
        one("Where", [x8 > 3, x8, x8])
        one("ScatterND", [x8, np.array([[0, 1]], I), x8[:1, 0]])
        one("ScatterElements", [x8, np.zeros((1, 1, 4), I), x8[:1, :1]])
        one("Identity", [x8])
        one("Shape", [x8])
        one("Size", [x8])
        one("Max", [x8, x8]); one("Min", [x8, x8]); one("Equal", [x8, x8]); one("Less", [x8, x8]); one("Add", [x8, x8]); one("Mod", [x8, x8 + 1])
        one("ArgMax", [x8], {"axis": 2}); one("TopK", [x8, k(2)], {}, outs=2)
        one("ReduceMax", [x8], {"axes": [1]}, opset=13); one("Clip", [x8]); one("DepthToSpace", [np.arange(16).reshape(1, 4, 2, 2).astype(kind)], {"blocksize": 2})
        one("OneHot", [x8[0, 0], Const(np.array(4, I)), Const(np.array([0, 1], kind))]); one("Trilu", [x8]); one("NonZero", [x8]); one("CumSum", [x8, k(1)])
        one("Resize", [np.arange(16).reshape(1, 1, 4, 4).astype(kind), None, Const(np.array([1, 1, 2, 2], F))], {"mode": "nearest"})
        one("ReverseSequence", [x8, k(1, 2, 1)], {}); one("MatMul", [x8, x8]); one("GlobalMaxPool", [x8]); one("MaxPool", [x8], {"kernel_shape": [2], "strides": [1]})
    for axis, opset in itertools.product((-1, 0, 1, None, -2), (9, 11, 17)):
        for values in ([0.0, 1.0], [-2.0, 5.0]):
            attrs = {} if axis is None else {"axis": axis}
            c.one("OneHot", [np.array([0, 2, -1, 3, -4, 9], I), Const(np.array(4, I)), Const(np.array(values, F))], attrs, opset, note=f"{values}")
            c.one("OneHot", [np.array([[0, 2], [1, -1]], I), Const(np.array([4], I)), np.array(values, F)], attrs, opset, note=f"{values} 2d")
    c.one("OneHot", [np.array([0, 2], I), Const(np.array(3, I)), Const(np.array([0, 7], I))], {}, 11, note="int64")
    c.one("OneHot", [np.array([0, 2, 1.0], F), Const(np.array(3, F)), Const(np.array([0, 7], F))], {}, 11, note="floats")
    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]]], F)
    scores = np.array([[[0.9, 0.75, 0.6, 0.95, 0.5, 0.3], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]], F)
    for opset, centre, most, iou, score in itertools.product((10, 11, 17), (0, 1), (None, 0, 2, 9), (None, 0.0, 0.5, 1.0), (None, 0.0, 0.4)):
        given = [Const(np.array([v], k)) if v is not None else None for v, k in ((most, I), (iou, F), (score, F))]
        b = boxes if not centre else np.concatenate([(boxes[..., 1::-1] + boxes[..., 3:1:-1]) / 2, np.ones((1, 6, 2), F)], -1)
        c.one("NonMaxSuppression", [b, scores, *given], {"center_point_box": centre}, opset, note=f"{most} {iou} {score}")
    two = np.concatenate([boxes, boxes[:, ::-1]])
    c.one("NonMaxSuppression", [two, np.concatenate([scores, scores]), Const(np.array([3], I)), Const(np.array([0.5], F))], {}, 11, note="two pictures")
    flipped = boxes[..., [2, 3, 0, 1]].copy()
    c.one("NonMaxSuppression", [flipped, scores, Const(np.array([3], I)), Const(np.array([0.5], F))], {}, 11, note="corners turned over")
    ties = np.full((1, 1, 6), 0.5, F)
    c.one("NonMaxSuppression", [boxes, ties, Const(np.array([9], I)), Const(np.array([0.5], F))], {}, 11, note="equal scores")


def padding(c):
    rng = c.rng("pad")
    x = floats(rng, 2, 3, 4)
    for mode, opset in itertools.product(("constant", "reflect", "edge", "wrap"), (11, 13, 17, 18, 19, 21)):
        for pads in ([0, 0, 1, 0, 0, 2], [0, 1, 2, 0, 2, 3], [0, 0, 0, 0, 0, 0], [0, 0, -1, 0, 0, 1], [0, 0, -1, 0, 0, -1], [1, 1, 1, 1, 1, 1], [0, 0, 6, 0, 0, 7]):
            c.one("Pad", [x, Const(np.array(pads, I))], {"mode": mode}, opset, note=f"{pads}")
            c.one("Pad", [x, np.array(pads, I)], {"mode": mode}, opset, note=f"{pads} fed")
        if mode == "constant":
            c.one("Pad", [x, Const(np.array([0, 0, 1, 0, 0, 2], I)), Const(np.array(7.5, F))], {"mode": mode}, opset, note="value")
            c.one("Pad", [np.arange(3), Const(np.array([1, 1], I)), Const(np.array(7, I))], {"mode": mode}, opset, note="int64")
            for kind in (np.int32, np.uint8, np.int8, np.bool_):
                c.one("Pad", [np.ones(3, kind), Const(np.array([1, 1], I))], {"mode": mode}, opset, note=np.dtype(kind).name)
        if opset >= 18:
            c.one("Pad", [x, Const(np.array([1, 2], I)), None, Const(np.array([-1], I))], {"mode": mode}, opset, note="axes")
            c.one("Pad", [x, Const(np.array([1, 0, 2, 1], I)), None, Const(np.array([2, 1], I))], {"mode": mode}, opset, note="two axes")
    c.one("Pad", [x], {"mode": "constant", "pads": [0, 0, 1, 0, 0, 2], "value": 3.0}, 10)
    c.one("Pad", [x], {"mode": "reflect", "pads": [0, 0, 1, 0, 0, 2]}, 9)
    c.one("Pad", [floats(rng, 5), Const(np.array([1, 3], I))], {"mode": "reflect"}, 13, note="one axis")
    c.one("Pad", [floats(rng, 1, 2, 5, 6), Const(np.array([0, 0, 2, 3, 0, 0, 1, 4], I))], {"mode": "reflect"}, 13, note="picture")


def convolving(c):
    for rank in (1, 2, 3):
        sizes = (9, 8, 7)[:rank] if rank < 3 else (5, 6, 4)
        for opset in (11, 17, 22):
            for at, (k, s, p, d, g, auto) in enumerate(itertools.product((1, 2, 3), (1, 2), (0, 1, "odd"), (1, 2), (1, 2, "each"), (None, "SAME_UPPER", "SAME_LOWER", "VALID"))):
                if auto and p:
                    continue
                if rank == 3 and (at % 3 or opset != 17) or rank == 2 and opset != 17 and at % 4:
                    continue
                rng = c.rng("conv", rank, at)
                ins, outs = 4, 4 if g == "each" else 6
                group = ins if g == "each" else g
                attrs = {"kernel_shape": [k] * rank, "strides": [s] * rank, "dilations": [d] * rank, "group": group}
                if auto:
                    attrs["auto_pad"] = auto
                else:
                    attrs["pads"] = [p] * rank * 2 if p != "odd" else [0, 1, 2, 1, 2, 0][:rank] + [1, 2, 0, 2, 1, 1][:rank]
                x = floats(rng, 2, ins, *sizes)
                w = floats(rng, outs, ins // group, *[k] * rank)
                given = [x, Const(w)] + ([Const(floats(rng, outs))] if at % 2 else [])
                c.one("Conv", given, attrs, opset, note=f"{rank}d")
                if at % 5 == 0:
                    c.one("Conv", [x, w] + ([floats(rng, outs)] if at % 2 else []), attrs, opset, note=f"{rank}d fed")
                if opset == 17:
                    w = floats(rng, ins, outs // group if outs % group == 0 else 1, *[k] * rank)
                    c.one("ConvTranspose", [x, Const(w)] + ([Const(floats(rng, w.shape[1] * group))] if at % 2 else []), attrs, opset, note=f"{rank}d")
                    if s == 2:
                        c.one("ConvTranspose", [x, Const(w)], {**attrs, "output_padding": [1] * rank}, opset, note=f"{rank}d")
                        c.one("ConvTranspose", [x, Const(w)], {**{n: v for n, v in attrs.items() if n != "pads"}, "output_shape": [n * 2 for n in sizes]}, opset, note=f"{rank}d")
    rng = c.rng("conv", "odd")
    x, w = floats(rng, 1, 3, 8, 6), floats(rng, 4, 3, 3, 2)
    c.one("Conv", [x, Const(w)], {}, 17, note="nothing said")
    c.one("Conv", [x, Const(w)], {"pads": [1, 0, 1, 1]}, 17, note="pads only")
    c.one("Conv", [x, Const(w)], {"strides": [2, 1]}, 17, note="strides only")
    c.one("Conv", [x, Const(w)], {"kernel_shape": [3, 2], "strides": [2, 3], "dilations": [1, 2], "pads": [1, 2, 0, 1]}, 17, note="all different")
    c.one("Conv", [x.astype(np.float16), Const(w.astype(np.float16))], {"kernel_shape": [3, 2]}, 17, note="half")
    c.one("ConvTranspose", [x, Const(floats(rng, 3, 4, 3, 2))], {}, 17, note="nothing said")
    c.one("ConvTranspose", [x, Const(floats(rng, 3, 4, 3, 2))], {"strides": [2, 1]}, 17, note="strides only")
    for size in ((1, 1), (2, 2), (7, 9)):
        c.one("Conv", [floats(rng, 1, 3, *size), Const(floats(rng, 5, 3, 3, 3))], {"kernel_shape": [3, 3], "pads": [1] * 4}, 17, note=f"{size}")
    for ins, outs in ((32, 32), (64, 16), (33, 17)):
        c.one("Conv", [floats(rng, 1, ins, 11, 13), Const(floats(rng, outs, ins, 3, 3) / 10)], {"kernel_shape": [3, 3], "pads": [1] * 4}, 17, note=f"wide {ins}")
        c.one("Conv", [floats(rng, 1, ins, 11, 13), Const(floats(rng, outs, ins, 1, 1) / 10)], {"kernel_shape": [1, 1]}, 17, note=f"wide 1x1 {ins}")
        c.one("Conv", [floats(rng, 2, ins, 11, 13), Const(floats(rng, ins, 1, 5, 5))], {"kernel_shape": [5, 5], "pads": [2] * 4, "group": ins}, 17, note=f"depthwise {ins}")


def quantised(c):
    for kind, wkind in ((np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8), (np.int8, np.uint8)):
        for at, (rank, k, s, p, d, g, zero, wzero) in enumerate(itertools.product((1, 2), (1, 3), (1, 2), (0, 1, "odd"), (1, 2), (1, 2, 4), (None, 0, 100), (None, 0, 7, "each"))):
            if at % 3 and not (p and zero == 100):
                continue
            rng = c.rng("convinteger", kind.__name__, wkind.__name__, at)
            info, winfo = np.iinfo(kind), np.iinfo(wkind)
            x = rng.integers(info.min, info.max, (1, 4, *(8, 7)[:rank]), endpoint=True).astype(kind)
            w = rng.integers(winfo.min, winfo.max, (4, 4 // g, *[k] * rank), endpoint=True).astype(wkind)
            pads = [p] * rank * 2 if p != "odd" else [0, 1][:rank] + [2, 1][:rank]
            attrs = {"kernel_shape": [k] * rank, "strides": [s] * rank, "dilations": [d] * rank, "group": g, "pads": pads}
            zeros = [None if zero is None else Const(np.array(zero, kind)), None if wzero is None else Const(np.array(wzero if wzero != "each" else [1, 2, 3, 4], wkind))]
            c.one("ConvInteger", [x, Const(w), *zeros], attrs, 17 if at % 2 else 10, note=f"{kind.__name__} {wkind.__name__} {zero} {wzero}")
        for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
            x = c.rng(auto).integers(0, 100, (1, 2, 6, 6)).astype(kind)
            w = c.rng(auto).integers(0, 100, (2, 2, 3, 3)).astype(wkind)
            for zero in (None, 0, 9):
                c.one("ConvInteger", [x, Const(w)] + ([] if zero is None else [Const(np.array(zero, kind))]), {"kernel_shape": [3, 3], "auto_pad": auto}, 17, note=f"{kind.__name__} {wkind.__name__} {zero}")
        for a, b in [((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5)), ((1, 4), (4, 1)), ((2, 2, 3, 4), (2, 1, 4, 5)), ((17, 33), (33, 19))]:
            rng = c.rng("matmulinteger", a, b, kind.__name__, wkind.__name__)
            info, winfo = np.iinfo(kind), np.iinfo(wkind)
            x = rng.integers(info.min, info.max, a, endpoint=True).astype(kind)
            y = rng.integers(winfo.min, winfo.max, b, endpoint=True).astype(wkind)
            for zero, wzero in itertools.product((None, 0, 13, "row"), (None, 0, 11, "column")):
                z = None if zero is None else Const((np.arange(a[-2]) + 1).astype(kind) if zero == "row" else np.array(zero, kind))
                wz = None if wzero is None else Const((np.arange(b[-1]) + 2).astype(wkind) if wzero == "column" else np.array(wzero, wkind))
                c.one("MatMulInteger", [x, Const(y), z, wz], {}, 10, note=f"{a} {b} {kind.__name__} {wkind.__name__} {zero} {wzero}")
                c.one("MatMulInteger", [x, y, z, wz], {}, 17, note=f"{a} {b} {kind.__name__} {wkind.__name__} {zero} {wzero} fed")
    rng = c.rng("quantise")
    x = np.concatenate([floats(rng, 40, low=-20, high=20), np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1e6, -1e6, 0], F) * 0.25]).reshape(3, 16)
    for opset in (10, 13, 17, 19, 21, 23):
        for kind in (np.uint8, np.int8, np.int16, np.uint16):
            for scale, zero in ((0.25, 0), (0.25, 100), (0.1, 3)):
                if kind in TYPES or np.dtype(kind) in TYPES:
                    c.one("QuantizeLinear", [x, Const(np.array(scale, F)), Const(np.array(zero, kind))], {}, opset, note=f"{np.dtype(kind).name} {scale} {zero}")
                    c.one("DequantizeLinear", [np.arange(0, 120, 7).astype(kind), Const(np.array(scale, F)), Const(np.array(zero, kind))], {}, opset, note=f"{np.dtype(kind).name} {scale} {zero}")
                    c.one("DequantizeLinear", [np.arange(0, 120, 7).astype(kind), Const(np.array(scale, F))], {}, opset, note=f"{np.dtype(kind).name} {scale} no zero")
        c.one("QuantizeLinear", [x, Const(np.array(0.25, F))], {}, opset, note="no zero")
        c.one("DequantizeLinear", [np.arange(-9, 9).astype(np.int32), Const(np.array(0.5, F))], {}, opset, note="int32")
        if opset >= 13:
            for axis in (0, 1, -1, None):
                n = x.shape[1 if axis is None else axis]
                scales, zeros = floats(rng, n, low=0.1, high=0.5), rng.integers(0, 50, n)
                attrs = {} if axis is None else {"axis": axis}
                for kind in (np.uint8, np.int8):
                    c.one("QuantizeLinear", [x, Const(scales), Const(zeros.astype(kind))], attrs, opset, note=f"each {np.dtype(kind).name}")
                    c.one("DequantizeLinear", [rng.integers(0, 100, (3, 16)).astype(kind), Const(scales), Const(zeros.astype(kind))], attrs, opset, note=f"each {np.dtype(kind).name}")
                    c.one("DequantizeLinear", [Const(rng.integers(0, 100, (3, 16)).astype(kind)), Const(scales), Const(zeros.astype(kind))], attrs, opset, note=f"each const {np.dtype(kind).name}")
        if opset >= 21:
            for kind in (T.UINT8, T.INT8):
                c.one("QuantizeLinear", [x, Const(np.array(0.25, F))], {"output_dtype": kind}, opset)
    for at, values in enumerate([x[:, :8], np.abs(x[:, :8]), -np.abs(x[:, :8]), np.full((3,), 5, F), np.array([0.0, 255.0, 127.5, 0.5], F), np.array([-128.0, 127, 0.5, 1.5], F)]):
        c.one("DynamicQuantizeLinear", [values], {}, 11, outs=3, note=f"{at}")
    # What quantising tools write: weights and activations through Quantize and Dequantize, and dynamic quantisation.
    for per, op in itertools.product((False, True), ("Conv", "MatMul", "Gemm")):
        rng = c.rng("qdq", per, op)
        a = floats(rng, 1, 4, 6, 6) if op == "Conv" else floats(rng, 5, 4)
        w = rng.integers(-127, 127, (3, 4, 3, 3) if op == "Conv" else (4, 3)).astype(np.int8)
        axis = 0 if op == "Conv" else 1
        ws = floats(rng, 3, low=0.01, high=0.05) if per else np.array(0.02, F)
        wz = np.zeros(3 if per else (), np.int8)
        nodes = [h.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), h.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
                 h.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=axis),
                 h.make_node(op, ["d", "wd"], ["r"], **({"pads": [1] * 4, "kernel_shape": [3, 3]} if op == "Conv" else {})),
                 h.make_node("QuantizeLinear", ["r", "os", "oz"], ["rq"]), h.make_node("DequantizeLinear", ["rq", "os", "oz"], ["y"])]
        init = [nh.from_array(v, n) for n, v in (("s", np.array(0.02, F)), ("z", np.array(128, np.uint8)), ("w", w), ("ws", ws), ("wz", wz), ("os", np.array(0.1, F)), ("oz", np.array(120, np.uint8)))]
        # A level of rounding, either way.
        c.graph("QuantizeLinear", nodes, {"x": a}, [("x", np.dtype(F), a.shape, None)], init, ["y"], 17, f"quantise and back around {op} per axis {per}", loose=0.1001)
    for zeroed, pads, op in itertools.product((False, True), (0, 1), ("ConvInteger", "MatMulInteger")):
        rng = c.rng("dynamic", zeroed, pads, op)
        a = floats(rng, 1, 4, 6, 6, low=-1, high=3) if op == "ConvInteger" else floats(rng, 5, 4, low=-1, high=3)
        w = rng.integers(0, 255, (3, 4, 3, 3) if op == "ConvInteger" else (4, 3)).astype(np.uint8)
        nodes = [h.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
                 h.make_node(op, ["q", "w", "z"] + (["wz"] if zeroed else []), ["i"], **({"pads": [pads] * 4, "kernel_shape": [3, 3]} if op == "ConvInteger" else {})),
                 h.make_node("Cast", ["i"], ["f"], to=T.FLOAT), h.make_node("Mul", ["s", "ws"], ["ss"]), h.make_node("Mul", ["f", "ss"], ["y"])]
        init = [nh.from_array(v, n) for n, v in (("w", w), ("ws", np.array(0.02, F)), ("wz", np.array(128, np.uint8)))]
        c.graph(op, nodes, {"x": a}, [("x", np.dtype(F), a.shape, None)], init, ["y"], 17, f"dynamic quantisation by {op} pads {pads} zero {zeroed}", loose=2e-3)
    for at in range(3):
        rng = c.rng("qlinear", at)
        q = lambda v, k: Const(np.array(v, k))
        c.one("QLinearMatMul", [rng.integers(0, 255, (3, 4)).astype(np.uint8), q(0.1, F), q(100, np.uint8), Const(rng.integers(0, 255, (4, 2)).astype(np.uint8)), q(0.2, F), q(7, np.uint8), q(3.0, F), q(9, np.uint8)], {}, 10)
        c.one("QLinearConv", [rng.integers(0, 255, (1, 2, 5, 5)).astype(np.uint8), q(0.1, F), q(100, np.uint8), Const(rng.integers(0, 255, (3, 2, 3, 3)).astype(np.uint8)), q(0.2, F), q(7, np.uint8), q(3.0, F), q(9, np.uint8)], {"pads": [1] * 4}, 10)


def pooling(c):
    for rank in (1, 2, 3):
        sizes = (9, 8, 7)[:rank]
        for op in ("AveragePool", "MaxPool"):
            for opset in (11, 12, 17, 19, 22):
                for at, (k, s, p, ceil, d, count, auto) in enumerate(itertools.product((1, 2, 3), (None, 1, 2, 3), (0, 1, "odd"), (0, 1), (1, 2), (0, 1), (None, "SAME_UPPER", "SAME_LOWER", "VALID"))):
                    if (op == "MaxPool" and count) or (op == "AveragePool" and d > 1 and opset < 19) or (auto and p) or (p == 1 and k == 1) or (p == "odd" and k < 3):
                        continue
                    if (rank == 3 or opset not in (17, 19, 22)) and at % 5 or rank == 1 and at % 2:
                        continue
                    attrs = {"kernel_shape": [k] * rank}
                    if s:
                        attrs["strides"] = [s] * rank
                    if ceil:
                        attrs["ceil_mode"] = 1
                    if d > 1:
                        attrs["dilations"] = [d] * rank
                    if count:
                        attrs["count_include_pad"] = 1
                    if auto:
                        attrs["auto_pad"] = auto
                    elif p:
                        attrs["pads"] = [1] * rank * 2 if p == 1 else [0, 1, 2][:rank] + [1, 0, 1][:rank]
                    x = floats(c.rng(op, rank, at), 1, 2, *sizes) - (3 if at % 3 == 0 else 0)
                    c.one(op, [x], attrs, opset, note=f"{rank}d")
                    if op == "MaxPool" and at % 7 == 0:
                        c.one(op, [x], attrs, opset, outs=2, note=f"{rank}d indices")
        for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
            for opset in (11, 17, 22):
                c.one(op, [floats(c.rng(op), 2, 3, *sizes)], {}, opset, note=f"{rank}d")
    c.one("MaxPool", [floats(c.rng("order"), 1, 2, 6, 5)], {"kernel_shape": [2, 2], "storage_order": 1}, 12, outs=2)
    c.one("MaxPool", [np.arange(16).reshape(1, 1, 4, 4).astype(np.uint8)], {"kernel_shape": [2, 2]}, 12, note="uint8")
    c.one("MaxPool", [np.arange(16).reshape(1, 1, 4, 4).astype(np.int8) - 8], {"kernel_shape": [2, 2], "pads": [1] * 4}, 12, note="int8")
    c.one("MaxPool", [np.array([[[[1, np.nan], [3, 2]]]], F)], {"kernel_shape": [2, 2]}, 12, note="nan")
    c.one("LpPool", [floats(c.rng("lp"), 1, 2, 6, 5)], {"kernel_shape": [2, 2]}, 18)
    for size, k, s in itertools.product(range(4, 12), (2, 3), (2, 3)):
        for p in (0, 1):
            for op in ("AveragePool", "MaxPool"):
                c.one(op, [floats(c.rng(size), 1, 1, size, size + 1) - 5], {"kernel_shape": [k, k], "strides": [s, s], "pads": [p] * 4, "ceil_mode": 1}, 17, note=f"{size}")
                if op == "AveragePool":
                    c.one(op, [floats(c.rng(size), 1, 1, size, size + 1) - 5], {"kernel_shape": [k, k], "strides": [s, s], "pads": [p] * 4, "ceil_mode": 1, "count_include_pad": 1}, 17, note=f"{size}")


def normalising(c):
    for opset in (9, 11, 14, 15, 17, 22):
        for shape in [(2, 3), (2, 3, 4), (2, 3, 4, 5), (1, 3, 2, 3, 2)]:
            rng = c.rng("bn", shape)
            n = shape[1]
            given = [floats(rng, *shape)] + [Const(floats(rng, n)) for _ in range(3)] + [Const(floats(rng, n, low=0.1, high=2))]
            c.one("BatchNormalization", given, {}, opset, note=f"{shape}")
            c.one("BatchNormalization", given, {"epsilon": 0.1, "momentum": 0.5}, opset, note=f"{shape}")
            c.one("BatchNormalization", [v.value if isinstance(v, Const) else v for v in given], {}, opset, note=f"{shape} fed")
            if len(shape) > 2:
                given = [floats(rng, *shape), Const(floats(rng, n)), Const(floats(rng, n))]
                for epsilon in (None, 0.2):
                    c.one("InstanceNormalization", given, {} if epsilon is None else {"epsilon": epsilon}, opset, note=f"{shape}")
    c.one("BatchNormalization", [floats(c.rng("t"), 2, 3, 4)] + [Const(floats(c.rng("t"), 3)) for _ in range(3)] + [Const(np.ones(3, F))], {"training_mode": 1}, 15, outs=3)
    for opset, axis, bias in itertools.product((17, 22), (-1, 1, 2, 0, -2, None), (False, True)):
        rng = c.rng("ln", axis)
        shape = (2, 3, 4)
        tail = shape[axis if axis is not None else -1:]
        attrs = {} if axis is None else {"axis": axis}
        for epsilon in (None, 0.1):
            more = {} if epsilon is None else {"epsilon": epsilon}
            c.one("LayerNormalization", [floats(rng, *shape), Const(floats(rng, *tail))] + ([Const(floats(rng, *tail))] if bias else []), {**attrs, **more}, opset, note=f"{bias}")
        c.one("LayerNormalization", [floats(rng, *shape), Const(floats(rng, *tail))], attrs, opset, outs=3, note=f"{bias} three")
        c.one("LayerNormalization", [floats(rng, *shape), Const(floats(rng, tail[-1])), Const(floats(rng, tail[-1]))], attrs, opset, note="broadcast")
        c.one("RMSNormalization", [floats(rng, *shape), Const(floats(rng, *tail))], attrs, 23, note=f"{bias}")
    big = floats(c.rng("big"), 2, 8) * 0.01 + 1000
    c.one("LayerNormalization", [big, Const(np.ones(8, F))], {}, 17, note="far from nought", loose=2e-2)
    for opset, axis, p in itertools.product((11, 17, 22), (-1, 0, 1, None), (1, 2, None)):
        attrs = {k: v for k, v in (("axis", axis), ("p", p)) if v is not None}
        c.one("LpNormalization", [floats(c.rng("lp"), 3, 4, 2)], attrs, opset)
    c.one("LpNormalization", [np.zeros((2, 3), F)], {}, 17, note="noughts")
    for opset in (18, 21):
        c.one("GroupNormalization", [floats(c.rng("gn"), 2, 4, 3, 3), Const(np.ones(2 if opset < 21 else 4, F)), Const(np.zeros(2 if opset < 21 else 4, F))], {"num_groups": 2}, opset)
    c.one("MeanVarianceNormalization", [floats(c.rng("mvn"), 2, 3, 4, 4)], {}, 13)
    c.one("LRN", [floats(c.rng("lrn"), 2, 6, 4, 4)], {"size": 3}, 13)
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for opset in (9, 11, 12, 13, 17, 22):
            for shape in [(2, 3, 4), (3, 5), (7,), (2, 3, 4, 2)]:
                for axis in (None, 0, 1, 2, -1, -2):
                    if axis is not None and not -len(shape) <= axis < len(shape):
                        continue
                    c.one(op, [floats(c.rng(op, shape), *shape, low=-5, high=5)], {} if axis is None else {"axis": axis}, opset, note=f"{shape}")
        c.one(op, [np.array([[1000, 1001, 1002], [-np.inf, 0, 1], [-np.inf, -np.inf, -np.inf], [np.nan, 0, 1]], F)], {}, 13, note="special")


def multiplying(c):
    for ta, tb, alpha, beta, cs, opset in itertools.product((0, 1), (0, 1), (1.0, 0.5), (1.0, -2.0), (None, (5,), (3, 5), (3, 1), (1,), (), (1, 5)), (9, 11, 13, 17)):
        rng = c.rng("gemm", ta, tb)
        a, b = floats(rng, *((4, 3) if ta else (3, 4))), floats(rng, *((5, 4) if tb else (4, 5)))
        given = [a, Const(b)] + ([] if cs is None else [Const(floats(rng, *cs))])
        attrs = {"transA": ta, "transB": tb, "alpha": alpha, "beta": beta}
        c.one("Gemm", given, attrs, opset, note=f"{cs}")
        if opset == 17:
            c.one("Gemm", [v.value if isinstance(v, Const) else v for v in given], attrs, opset, note=f"{cs} fed")
    c.one("Gemm", [np.arange(6).reshape(2, 3).astype(np.int32), np.arange(6).reshape(3, 2).astype(np.int32)], {}, 13, note="int32")
    for opset in (9, 13, 17):
        for a, b in [((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((3, 4), (2, 4, 5)), ((1, 3, 4), (2, 4, 5)), ((4,), (2, 4, 5)), ((2, 3, 4), (4,)), ((0, 4), (4, 5)), ((33, 65), (65, 17)), ((1, 200), (200, 300))]:
            rng = c.rng("matmul", a, b)
            c.one("MatMul", [floats(rng, *a), floats(rng, *b)], {}, opset, note=f"{a} {b} fed")
            c.one("MatMul", [floats(rng, *a), Const(floats(rng, *b))], {}, opset, note=f"{a} {b}")
            c.one("MatMul", [Const(floats(rng, *a)), floats(rng, *b)], {}, opset, note=f"{a} {b} left")
    c.one("MatMul", [np.arange(6).reshape(2, 3).astype(np.int32), np.arange(6).reshape(3, 2).astype(np.int32)], {}, 13, note="int32")
    for equation, shapes in [("ij,jk->ik", [(2, 3), (3, 4)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), ("ij,jk", [(2, 3), (3, 4)]), ("ii->i", [(3, 3)]), ("ii", [(3, 3)]), ("ij->ji", [(2, 3)]), ("ij->", [(2, 3)]), ("ij->i", [(2, 3)]), ("i,j->ij", [(2,), (3,)]),
                             ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]), ("bhid,bhjd->bhij", [(2, 2, 3, 4), (2, 2, 5, 4)]), ("bhij,bhjd->bhid", [(2, 2, 3, 5), (2, 2, 5, 4)]), ("bnd,kd->bnk", [(2, 3, 4), (5, 4)]), ("bchw,bkc->bkhw", [(2, 3, 4, 5), (2, 6, 3)]), ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
                             ("i,i->", [(3,), (3,)]), ("ij,ij->ij", [(2, 3), (2, 3)]), ("ba", [(2, 3)]), ("i j , j k -> i k", [(2, 3), (3, 4)]), ("abc,cd->abd", [(2, 3, 4), (4, 5)]), ("ij,kl->ijkl", [(2, 2), (3, 2)]), ("bij,b->ij", [(2, 3, 4), (2,)]), ("...i,...i->...", [(2, 3), (2, 3)]), ("bhwc,hkc->bhwk", [(2, 3, 4, 5), (3, 6, 5)]), ("bhwc,wkc->bhwk", [(2, 3, 4, 5), (4, 6, 5)]), ("ij,j->i", [(1, 3), (3,)]), ("ij,ij->", [(2, 1), (2, 3)])]:
        for opset in (12, 17):
            c.one("Einsum", [floats(c.rng(equation, at), *s) for at, s in enumerate(shapes)], {"equation": equation}, opset)


def resizing(c):
    coordinates = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric", "tf_crop_and_resize")
    nearest = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    for opset in (11, 13, 17, 18, 19, 22):
        for mode, coordinate, near in itertools.product(("nearest", "linear", "cubic"), coordinates, nearest):
            if mode != "nearest" and near != nearest[0]:
                continue
            attrs = {"mode": mode, "coordinate_transformation_mode": coordinate}
            if mode == "nearest":
                attrs["nearest_mode"] = near
            rng = c.rng("resize", mode, coordinate)
            x = floats(rng, 1, 2, 4, 6)
            roi = Const(np.array([0, 0, 0.1, 0.2, 1, 1, 0.8, 0.9], F)) if coordinate == "tf_crop_and_resize" else None
            for at, (scales, sizes) in enumerate([([1, 1, 2, 2], None), ([1, 1, 0.5, 0.5], None), ([1, 1, 1.5, 2.3], None), ([1, 1, 0.6, 3], None), (None, [1, 2, 8, 12]), (None, [1, 2, 3, 5]), (None, [1, 2, 7, 4]), (None, [1, 2, 1, 1]), (None, [1, 2, 4, 6]), ([1, 2, 1, 1], None), (None, [1, 2, 9, 6])]):
                if opset not in (13, 19) and at % 3:
                    continue
                c.one("Resize", [x, roi, Const(np.array(scales, F)) if scales else None, Const(np.array(sizes, I)) if sizes else None], attrs, opset, note=f"{scales} {sizes}")
                if at in (0, 6):
                    c.one("Resize", [x, roi, np.array(scales, F) if scales else None, np.array(sizes, I) if sizes else None], attrs, opset, note=f"{scales} {sizes} fed")
    for rank, scales in ((3, [1, 1, 2]), (5, [1, 1, 2, 1.5, 2]), (3, [1, 2, 2]), (2, [2, 3]), (1, [2])):
        for mode in ("nearest", "linear"):
            c.one("Resize", [floats(c.rng("rank", rank), *[1, 2, 3, 4, 3][:rank] if rank > 2 else [3, 4][:rank]), None, Const(np.array(scales, F))], {"mode": mode}, 13, note=f"{rank}d {scales}")
            c.one("Resize", [floats(c.rng("rank", rank), *[1, 2, 3, 4, 3][:rank] if rank > 2 else [3, 4][:rank]), None, Const(np.array(scales, F))], {"mode": mode, "coordinate_transformation_mode": "asymmetric", **({"nearest_mode": "floor"} if mode == "nearest" else {})}, 13, note=f"{rank}d {scales}")
    x = floats(c.rng("resize"), 1, 2, 4, 6)
    sizes = Const(np.array([1, 2, 7, 9], I))
    for mode in ("nearest", "linear", "cubic"):
        c.one("Resize", [x, None, None, sizes], {"mode": mode, "antialias": 1}, 18)
        c.one("Resize", [x, None, None, Const(np.array([1, 2, 2, 3], I))], {"mode": mode, "antialias": 1}, 18, note="down")
        c.one("Resize", [x, None, None, sizes], {"mode": mode, "exclude_outside": 1}, 13)
        c.one("Resize", [x, None, None, Const(np.array([7, 9], I))], {"mode": mode, "axes": [2, 3]}, 18)
        for policy in ("stretch", "not_larger", "not_smaller"):
            c.one("Resize", [x, None, None, Const(np.array([7, 9], I))], {"mode": mode, "axes": [2, 3], "keep_aspect_ratio_policy": policy}, 18)
            c.one("Resize", [x, None, None, sizes], {"mode": mode, "keep_aspect_ratio_policy": policy}, 18)
        c.one("Resize", [x.astype(np.float16), None, None, sizes], {"mode": mode}, 13, note="half")
    c.one("Resize", [np.arange(16).reshape(1, 1, 4, 4).astype(np.uint8), None, Const(np.array([1, 1, 2, 2], F))], {"mode": "nearest"}, 13, note="uint8")
    c.one("Resize", [x, Const(np.array([1, 1, 2, 2], F))], {"mode": "nearest"}, 10)
    c.one("Resize", [x, Const(np.array([1, 1, 2, 2], F))], {"mode": "linear"}, 10)
    for mode, opset in itertools.product(("nearest", "linear"), (7, 9)):
        for scales in ([1, 1, 2, 2], [1, 1, 1.5, 2], [1, 1, 3, 1]):
            c.one("Upsample", [x] if opset == 7 else [x, Const(np.array(scales, F))], {"mode": mode, **({"scales": [float(s) for s in scales]} if opset == 7 else {})}, opset, note=f"{scales}")
    for mode, pad, align, opset in itertools.product((None, "linear", "bilinear", "nearest", "cubic", "bicubic"), (None, "zeros", "border", "reflection"), (0, 1), (16, 20, 22)):
        attrs = {k: v for k, v in (("mode", mode), ("padding_mode", pad), ("align_corners", align)) if v is not None}
        c.one("GridSample", [x, floats(c.rng("grid"), 1, 3, 5, 2, low=-1.3, high=1.3)], attrs, opset)


def recurring(c):
    for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        for at, (direction, bias, start, lengths, opset) in enumerate(itertools.product(("forward", "reverse", "bidirectional"), (False, True), (False, True), (False, True), (7, 11, 14, 22))):
            n = 2 if direction == "bidirectional" else 1
            rng = c.rng(op, at)
            steps, batch, size, hidden = 4, 3, 5, 6
            given = [floats(rng, steps, batch, size), Const(floats(rng, n, gates * hidden, size, low=-0.5, high=0.5)), Const(floats(rng, n, gates * hidden, hidden, low=-0.5, high=0.5)),
                     Const(floats(rng, n, 2 * gates * hidden)) if bias else None, Const(np.array([4, 2, 3], np.int32)) if lengths else None, Const(floats(rng, n, batch, hidden)) if start else None]
            if op == "LSTM":
                given.append(Const(floats(rng, n, batch, hidden)) if start else None)
            outs = 3 if op == "LSTM" else 2
            c.one(op, given, {"hidden_size": hidden, "direction": direction}, opset, outs=outs, note=f"{bias} {start} {lengths}")
            if op == "GRU":
                c.one(op, given, {"hidden_size": hidden, "direction": direction, "linear_before_reset": 1}, opset, outs=outs, note=f"{bias} {start} {lengths}")
            if at % 5 == 0:
                for more in ({"clip": 0.3}, {"layout": 1}, {"activations": ["Tanh", "Sigmoid", "Relu"][:{"LSTM": 3, "GRU": 2, "RNN": 1}[op]] * n}, {"activations": ["Sigmoid", "Tanh", "Tanh"][:{"LSTM": 3, "GRU": 2, "RNN": 1}[op]] * n}, {"input_forget": 1} if op == "LSTM" else {}):
                    c.one(op, given, {"hidden_size": hidden, "direction": direction, **more}, opset, outs=outs, note=f"{bias} {start} {lengths}")
            if op == "LSTM" and at % 3 == 0:
                c.one(op, given + [Const(floats(rng, n, 3 * hidden))], {"hidden_size": hidden, "direction": direction}, opset, outs=outs, note=f"{bias} {start} {lengths} peepholes")
    for at, (causal, kv, cap, scale, masked, four) in enumerate(itertools.product((0, 1), (4, 2), (0.0, 5.0), (None, 0.3), (None, "float", "bool"), (True, False))):
        rng = c.rng("attention", at)
        b, s, t, d = 2, 3, 5, 8
        if four:
            q, k, v = floats(rng, b, 4, s, d), floats(rng, b, kv, t, d), floats(rng, b, kv, t, d)
        else:
            q, k, v = floats(rng, b, s, 4 * d), floats(rng, b, t, kv * d), floats(rng, b, t, kv * d)
        mask = None if masked is None else floats(rng, s, t) if masked == "float" else rng.random((s, t)) < 0.8
        attrs = {"is_causal": causal, "softcap": cap, **({} if scale is None else {"scale": scale}), **({} if four else {"q_num_heads": 4, "kv_num_heads": kv})}
        for opset in (23, 24):
            c.one("Attention", [q, k, v, mask], attrs, opset, note=f"{masked} {kv} {four}")
            past = [floats(rng, b, kv, 2, d), floats(rng, b, kv, 2, d)]
            mask2 = None if masked is None else floats(rng, s, t + 2) if masked == "float" else rng.random((s, t + 2)) < 0.8
            c.one("Attention", [q, k, v, mask2, *past], attrs, opset, outs=3, note=f"{masked} {kv} {four} past")
    for interleaved, four, partial, ids in itertools.product((0, 1), (True, False), (0, 4), (True, False)):
        rng = c.rng("rope", interleaved, four, partial, ids)
        x = floats(rng, 2, 4, 3, 8) if four else floats(rng, 2, 3, 32)
        half = (partial or 8) // 2
        cache = [floats(rng, 10, half), floats(rng, 10, half)] if ids else [floats(rng, 2, 3, half), floats(rng, 2, 3, half)]
        attrs = {"interleaved": interleaved, "rotary_embedding_dim": partial, **({} if four else {"num_heads": 4})}
        c.one("RotaryEmbedding", [x, *cache] + ([np.array([[0, 1, 2], [4, 5, 6]], I)] if ids else []), attrs, 23, note=f"{four} {ids}")


def controlling(c):
    def branch(name, op, *ins, **attrs):
        return h.make_graph([h.make_node(op, list(ins), [name], **attrs)], name, [], [onnx.ValueInfoProto(name=name)])
    x, y = floats(c.rng("if"), 2, 3), floats(c.rng("if"), 3)
    for opset, value in itertools.product((11, 13, 17, 21), (0.0, 1.0)):
        flag = np.array(value, F)
        nodes = [h.make_node("Greater", ["c", "a_half"], ["b"]), "a_half",
                 h.make_node("If", ["b"], ["y"], then_branch=branch("t", "Add", "x", "w"), else_branch=branch("e", "Mul", "x", "w"))]
        c.graph("If", nodes, {"c": flag, "x": x, "w": y}, [("c", np.dtype(F), (), None), ("x", np.dtype(F), x.shape, None), ("w", np.dtype(F), y.shape, None)], [], ["y"], opset, f"If {opset} {value}")
        nodes = [h.make_node("Greater", ["c", "a_half"], ["b"]), "a_half",
                 h.make_node("If", ["b"], ["y"], then_branch=branch("t", "ReduceSum" if opset >= 13 else "Relu", "x"), else_branch=branch("e", "Transpose", "x"))]
        c.graph("If", nodes, {"c": flag, "x": x}, [("c", np.dtype(F), (), None), ("x", np.dtype(F), x.shape, None)], [], ["y"], opset, f"If of other shapes {opset} {value}")
        for trips in (1, 4):
            for stops in (False, True):
                vi = h.make_tensor_value_info
                body = h.make_graph([h.make_node("Add", ["v", "w"], ["v2"]), h.make_node("Identity", ["v2"], ["scan"]),
                                     h.make_node("Less", ["n", "two"], ["go"]) if stops else h.make_node("Identity", ["k"], ["go"])], "body",
                                    [vi("n", T.INT64, []), vi("k", T.BOOL, []), vi("v", T.FLOAT, [3])], [vi("go", T.BOOL, []), vi("v2", T.FLOAT, [3]), vi("scan", T.FLOAT, [3])],
                                    [nh.from_array(np.array(1, I), "two")])
                nodes = [h.make_node("Loop", ["m", "", "w"], ["last", "all"], body=body)]
                c.graph("Loop", nodes, {"w": y}, [("w", np.dtype(F), y.shape, None)], [nh.from_array(np.array(trips, I), "m")], ["last", "all"], opset, f"Loop {opset} {trips} {stops} {value}")
    z = floats(c.rng("seq"), 4, 3)
    info = [("x", np.dtype(F), z.shape, None)]
    for opset in (11, 17):
        k = lambda v, n: nh.from_array(np.array(v, I), n)
        for axis, keep, new in itertools.product((0, 1, -1), (0, 1), (0, 1)):
            nodes = [h.make_node("SplitToSequence", ["x"], ["s"], axis=axis, keepdims=keep), h.make_node("ConcatFromSequence", ["s"], ["y"], axis=axis, new_axis=new)]
            c.graph("SplitToSequence", nodes, {"x": z}, info, [], ["y"], opset, f"SplitToSequence {opset} {axis} {keep} {new}")
        for parts in (2, [1, 3], 3, [4]):
            for at in (0, -1):
                nodes = [h.make_node("SplitToSequence", ["x", "p"], ["s"], axis=0), h.make_node("SequenceAt", ["s", "at"], ["y"]), h.make_node("SequenceLength", ["s"], ["n"])]
                c.graph("SplitToSequence", nodes, {"x": z}, info, [k(parts, "p"), k(at, "at")], ["y", "n"], opset, f"SplitToSequence {opset} parts {parts} {at}")
        for at in (None, 0, 1, -1):
            nodes = [h.make_node("Neg", ["x"], ["m"]), h.make_node("SequenceConstruct", ["x", "m"], ["s"]), h.make_node("SequenceInsert", ["s", "x"] + ([] if at is None else ["at"]), ["s2"]),
                     h.make_node("SequenceErase", ["s2"] + ([] if at is None else ["at"]), ["s3"]), h.make_node("ConcatFromSequence", ["s2"], ["y"], axis=0), h.make_node("ConcatFromSequence", ["s3"], ["y2"], axis=1)]
            c.graph("SequenceInsert", nodes, {"x": z}, info, [] if at is None else [k(at, "at")], ["y", "y2"], opset, f"SequenceInsert {opset} {at}")
        nodes = [h.make_node("SequenceEmpty", [], ["s"]), h.make_node("SequenceInsert", ["s", "x"], ["s2"]), h.make_node("SequenceAt", ["s2", "at"], ["y"])]
        c.graph("SequenceEmpty", nodes, {"x": z}, info, [k(0, "at")], ["y"], opset, f"SequenceEmpty {opset}")
    for ratio in (0.0, 0.5):
        c.one("Dropout", [x], {"ratio": ratio}, 11)
        c.one("Dropout", [x, Const(np.array(ratio, F))], {}, 17, note=f"{ratio}")
    for opset in (17, 20):
        c.one("DFT", [floats(c.rng("dft"), 1, 8, 1)], {}, opset)
        c.one("STFT", [floats(c.rng("stft"), 1, 16, 1), Const(np.array(4, I)), Const(np.ones(8, F))], {}, opset)


def together(c):
    """What rten fuses, and what exports are made of."""
    def run(op, key, nodes, feeds, init, outputs=("y",), opset=17, loose=None):
        init = [nh.from_array(np.asarray(v), n) for n, v in init.items()]
        for dynamic in (False, True):
            infos = [(n, v.dtype, v.shape, dynamic) for n, v in feeds.items()]
            c.graph(op, list(nodes), feeds, infos, init, list(outputs), opset, f"{key} dynamic={dynamic}", loose)
    n = h.make_node
    rng = c.rng("together")
    x = floats(rng, 2, 5, 8)
    for axes in ([-1], [2], [1], [-2], [1, 2]):
        for epsilon, exponent in itertools.product((1e-5, 0.1), (2.0, 3.0)):
            w, b = floats(rng, 8), floats(rng, 8)
            nodes = [n("ReduceMean", ["x"], ["m"], axes=axes), n("Sub", ["x", "m"], ["d"]), n("Pow", ["d", "two"], ["p"]), n("ReduceMean", ["p"], ["v"], axes=axes), n("Add", ["v", "e"], ["ve"]), n("Sqrt", ["ve"], ["s"]), n("Div", ["d", "s"], ["q"]), n("Mul", ["q", "w"], ["qw"]), n("Add", ["qw", "b"], ["y"])]
            feed = {"x": np.abs(x) if exponent == 3.0 else x}
            run("ReduceMean", f"layer norm {axes} {epsilon} {exponent}", nodes, feed, {"two": np.array(exponent, F), "e": np.array(epsilon, F), "w": w, "b": b}, loose=1e-3)
            run("ReduceMean", f"layer norm bare {axes} {epsilon} {exponent}", nodes[:-2] + [n("Identity", ["q"], ["y"])], feed, {"two": np.array(exponent, F), "e": np.array(epsilon, F)}, loose=1e-3)
            rms = [n("Pow", ["x", "two"], ["p"]), n("ReduceMean", ["p"], ["v"], axes=axes), n("Add", ["v", "e"], ["ve"]), n("Sqrt", ["ve"], ["s"]), n("Reciprocal", ["s"], ["r"]), n("Mul", ["x", "r"], ["q"]), n("Mul", ["q", "w"], ["y"])]
            run("ReduceMean", f"rms norm {axes} {epsilon} {exponent}", rms, feed, {"two": np.array(exponent, F), "e": np.array(epsilon, F), "w": w})
            rms = rms[:4] + [n("Div", ["one", "s"], ["r"]), n("Mul", ["x", "r"], ["q"]), n("Mul", ["w", "q"], ["y"])]
            run("ReduceMean", f"rms norm by division {axes} {epsilon} {exponent}", rms, feed, {"two": np.array(exponent, F), "e": np.array(epsilon, F), "w": w, "one": np.array(1.0, F)})
    for root, half, one in itertools.product((1.4142135, 1.3), (0.5, 0.4), (1.0, 2.0)):
        nodes = [n("Div", ["x", "r"], ["d"]), n("Erf", ["d"], ["e"]), n("Add", ["e", "one"], ["a"]), n("Mul", ["x", "a"], ["m"]), n("Mul", ["m", "half"], ["y"])]
        run("Erf", f"gelu {root} {half} {one}", nodes, {"x": x}, {"r": np.array(root, F), "half": np.array(half, F), "one": np.array(one, F)})
        nodes = [n("Pow", ["x", "three"], ["c"]), n("Mul", ["c", "k"], ["kc"]), n("Add", ["x", "kc"], ["s"]), n("Mul", ["s", "r"], ["sr"]), n("Tanh", ["sr"], ["t"]), n("Add", ["t", "one"], ["a"]), n("Mul", ["x", "a"], ["m"]), n("Mul", ["m", "half"], ["y"])]
        run("Tanh", f"gelu by tanh {root} {half} {one}", nodes, {"x": x}, {"three": np.array(3.0, F), "k": np.array(0.044715, F), "r": np.array(0.7978845608 if root > 1.4 else 0.8, F), "half": np.array(half, F), "one": np.array(one, F)})
    run("Sigmoid", "silu", [n("Sigmoid", ["x"], ["s"]), n("Mul", ["x", "s"], ["y"])], {"x": x}, {})
    run("Sigmoid", "silu of another", [n("Sigmoid", ["x"], ["s"]), n("Neg", ["x"], ["z"]), n("Mul", ["z", "s"], ["y"])], {"x": x}, {})
    for beta in (1.702, 1.0, -0.5):
        run("Sigmoid", f"swish {beta}", [n("Mul", ["x", "b"], ["bx"]), n("Sigmoid", ["bx"], ["s"]), n("Mul", ["x", "s"], ["y"])], {"x": x}, {"b": np.array(beta, F)})
    for bias in ((6,), (5, 6), (1, 6), (2, 5, 6), (1,), ()):
        run("MatMul", f"matmul and add {bias}", [n("MatMul", ["x", "w"], ["m"]), n("Add", ["m", "b"], ["y"])], {"x": x}, {"w": floats(rng, 8, 6), "b": floats(rng, *bias)})
        run("MatMul", f"add and matmul {bias}", [n("MatMul", ["x", "w"], ["m"]), n("Add", ["b", "m"], ["y"])], {"x": x, "b": floats(rng, *bias)}, {"w": floats(rng, 8, 6)})
    for where, op, scale in itertools.product(("left", "right", "out", "all"), ("Mul", "Div"), (0.3, 4.0)):
        nodes, a, b, y = [], "x", "z", "m"
        if where in ("left", "all"):
            nodes.append(n(op, ["x", "k"], ["a"])); a = "a"
        if where in ("right", "all"):
            nodes.append(n(op, ["z", "k"], ["b"])); b = "b"
        nodes.append(n("MatMul", [a, b], ["m" if where in ("out", "all") else "y"]))
        if where in ("out", "all"):
            nodes.append(n(op, ["m", "k"], ["y"]))
        run("MatMul", f"scaled matmul {where} {op} {scale}", nodes, {"x": x, "z": floats(rng, 2, 8, 3)}, {"k": np.array(scale, F)})
        run("MatMul", f"scaled matmul, a list of one {where} {op} {scale}", nodes, {"x": x, "z": floats(rng, 2, 8, 3)}, {"k": np.array([scale], F)})
    for perm in ([0, 2, 1], [1, 0, 2], [2, 1, 0]):
        z = np.transpose(floats(rng, *[(2, 8, 3)[i] for i in np.argsort(np.argsort(perm))]), None if False else list(range(3)))
        z = floats(rng, *[dict(zip(perm, (2, 8, 3)))[i] for i in range(3)])
        run("MatMul", f"transposed matmul {perm}", [n("Transpose", ["z"], ["t"], perm=perm), n("MatMul", ["x", "t"], ["y"])], {"x": x, "z": z}, {})
        run("Reshape", f"transposed and reshaped {perm}", [n("Transpose", ["z"], ["t"], perm=perm), n("Reshape", ["t", "s"], ["y"])], {"z": z}, {"s": np.array([-1], I)})
        run("Split", f"transposed and split {perm}", [n("Transpose", ["z"], ["t"], perm=perm), n("Split", ["t"], ["y", "y2"], axis=0)], {"z": z}, {}, ("y", "y2"))
    scores = floats(rng, 2, 3, 4, 4)
    for mask, axis in itertools.product(((4, 4), (2, 1, 4, 4), (2, 3, 4, 4), (1, 1, 1, 4), (4,)), (-1, 3, 2)):
        run("Softmax", f"masked softmax {mask} {axis}", [n("Add", ["x", "k"], ["a"]), n("Softmax", ["a"], ["y"], axis=axis)], {"x": scores, "k": np.where(rng.random(mask) < 0.4, -np.inf if axis == 2 else -1e9, 0).astype(F)}, {})
        run("Softmax", f"safe softmax {mask} {axis}", [n("Add", ["x", "k"], ["a"]), n("Softmax", ["a"], ["s"], axis=axis), n("IsNaN", ["s"], ["b"]), n("Where", ["b", "zero", "s"], ["y"])], {"x": scores, "k": np.where(rng.random(mask) < 0.6, -np.inf, 0).astype(F)}, {"zero": np.array(0, F)})
    run("Shape", "shape, gathered, put together", [n("Shape", ["x"], ["s"]), n("Gather", ["s", "i"], ["b"], axis=0), n("Unsqueeze", ["b", "i0"], ["bu"]), n("Concat", ["bu", "rest"], ["to"], axis=0), n("Reshape", ["x", "to"], ["y"])], {"x": x}, {"i": np.array(0, I), "i0": np.array([0], I), "rest": np.array([-1], I)})
    run("Shape", "shape of a slice", [n("Shape", ["x"], ["s"]), n("Slice", ["s", "a", "b"], ["t"]), n("Reshape", ["x", "t2"], ["z"]), n("ConstantOfShape", ["t"], ["y"])], {"x": x}, {"a": np.array([1], I), "b": np.array([3], I), "t2": np.array([2, -1], I)})
    for times in (2, 3):
        run("Expand", f"repeated {times}", [n("Unsqueeze", ["x", "ax"], ["u"]), n("Expand", ["u", "to"], ["e"]), n("Reshape", ["e", "sh"], ["y"])], {"x": floats(rng, 2, 3, 4, 5)}, {"ax": np.array([2], I), "to": np.array([2, 3, times, 4, 5], I), "sh": np.array([2, 3 * times, 4, 5], I)})
        run("Expand", f"tiled {times}", [n("Unsqueeze", ["x", "ax"], ["u"]), n("Expand", ["u", "to"], ["e"]), n("Reshape", ["e", "sh"], ["y"])], {"x": floats(rng, 2, 3, 4, 5)}, {"ax": np.array([1], I), "to": np.array([2, times, 3, 4, 5], I), "sh": np.array([2, 3 * times, 4, 5], I)})
    pic = floats(rng, 2, 3, 6, 6)
    for groups, stride, bias in itertools.product((1, 3), (1, 2), ((1, 6, 1, 1), (6, 1, 1), (1, 6, 5, 5), (1, 1, 1, 1), (1, 1, 1, 5), (2, 6, 1, 1))):
        size = {1: 6, 2: 3}[stride]
        shape = tuple(size if v == 5 else v for v in bias)
        conv = n("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1] * 4, strides=[stride] * 2, group=groups)
        run("Conv", f"conv and add {groups} {stride} {bias}", [conv, n("Add", ["c", "b"], ["y"])], {"x": pic}, {"w": floats(rng, 6, 3 // groups, 3, 3), "b": floats(rng, *shape)})
        run("Conv", f"conv and mul and add {groups} {stride} {bias}", [conv, n("Mul", ["c", "k"], ["m"]), n("Add", ["m", "b"], ["y"])], {"x": pic}, {"w": floats(rng, 6, 3 // groups, 3, 3), "k": floats(rng, *shape), "b": floats(rng, *shape)})
    for bias in (False, True):
        stats = {k: floats(rng, 6, low=0.2, high=2) for k in ("g", "b", "m", "v")}
        conv = n("Conv", ["x", "w"] + (["cb"] if bias else []), ["c"], kernel_shape=[3, 3])
        run("Conv", f"conv and batch norm {bias}", [conv, n("BatchNormalization", ["c", "g", "b", "m", "v"], ["y"], epsilon=1e-3), ], {"x": pic}, {"w": floats(rng, 6, 3, 3, 3), **({"cb": floats(rng, 6)} if bias else {}), **stats})
        run("Conv", f"conv, read twice, and batch norm {bias}", [conv, n("BatchNormalization", ["c", "g", "b", "m", "v"], ["z"]), n("Add", ["c", "z"], ["y"])], {"x": pic}, {"w": floats(rng, 6, 3, 3, 3), **({"cb": floats(rng, 6)} if bias else {}), **stats})
    for zero in (0.0, 1.0):
        run("Add", f"nothing added {zero}", [n("Add", ["x", "z"], ["a"]), n("Mul", ["a", "o"], ["y"])], {"x": x}, {"z": np.array(zero, F), "o": np.array(1.0 - zero, F)})
        run("Add", f"nothing added, widened {zero}", [n("Add", ["x", "z"], ["a"]), n("Identity", ["a"], ["y"])], {"x": floats(rng, 3)}, {"z": np.full((2, 3), zero, F)})
        run("Mul", f"times one, widened {zero}", [n("Mul", ["x", "z"], ["a"]), n("Identity", ["a"], ["y"])], {"x": floats(rng, 1)}, {"z": np.full((4,), zero, F)})
        run("Div", f"by one, widened {zero}", [n("Div", ["x", "z"], ["a"]), n("Identity", ["a"], ["y"])], {"x": floats(rng, 1)}, {"z": np.full((4,), 1.0, F)})
        run("Sub", f"less nothing, widened {zero}", [n("Sub", ["x", "z"], ["a"]), n("Identity", ["a"], ["y"])], {"x": floats(rng, 1)}, {"z": np.full((4,), zero, F)})
    run("Div", "one over x", [n("Div", ["o", "x"], ["y"])], {"x": np.abs(x) + 1}, {"o": np.array(1.0, F)})
    run("Div", "ones over x, widened", [n("Div", ["o", "x"], ["y"])], {"x": np.abs(floats(rng, 1)) + 1}, {"o": np.ones((4,), F)})
    ids = np.array([[1, 5, 2, 0], [3, 3, 0, 0]], I)
    run("Gather", "embedding and positions", [n("Gather", ["w", "ids"], ["e"]), n("Add", ["e", "p"], ["y"])], {"ids": ids}, {"w": floats(rng, 7, 8), "p": floats(rng, 4, 8)})
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], I)
    run("Cast", "attention mask", [n("Unsqueeze", ["m", "ax"], ["u"]), n("Cast", ["u"], ["f"], to=T.FLOAT), n("Sub", ["one", "f"], ["i"]), n("Cast", ["i"], ["b"], to=T.BOOL), n("Where", ["b", "low", "i"], ["y"])], {"m": mask}, {"ax": np.array([1, 2], I), "one": np.array(1, F), "low": np.array(-1e9, F)})
    run("Equal", "mask by equality", [n("Equal", ["m", "z"], ["e"]), n("Not", ["e"], ["k"]), n("Cast", ["k"], ["f"], to=T.FLOAT), n("ReduceSum", ["f", "ax"], ["y"])], {"m": mask}, {"z": np.array(0, I), "ax": np.array([1], I)})
    run("ArgMax", "end of text", [n("ArgMax", ["ids"], ["at"], axis=1, keepdims=0), n("Unsqueeze", ["at", "ax"], ["u"]), n("GatherND", ["e", "u"], ["y"], batch_dims=1)], {"ids": ids, "e": floats(rng, 2, 4, 8)}, {"ax": np.array([1], I)})
    run("ReduceL2", "unit length", [n("ReduceL2", ["x"], ["l"], axes=[-1], keepdims=1), n("Div", ["x", "l"], ["y"])], {"x": x}, {})
    heads = 2
    attention = [n("MatMul", ["x", "wq"], ["q0"]), n("Reshape", ["q0", "sh"], ["q1"]), n("Transpose", ["q1"], ["q"], perm=[0, 2, 1, 3]), n("MatMul", ["x", "wk"], ["k0"]), n("Reshape", ["k0", "sh"], ["k1"]), n("Transpose", ["k1"], ["k"], perm=[0, 2, 3, 1]),
                 n("MatMul", ["x", "wv"], ["v0"]), n("Reshape", ["v0", "sh"], ["v1"]), n("Transpose", ["v1"], ["v"], perm=[0, 2, 1, 3]), n("Mul", ["q", "c"], ["qs"]), n("MatMul", ["qs", "k"], ["s"]), n("Add", ["s", "mask"], ["sm"]), n("Softmax", ["sm"], ["p"], axis=-1), n("MatMul", ["p", "v"], ["o"]), n("Transpose", ["o"], ["ot"], perm=[0, 2, 1, 3]), n("Reshape", ["ot", "back"], ["y"])]
    run("Softmax", "attention", attention, {"x": x}, {"wq": floats(rng, 8, 8), "wk": floats(rng, 8, 8), "wv": floats(rng, 8, 8), "sh": np.array([0, 0, heads, 4], I), "c": np.array(0.5, F), "mask": np.triu(np.full((5, 5), -1e9), 1).astype(F), "back": np.array([0, 0, 8], I)})
    window = [n("Reshape", ["x", "a"], ["r"]), n("Transpose", ["r"], ["t"], perm=[0, 1, 3, 2, 4, 5]), n("Reshape", ["t", "b"], ["y"])]
    run("Reshape", "windows", window, {"x": floats(rng, 2, 4, 6, 3)}, {"a": np.array([2, 2, 2, 3, 2, 3], I), "b": np.array([-1, 2, 2, 3], I)})
    wide = np.array([3_000_000_000, 5], I)
    run("Add", "a constant beyond 32 bits", [n("Add", ["x", "k"], ["s"]), n("Sub", ["s", "k"], ["y"])], {"x": np.array([1, 2], I)}, {"k": np.array(3_000_000_000, I)})
    run("Div", "a constant beyond 32 bits, divided", [n("Div", ["k", "x"], ["y"])], {"x": np.array([3, 1000], I)}, {"k": np.array(3_000_000_000, I)})
    run("Mul", "a product beyond 32 bits", [n("Mul", ["x", "x"], ["s"]), n("Div", ["s", "x"], ["y"])], {"x": np.array([100_000, 7], I)}, {})
    run("Reshape", "rows flattened and back", [n("Shape", ["x"], ["s"]), n("Reshape", ["x", "f"], ["r"]), n("MatMul", ["r", "w"], ["m"]), n("Slice", ["s", "a", "b"], ["h"]), n("Concat", ["h", "l"], ["to"], axis=0), n("Reshape", ["m", "to"], ["y"])], {"x": x}, {"f": np.array([-1, 8], I), "w": floats(rng, 8, 6), "a": np.array([0], I), "b": np.array([-1], I), "l": np.array([6], I)})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seed", type=int, default=9)
    args = parser.parse_args()
    corpus = Corpus(args.out, args.every, args.only, args.seed)
    for make in (unary, binary, choosing, casting, reducing, moving, indexing, padding, convolving, quantised, pooling, normalising, multiplying, resizing, recurring, controlling, together):
        make(corpus)
    corpus.write()
    refused = {op: len(cases) for op, cases in sorted(corpus.refused.items())}
    print(json.dumps({"made": corpus.made, "operators": len({json.loads(line)["operator"] for line in corpus.lines}), "refused by ONNX Runtime": sum(refused.values())}))
    with open(os.path.join(args.out, "refused.json"), "w") as file:
        json.dump(corpus.refused, file, indent=1)


if __name__ == "__main__":
    main()
