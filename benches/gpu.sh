#!/usr/bin/env bash
# Measures the pipelines on an NVIDIA GPU, out of a folder that was packed elsewhere; --help says how.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}

help() {
    cat <<'TEXT'
Measures Threshflow on a machine with an NVIDIA GPU, which needs no network. All of it takes eight minutes at most.

  benches/gpu.sh pack FOLDER [OPTIONS]    where package registries can be reached; no GPU is needed
  FOLDER/gpu.sh run FOLDER [OPTIONS]      where the GPU is; from a checkout, benches/gpu.sh run FOLDER

Pack puts into FOLDER: the program; onnxruntime-gpu and the Python packages that the bench needs, as wheels; the graphs of
CLIP ViT-L/14, SAM 2.1, YOLO-World and ResNet-18 without their weights; this script. It prints the size of each part. What
is in FOLDER already is not made again, so that a pack that was broken off goes on. The graphs come from models/export,
which take up to 8 GB of memory.
  --program PATH        the program, for x86-64 Linux [default: target/release/threshflow]
  --size full|small     the real sizes, or narrow models of the same structure for a quick dry run [default: full]
  --sam2 large|base+|tiny   which SAM 2.1, of the full size [default: large]
  --python X.Y          the Python of the GPU machine [default: that of this one]
  --cuda carry|leave    take the CUDA libraries along (over 1 GB), or leave them out where the GPU machine's Python has
                        them, as with a torch of the same CUDA version [default: carry]
  --without PACKAGE     leave out a wheel that the GPU machine has; may be given several times
  --export-python PYTHON   a Python with the packages of models/export/requirements-{clip,sam2,yolo-world}.txt
                        [default: an environment that is made for this (6 GB), and removed at the end]
  --pieces MIB          also cut the folder into pieces: cat FOLDER/pieces/* | tar x -C THERE puts them together

Run installs the wheels (or takes the onnxruntime that Python has, and says so), draws the weights and the pictures, and
goes through these steps. Each has its own time, and prints its numbers.
  1  what is here. A session that would fall back to the CPU is a failure.
  2  bare sessions: images/s of each model by batch size, plainly and with bound, page-locked memory
  3  `prepare bench` and `recap_mask run` over shards: images/s, the share of the bare limit, how busy the GPU was, where it
     starved, and what the program says of its queues
  4  memory: another process holds most of the GPU's, so that a batch of 64 does not fit; answers must be the same
  5  answers: the same pictures by the GPU and by the CPU; scores, boxes, masks
A step that fails says why, and the others go on; the exit code is then 1.
  --device cuda:N|cpu   cpu is a dry run: few, small pictures; no sampling, no step 4; step 5 compares scores with the
                        embedded back-end, and regions with a run on one core [default: cuda:0]
  --seconds N           for all of it, installing included; steps and pictures are scaled by it [default: 480]
  --out FOLDER          results.json, and scratch files of up to 10 GB meanwhile [default: gpu-bench]
  --keep                keep the scratch files
The weights are random: speeds are those of the real models, answers mean nothing. PYTHON names another python3.
TEXT
}

# Puts the wheels where this run finds them. Python's own packages are used for all that is not among them.
install() {
    site=$out/site
    installed="the onnxruntime that $python has"
    if compgen -G "$folder/wheels/*.whl" >/dev/null; then
        rm -rf "$site"
        "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check \
            --root-user-action=ignore --target "$site" "$folder"/wheels/*.whl
        export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
        if compgen -G "$folder/wheels/onnxruntime*.whl" >/dev/null; then
            installed="the onnxruntime of the wheels"
        fi
    fi
    echo "this run takes $installed"
}

# The folders of the CUDA libraries that came as wheels, here or with torch.
cuda_libraries() {
    "$python" - <<'CODE'
import pathlib
import sys

found = [path for root in sys.path if root for path in sorted(pathlib.Path(root).glob("nvidia/*/lib"))]
print(":".join(map(str, found)))
CODE
}

run() {
    local began folder out=gpu-bench words=()
    began=$(date +%s.%N)
    while [ $# -gt 0 ]; do
        case $1 in
        --out) out=${2:?--out needs a folder} && shift 2 ;;
        --out=*) out=${1#--out=} && shift ;;
        *) words+=("$1") && shift ;;
        esac
    done
    folder=${words[0]:?run needs the packed folder, in front of its options}
    [ -f "$folder/pack.json" ] || { echo "error: $folder was not packed by this script: it has no pack.json" >&2; exit 2; }
    mkdir -p "$out"
    out=$(cd "$out" && pwd)
    install
    local libraries
    libraries=$(cuda_libraries)
    export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
    local code=0
    "$python" "$here/gpu/run.py" "${words[@]}" --out "$out" --began "$began" --installed "$installed" || code=$?
    rm -rf "$out/site"
    exit "$code"
}

case ${1:-} in
pack) shift && exec "$python" "$here/gpu/pack.py" "$@" ;;
run) shift && run "$@" ;;
-h | --help | help) help ;;
*)
    help >&2
    exit 2
    ;;
esac
