# docker build -t marketsweep .
# docker run -p 8600:8600 -v marketsweep:/data -e MASSIVE_API_KEY -e MARKETSWEEP_TOKEN --read-only --tmpfs /tmp marketsweep
# .ci/dockerfile.py runs these steps without Docker: make check-deploy

FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python3 -m venv /opt/marketsweep \
 && /opt/marketsweep/bin/pip install --no-cache-dir '.[serve]'

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/marketsweep /opt/marketsweep
RUN useradd --system --uid 10001 --no-create-home --home-dir /data marketsweep \
 && install --directory --owner 10001 /data
ENV PATH=/opt/marketsweep/bin:/usr/bin:/bin MARKETSWEEP_DATA=/data
VOLUME /data
USER 10001
EXPOSE 8600
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8600/healthz', timeout=4)"]
CMD ["marketsweep", "serve", "--host", "0.0.0.0", "--sync"]
