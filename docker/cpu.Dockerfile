# gancmri_jax on CPUs: build from the checkout's root,
#     docker build -f docker/cpu.Dockerfile -t gancmri .
#     docker run --rm -v "$PWD:/work" gancmri synthesize --out videos
FROM python:3.12-slim-bookworm

COPY . /src
RUN pip install --no-cache-dir '/src[apps]' && rm -rf /src

# Compiled programs, pretrained weights and the key of subjects' hashes lie here: mount it to keep them.
ENV XDG_CACHE_HOME=/cache XDG_CONFIG_HOME=/cache
RUN mkdir -m 1777 /cache /work
WORKDIR /work
ENTRYPOINT ["gancmri"]
CMD ["--help"]
