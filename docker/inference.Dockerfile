# Inference on an NVIDIA GPU: the wheels of ./heron with onnxruntime-gpu and TensorRT. Build at the top level:
#   docker build -f docker/inference.Dockerfile -t heron-inference . && docker run --gpus all heron-inference
# Not built by our continuous integration, which has neither a GPU nor a container service: build and try it before you rely on it.
# CUDA 13 is what onnxruntime-gpu of requirements-gpu.txt is made for on Python 3.12; the host needs a driver of branch 580 or newer.
FROM nvidia/cuda:13.0.1-base-ubuntu24.04

RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv python3-dev build-essential git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/heron
COPY . .
# onnxruntime and onnxruntime-gpu hold the same module: one must go before the other comes.
RUN ./heron setup \
    && .venv/bin/python -m pip uninstall -y onnxruntime \
    && .venv/bin/python -m pip install --require-hashes -r requirements-gpu.txt
ENTRYPOINT ["./heron"]
CMD ["--help"]
