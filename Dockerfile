# The command line alone, for a pipeline's step: `make image` builds the wheel and then this.
FROM python:3.13-slim-bookworm AS build
COPY requirements-cli.lock dist/*.whl /tmp/
RUN python -m venv /opt/deployer \
 && /opt/deployer/bin/pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements-cli.lock \
 && /opt/deployer/bin/pip install --no-cache-dir --no-deps --no-index /tmp/*.whl \
 && /opt/deployer/bin/pip check

FROM python:3.13-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 deployer
COPY --from=build /opt/deployer /opt/deployer
ENV PATH=/opt/deployer/bin:$PATH
USER 10001
WORKDIR /work
ENTRYPOINT ["deployer"]
