"""Graphs that are small enough to write by hand, with drawn weights: ResNet-18, and the head of an aesthetic scorer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
# The layers of ResNet-18: the width of each stage of two blocks, and the step of its first convolution.
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))

RESNET18_SCORE: dict[str, Any] = {
    "input": {
        "layout": "nchw",
        "channels": "rgb",
        "fit": "shortest_side_then_crop",
        "shortest_side": 256,
        "size": [224, 224],
        "scale": [{"divide": 255}, {"subtract": [0.485, 0.456, 0.406]}, {"divide": [0.229, 0.224, 0.225]}],
    },
    "output": {"activation": "sigmoid"},
    "unit": "nothing: the weights are random",
    "range": [0, 1],
    "direction": "higher_is_better",
    "default": 0,
}


class Net:
    """Nodes and weights, in the order in which they are added."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """A node; gives its output's name."""
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weight(self, shape: tuple[int, ...], std: float, mean: float = 0.0) -> str:
        """Numbers of this spread; gives their name."""
        values = (self.random.standard_normal(shape) * std + mean).astype(np.float32)
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x: str, wide: tuple[int, int], edge: int, stride: int, gain: float) -> str:
        """A convolution whose batch norm is folded into it, as exporters do; `gain` is what it does to the spread."""
        before, after = wide
        kernel = self.weight((after, before, edge, edge), gain * (2.0 / (before * edge * edge)) ** 0.5)
        bias = self.weight((after,), 0.05)
        pads, strides = [edge // 2] * 4, [stride, stride]
        return self.add("Conv", [x, kernel, bias], kernel_shape=[edge, edge], pads=pads, strides=strides)

    def model(
        self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], name: str
    ) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return model


def floats(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def resnet18(seed: int) -> onnx.ModelProto:
    """pixel_values [N,3,224,224] -> score [N,1]: the network of He et al., 2015 (table 1), with one number at its end."""
    net = Net(seed)
    x = net.add("Relu", [net.conv("pixel_values", (3, 64), 7, 2, 1.0)])
    x = net.add("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    wide = 64
    for after, first in STAGES:
        for stride in (first, 1):
            inner = net.add("Relu", [net.conv(x, (wide, after), 3, stride, 1.0)])
            # Half of the gain: the sum with what goes round keeps its size over all blocks.
            inner = net.conv(inner, (after, after), 3, 1, 0.5)
            round_it = x if (stride, wide) == (1, after) else net.conv(x, (wide, after), 1, stride, 0.7)
            x, wide = net.add("Relu", [net.add("Add", [inner, round_it])]), after
    pooled = net.add("Flatten", [net.add("GlobalAveragePool", [x])], axis=1)
    net.nodes.append(helper.make_node("Gemm", [pooled, net.weight((512, 1), 0.1), net.weight((1,), 0.1)], ["score"]))
    return net.model([floats("pixel_values", ["batch", 3, 224, 224])], [floats("score", ["batch", 1])], "resnet18")


def head(width: int, seed: int) -> onnx.ModelProto:
    """image_embeds [N,width], of length 1 -> aesthetic_score [N,1], about 5."""
    net = Net(seed)
    weights = [net.weight((width, 1), 2.0), net.weight((1,), 0.01, 5.0)]
    net.nodes.append(helper.make_node("Gemm", ["image_embeds", *weights], ["aesthetic_score"]))
    return net.model([floats("image_embeds", ["batch", width])], [floats("aesthetic_score", ["batch", 1])], "head")
