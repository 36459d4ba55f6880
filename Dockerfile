# 构建 build:  docker build -t dingbridge .
# 运行 run:    docker run -d -p 8090:8090 -v dingbridge-data:/app/data -v "$PWD/config.yml:/app/config.yml:ro" dingbridge
#
# 拉不到官方镜像或软件源慢时，换成公司自己的 where Docker Hub or the package mirror is slow, name your own:
#   docker build --build-arg DEBIAN_IMAGE=… --build-arg DEBIAN_MIRROR=… -t dingbridge .
ARG DEBIAN_IMAGE=debian:bookworm-slim

FROM ${DEBIAN_IMAGE} AS build
ARG DEBIAN_MIRROR=
WORKDIR /src
COPY tools/packages.sh tools/
# The same list of packages as ./run. This stage is thrown away, its package lists with it.
RUN set -eu; \
    if [ -n "$DEBIAN_MIRROR" ]; then \
        sed -i "s|deb.debian.org|$DEBIAN_MIRROR|g" /etc/apt/sources.list.d/debian.sources; \
    fi; \
    . tools/packages.sh; \
    install_packages $PACKAGES_RUN
COPY meson.build meson_options.txt ./
COPY src src
RUN set -eu; \
    meson setup build --buildtype=release -Db_ndebug=false -Dtests=false; \
    ninja -C build; \
    strip build/dingbridge

FROM ${DEBIAN_IMAGE}
ARG DEBIAN_MIRROR=
RUN set -eu; \
    if [ -n "$DEBIAN_MIRROR" ]; then \
        sed -i "s|deb.debian.org|$DEBIAN_MIRROR|g" /etc/apt/sources.list.d/debian.sources; \
    fi; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates tzdata libcurl4 libedit2 libevent-core-2.1-7 libevent-extra-2.1-7 \
        libidn2-0 libjansson4 libpng16-16 libsqlite3-0 libssl3 libwebp7 libwslay1 libyaml-0-2; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log; \
    groupadd --gid 10001 dingbridge; \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin dingbridge; \
    install -d -o dingbridge -g dingbridge -m 0750 /app/data
COPY --from=build /src/build/dingbridge /usr/local/bin/dingbridge
# A library that is missing ends the build and not the first start.
RUN ["dingbridge", "version"]
WORKDIR /app
# TZ is for the shell; the bridge's own days follow the key `timezone`.
ENV TZ=Asia/Shanghai LANG=C.UTF-8
USER 10001:10001
VOLUME ["/app/data"]
EXPOSE 8090
STOPSIGNAL SIGTERM
# bash speaks TCP itself, so that no client has to be in the image.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${PORT:-8090} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && read -r -t 4 line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["dingbridge"]
CMD ["serve"]
