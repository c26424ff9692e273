# Winnow in a container: the same install path as on a laptop, run by an ordinary user.
#
#   docker build -t winnow .
#   docker run --rm -p 127.0.0.1:8501:8501 -v winnow:/workspaces winnow
#   docker run --rm -v "$PWD:/data:ro" -v winnow:/workspaces winnow winnow scan /data/train.csv --out /workspaces/train
#
# With a GPU (the torch wheels of PyPI carry CUDA; the host needs NVIDIA's driver and container toolkit):
#
#   docker build --target cuda -t winnow:cuda .
#   docker run --rm --gpus all -p 127.0.0.1:8501:8501 -v winnow:/workspaces winnow:cuda
#
# For a smaller CPU-only image give the address of PyTorch's CPU wheel index:
# docker build --build-arg TORCH_INDEX=… -t winnow .
FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/winnow
# The dependencies first: this layer is kept until pyproject.toml or constraints.txt changes.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > requirements.txt \
    && /opt/winnow/bin/pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --constraint constraints.txt -r requirements.txt
COPY README.md LICENSE ./
COPY core core
COPY app app
RUN /opt/winnow/bin/pip install --no-deps .

FROM python:3.11-slim-bookworm AS run
RUN useradd --create-home --uid 10001 winnow && mkdir /workspaces && chown winnow:winnow /workspaces
COPY --from=build /opt/winnow /opt/winnow
ENV PATH=/opt/winnow/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER winnow
WORKDIR /workspaces
VOLUME /workspaces
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/api/health', timeout=4)"]
# Inside the container the server listens on every address; publish the port on 127.0.0.1 as above.
CMD ["winnow", "demo", "--host", "0.0.0.0", "--no-auth", "--no-browser", "--home", "/workspaces/demo"]

FROM run AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN python -c "import torch; assert torch.version.cuda, 'this torch has no CUDA: build without TORCH_INDEX'"

# The default: what `docker build .` gives.
FROM run
