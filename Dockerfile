# surgewatch as a container: `docker build --tag surgewatch .`, or docker-compose.yml, which builds
# it too. Linted by tests/unit/test_compose.py.

FROM python:3.13-slim-bookworm AS base

# What only building needs stays behind in this stage.
FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY detectors detectors
COPY streams streams
# One wheel of each package, in the versions that the tests run with, the builder's included. Where
# Faust has none (arm64), its pure Python is taken: it then says that it finds no compiler, and goes
# on. The environment has no pip.
RUN pip install --constraint constraints.txt hatchling \
    && pip wheel --constraint constraints.txt --wheel-dir /wheels --no-build-isolation --no-deps . \
    && pip wheel --constraint constraints.txt --wheel-dir /wheels /wheels/surgewatch-*.whl \
    && python -m venv --without-pip /opt/surgewatch \
    && pip --python /opt/surgewatch/bin/python install --no-index --no-deps /wheels/*.whl

FROM base
LABEL org.opencontainers.image.title="surgewatch" \
      org.opencontainers.image.description="Tells operations within minutes that a wave of foreign users is arriving" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is installed into a running container.
RUN pip uninstall --yes --root-user-action ignore pip \
    && groupadd --gid 10001 surgewatch \
    && useradd --uid 10001 --gid surgewatch --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin surgewatch
COPY --from=build /opt/surgewatch /opt/surgewatch
ENV PATH=/opt/surgewatch/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number, so that Kubernetes sees that it is not root.
USER 10001:10001
# The one folder that anybody may write to.
WORKDIR /tmp
STOPSIGNAL SIGTERM
ENTRYPOINT ["surgewatch"]
CMD ["--help"]
