"""Makes a judge to test against: a Qwen2.5-VL of true structure, a few hundred KB, weights drawn by a seed; for `transformers serve`.

    python3 make_judge.py FOLDER lines    a judge that answers in the lines of a rubric; the scores hang on what it is shown
    python3 make_judge.py FOLDER noise    a judge that says whatever comes, up to the most tokens that it may

Nothing of it is kept: serve.rs beside this script makes it anew. Ran with Python 3.11, torch 2.15, torchvision 0.29.2,
transformers 5.23, tokenizers 0.23, pillow 13.0.

The processor resizes pictures as ImgEdit-Judge's does: patches of 14, two by two to a token, 1,016,064 to 1,354,752 pixels.

`lines` is a chain: each line of the answer is a token of its own, the last token's embedding points to the next line, and the layers
add a little of what they saw. So the order of the lines is fixed, and which of a line's five variants comes is up to the pictures.
"""

import json
import os
import sys

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
)
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
LABELS = ["Prompt Compliance", "Visual Naturalness", "Physical & Detail Integrity"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH = 64


def lines():
    """The answer's lines in turn, each with its variants."""
    scores = [[f"{label}: {score}\n" for score in range(1, 6)] for label in LABELS]
    return [["Brief reasoning: drawn, and not looked at.\n"], *scores]


def tokenizer():
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    model.add_special_tokens(SPECIAL)
    # Whole, and no others' words: a rubric that names a label is spelt by letters.
    model.add_tokens([AddedToken(text, normalized=False) for variants in lines() for text in variants])
    made = PreTrainedTokenizerFast(tokenizer_object=model, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=32768)
    made.chat_template = TEMPLATE
    return made


def config(words):
    of = words.convert_tokens_to_ids
    text = {
        "vocab_size": len(words), "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32768, "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [2, 3, 3]},
        "bos_token_id": of("<|endoftext|>"), "eos_token_id": of("<|im_end|>"), "pad_token_id": of("<|endoftext|>"),
    }
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": WIDTH, "patch_size": 14,
        "spatial_merge_size": 2, "window_size": 112, "fullatt_block_indexes": [1], "temporal_patch_size": 2,
    }
    return Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=False,
        image_token_id=of("<|image_pad|>"), video_token_id=of("<|video_pad|>"),
        vision_start_token_id=of("<|vision_start|>"), vision_end_token_id=of("<|vision_end|>"),
    )


def chain(model, words):
    """Has every token lead to the next line, and the last line to the end."""
    inner = model.model.language_model
    embedded, head = inner.embed_tokens.weight, model.lm_head.weight
    of = words.convert_tokens_to_ids
    turns = [[of(text) for text in variants] for variants in lines()] + [[of("<|im_end|>")]]
    with torch.no_grad():
        # An axis a turn, where nothing else is; the layers write to the others alone.
        axes = len(turns)
        embedded[:, :axes] = 0
        head[:, :axes] = 0
        # What precedes an answer.
        embedded[of("Ċ"), 0] = 10
        for axis, (these, _) in enumerate(zip(turns, turns[1:]), start=1):
            embedded[these, axis] = 10
        for layer in inner.layers:
            layer.self_attn.o_proj.weight[:axes] = 0
            layer.mlp.down_proj.weight[:axes] = 0
        for axis, these in enumerate(turns):
            head[these, axis] = 100


def main(folder, kind):
    torch.manual_seed(7)
    words = tokenizer()
    model = Qwen2_5_VLForConditionalGeneration(config(words)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "visual" not in name:
                weight.normal_(0, 0.3)
    of = words.convert_tokens_to_ids
    if kind == "lines":
        chain(model, words)
    else:
        # It never ends by itself.
        with torch.no_grad():
            model.lm_head.weight[of("<|im_end|>")] = 0
    model.generation_config = GenerationConfig(
        do_sample=False, bos_token_id=of("<|endoftext|>"), eos_token_id=of("<|im_end|>"), pad_token_id=of("<|endoftext|>")
    )
    pixels = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2, "min_pixels": 1016064, "max_pixels": 1354752}
    processor = Qwen2_5_VLProcessor(Qwen2VLImageProcessor(**pixels), words, Qwen2VLVideoProcessor(), chat_template=TEMPLATE)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    print(json.dumps({"folder": folder, "bytes": size, "vocabulary": len(words)}))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("lines", "noise"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
