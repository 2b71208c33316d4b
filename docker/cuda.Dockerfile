# gancmri_jax on NVIDIA GPUs: build from the checkout's root,
#     docker build -f docker/cuda.Dockerfile -t gancmri:cuda .
#     docker run --rm --gpus all -v "$PWD:/work" gancmri:cuda benchmark training
# CUDA and cuDNN come with JAX's own packages; the host needs the NVIDIA driver and its container
# toolkit.
FROM python:3.12-slim-bookworm

COPY . /src
RUN pip install --no-cache-dir '/src[apps,cuda]' && rm -rf /src

ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENV XDG_CACHE_HOME=/cache XDG_CONFIG_HOME=/cache
RUN mkdir -m 1777 /cache /work
WORKDIR /work
ENTRYPOINT ["gancmri"]
CMD ["--help"]
