# syntax=docker/dockerfile:1
# The program, its Python package and ONNX Runtime. `docker build .` is for CPUs, and `docker build --target cuda .` for NVIDIA's GPUs.
ARG RUST=1.95
ARG PYTHON=3.13

# The wheel, built as a release is. It runs with the glibc of this Debian and later ones.
FROM rust:${RUST}-slim-bookworm AS wheel
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /maturin \
    && /maturin/bin/pip install --no-cache-dir "maturin==1.16.0"
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    /maturin/bin/maturin build --release --strip --out /wheels

FROM python:${PYTHON}-slim-bookworm AS base
# The program looks for ONNX Runtime in the environment that this names.
ENV VIRTUAL_ENV=/opt/threshflow PATH=/opt/threshflow/bin:$PATH
RUN python3 -m venv "$VIRTUAL_ENV"
# What is published lies in the caller's folder: `docker run -v "$PWD:/data"`.
WORKDIR /data
ENTRYPOINT ["threshflow"]
CMD ["--help"]

FROM base AS cuda
RUN --mount=from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/threshflow-*.whl)[pillow,cuda]" \
    # CUDA and cuDNN come as wheels, too: their libraries are where the loader looks.
    && find "$VIRTUAL_ENV" -type d -path '*/nvidia/*/lib' > /etc/ld.so.conf.d/cuda.conf \
    && ldconfig
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

# The last one is what is built where none is named.
FROM base AS cpu
RUN --mount=from=wheel,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/threshflow-*.whl)[pillow,onnx]"
