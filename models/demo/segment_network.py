"""The network of the demo's segmenter, in torch: an encoder of pictures and a decoder of boxes.

Both are written in operations that ONNX knows under plain names, so that every runtime can run them. The decoder
looks at each box through a window, the box and a margin around it, cut out by products with two small matrices
(`tents`); the same matrices put what was found back into the picture.
"""

import torch
from torch import nn
from torch.nn import functional

# Side of the square that the encoder takes; masks come out at half of it.
SIDE = 256
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

# Channels of the embeddings at a quarter, an eighth and a sixteenth of SIDE.
WIDTHS = (64, 48, 56)
# Of the first embedding's channels so many are fine ones: folded out to half of SIDE, they are a quarter of it.
FINE = 8
COARSE = WIDTHS[0] - 4 * FINE

# Cells of a window in each direction, and the part of the box's size by which it reaches over each edge.
CELLS, MARGIN = 28, 0.2
# Channels of what a window hands to the picture, and of the two layers that join it with the fine maps there.
HANDED, JOINED, LAST = 6, 12, 8
# The logit outside the window.
OUTSIDE = -8.0


def conv(inputs, outputs, size=3, stride=1, spread=1):
    """Convolution, batch norm (folded into the weights when exported), ReLU."""
    padding = spread * (size // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, dilation=spread, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    def __init__(self, width, spread=1):
        super().__init__()
        self.first = conv(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, spread, dilation=spread, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x):
        return functional.relu(x + self.second(self.first(x)))


class Encoder(nn.Module):
    """Pixels to embeddings at three scales."""

    def __init__(self):
        super().__init__()
        self.at_half = nn.Sequential(conv(3, 16, stride=2), conv(16, 16))
        self.at_quarter = nn.Sequential(conv(16, 32, stride=2), Residual(32))
        self.at_eighth = nn.Sequential(conv(32, 48, stride=2), Residual(48), Residual(48))
        self.at_sixteenth = nn.Sequential(conv(48, 56, stride=2), Residual(56), Residual(56, spread=2))
        self.fine = nn.Sequential(conv(16, 16), nn.Conv2d(16, FINE, 3, padding=1))
        self.coarse = nn.Conv2d(32, COARSE, 1)

    def forward(self, pixel_values):
        half = self.at_half(pixel_values)
        quarter = self.at_quarter(half)
        eighth = self.at_eighth(quarter)
        sixteenth = self.at_sixteenth(eighth)
        fine = functional.pixel_unshuffle(self.fine(half), 2)
        return torch.cat([self.coarse(quarter), fine], 1), eighth, sixteenth


def tents(middles, step, count, scale):
    """Weights of `count` pixels, `scale` wide, for points at `middles` that are `step` apart: [P, points, count].

    Linear interpolation between pixels where the points lie close, means over them where they lie apart.
    """
    pixels = (torch.arange(count, dtype=torch.float32, device=middles.device) + 0.5) * scale
    reach = step.clamp(min=scale)[:, :, None]
    return functional.relu(1 - (pixels - middles[:, :, None]).abs() / reach)


class Window:
    """The windows of boxes [P, 4], as pairs of matrices, one for each direction."""

    def __init__(self, boxes):
        low, high = boxes[:, :2], boxes[:, 2:]
        # A box of no size still gets a window.
        size = (high - low).clamp(min=2.0)
        middle = (low + high) / 2
        self.size = size
        self.step = size * ((1 + 2 * MARGIN) / CELLS)
        places = torch.arange(CELLS, dtype=torch.float32, device=boxes.device) - (CELLS - 1) / 2
        self.middles = [middle[:, i : i + 1] + self.step[:, i : i + 1] * places for i in (0, 1)]

    def matrices(self, count):
        """Across and down for a map of `count` x `count`, with the map's pixel size."""
        scale = SIDE / count
        steps = [self.step[:, i : i + 1] for i in (0, 1)]
        return [tents(m, s, count, scale) for m, s in zip(self.middles, steps)], steps, scale

    def look(self, maps, count):
        """Cuts the windows out of maps [P or 1, C, count, count]: [P, C, CELLS, CELLS]."""
        (across, down), steps, scale = self.matrices(count)
        # No number is divided by a map of one number here: rten 0.27 would give that no dimensions.
        thin = [(s.clamp(min=scale).reciprocal() * scale)[:, :, None] for s in steps]
        across, down = across * thin[0], down * thin[1]
        return down[:, None] @ maps @ across.transpose(1, 2)[:, None]

    def place(self, found, count):
        """Puts windows [P, C, CELLS, CELLS] into maps [P, C, count, count]; also how far each pixel is within."""
        (across, down), steps, scale = self.matrices(count)
        across, down = (t * (s / scale).clamp(max=1)[:, :, None] for t, s in zip((across, down), steps))
        within = down.sum(1)[:, None, :, None] * across.sum(1)[:, None, None, :]
        return down.transpose(1, 2)[:, None] @ found @ across[:, None], within


class Decoder(nn.Module):
    """Embeddings of one picture and boxes to masks."""

    def __init__(self, width=32):
        super().__init__()
        self.from_sixteenth = nn.Conv2d(WIDTHS[2], COARSE, 1)
        self.from_eighth = nn.Conv2d(WIDTHS[1], COARSE, 1)
        self.merge = conv(COARSE, width)
        self.enter = nn.Conv2d(width + FINE, width, 3, padding=1, bias=False)
        self.place = nn.Parameter(torch.zeros(1, width, CELLS, CELLS))
        self.entered = nn.BatchNorm2d(width)
        self.narrow = conv(width, width, spread=2)
        self.wide = conv(width, width, spread=4)
        self.shape = nn.Sequential(nn.Linear(width + 4, width), nn.ReLU(inplace=True), nn.Linear(width, width))
        self.last = conv(width, width)
        self.hand = nn.Conv2d(width, HANDED, 1)
        self.describe = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(inplace=True))
        self.judge = nn.Linear(width + 1, 2)
        # At half of SIDE every box is a whole map, so nothing but products of few channels is done there.
        self.tune = nn.Linear(width, JOINED * (FINE + 1))
        self.join = nn.Linear(HANDED, JOINED, bias=False)
        self.then = nn.Linear(JOINED, LAST)
        self.finish = nn.Linear(LAST, 1)

    def maps(self, quarter, eighth, sixteenth):
        """The picture's part of the work: coarse maps, fine maps."""
        up = lambda x: functional.interpolate(x, scale_factor=2, mode="nearest")
        x = self.from_eighth(eighth) + up(self.from_sixteenth(sixteenth))
        coarse = self.merge(functional.relu(quarter[:, :COARSE] + up(x)))
        return coarse, functional.pixel_shuffle(quarter[:, COARSE:], 2)

    def masks(self, coarse, fine, boxes):
        """The boxes' part: maps [P or 1, C, S, S], boxes [P, 4]."""
        window = Window(boxes)
        x = torch.cat([window.look(coarse, SIDE // 4), window.look(fine, SIDE // 2)], 1)
        x = functional.relu(self.entered(self.enter(x) + self.place))
        x = x + self.narrow(x)
        size = (window.size / SIDE).clamp(min=1 / SIDE)
        about = torch.cat([x.mean((2, 3)), size, size.log()], 1)
        x = x + self.wide(functional.relu(x + self.shape(about)[:, :, None, None]))
        x = x + self.last(x)
        handed = self.hand(x)
        share = torch.sigmoid(handed[:, :1])
        weight = share.sum((2, 3)) + 1
        inside, outside = (x * share).sum((2, 3)) / weight, x.mean((2, 3))
        described = self.describe(torch.cat([inside, outside], 1))
        # How clear-cut the mask is, which says much of how right it is.
        doubt = (share * (1 - share)).sum((2, 3)) / weight
        judged = self.judge(torch.cat([described, doubt], 1))

        count = SIDE // 2
        placed, within = window.place(handed, count)
        flat = placed.flatten(2)
        tuned = self.tune(described).reshape(-1, JOINED, FINE + 1)
        y = tuned[:, :, :FINE] @ fine.flatten(2) + self.join.weight @ flat + tuned[:, :, FINE:]
        y = self.then.weight @ functional.relu(y) + self.then.bias[:, None]
        # As a vector of one number this bias would be taken for one of many columns by rten 0.27.
        y = self.finish.weight @ functional.relu(y) + self.finish.bias[:, None]
        logits = (flat[:, :1] + y).reshape(-1, 1, count, count)
        logits = OUTSIDE + within.clamp(max=1) * (logits - OUTSIDE)
        return logits, torch.sigmoid(judged[:, :1]), judged[:, 1:]

    def forward(self, quarter, eighth, sixteenth, input_boxes):
        """What is exported: one picture, [1, P, 4] boxes."""
        coarse, fine = self.maps(quarter, eighth, sixteenth)
        masks, iou, score = self.masks(coarse, fine, input_boxes[0])
        return masks[None], iou[None], score[None]
