# Two images from one file:
#   docker build --target cpu  -t av-adapter-bench .         # processors only, no CUDA libraries
#   docker build --target cuda -t av-adapter-bench:cuda .    # needs the NVIDIA container toolkit on the host
#   docker run --rm -v "$PWD/runs:/work/runs" av-adapter-bench run --grid --set precision=fp32
#   docker run --rm --gpus all --shm-size 8g -v "$PWD/runs:/work/runs" av-adapter-bench:cuda run --grid
FROM python:3.11-slim-bookworm AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 AVBENCH_CACHE=/work/cache
RUN useradd --create-home --uid 1000 bench && mkdir -p /work/runs /work/cache && chown -R bench /work
COPY . /source
WORKDIR /work
ENTRYPOINT ["av-adapter-bench"]
CMD ["--help"]

FROM base AS cpu
# torch without CUDA has an index of its own; the local version (+cpu) meets the pins of constraints.txt. Triton and the
# libraries of CUDA are not asked for by that build, so their lines do nothing.
RUN grep -E '^(torch|torchvision|torchaudio)==' /source/constraints.txt > /tmp/torch.txt \
    && pip install --index-url https://download.pytorch.org/whl/cpu --requirement /tmp/torch.txt \
    && pip install --constraint /source/constraints.txt /source
USER 1000

FROM base AS cuda
# A C compiler, with which Triton builds the launcher of its kernels (attention over time, torch.compile).
# Debian keeps one version of each, so a pinned one would stop the build at its next update.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN pip install --constraint /source/constraints.txt /source
USER 1000
