"""Parts of networks and the way to ONNX that the scripts for the demo's models share."""

import warnings

import onnx
import torch
from torch import nn

from demonstration import mark


def batch_norm_conv(inputs, outputs, side, stride=1):
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, (side - 1) // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def fuse(module):
    """Folds every batch norm into the convolution before it."""
    for child in module.modules():
        if isinstance(child, nn.Sequential):
            for i in range(len(child) - 1):
                if isinstance(child[i], nn.Conv2d) and isinstance(child[i + 1], nn.BatchNorm2d):
                    child[i] = torch.nn.utils.fusion.fuse_conv_bn_eval(child[i], child[i + 1])
                    child[i + 1] = nn.Identity()


def export(module, example, path, inputs, outputs, about):
    """Writes a module as ONNX, opset 17. `inputs` and `outputs` give each name's axes that may vary."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, example, str(path), dynamo=False, opset_version=17, input_names=list(inputs),
            output_names=list(outputs), dynamic_axes={**inputs, **outputs},
        )
    model = onnx.load(path)
    model.producer_name, model.producer_version, model.doc_string = "threshflow", "", about
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(mark(model).SerializeToString())
