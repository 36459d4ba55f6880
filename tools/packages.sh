# shellcheck shell=sh disable=SC2034 # used by those that source it
# Sourced by ./run and ./test: which packages are needed, and installing what is missing.

PACKAGES_RUN="build-essential meson ninja-build pkg-config libevent-dev libcurl4-openssl-dev libwslay-dev libjansson-dev libyaml-dev \
libsqlite3-dev libssl-dev libedit-dev libwebp-dev libpng-dev libidn2-dev ca-certificates tzdata"
PACKAGES_TEST="clang clang-tidy clang-format cppcheck libcmocka-dev openssl python3 python3-pyflakes python3-pytest python3-pytest-xdist python3-venv python3-websockets shellcheck sqlite3"

say() { printf '%s\n' "$*" >&2; }

# install_packages NAME...: those that are missing, with apt; asks for nothing. Ends the script with a sentence where that cannot be done.
install_packages() {
    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
        say "这个系统没有 apt：./run 和 ./test 只会在 Debian 12 / Ubuntu 24.04（及更新版本）上自动安装依赖。"
        say "请自行安装这些软件包对应的依赖，再运行: meson setup build && ninja -C build && build/dingbridge"
        say "No apt here: dependencies are installed by themselves on Debian and Ubuntu only. Install the equivalents of"
        say "  $*"
        say "and run: meson setup build && ninja -C build && build/dingbridge   (or use the Dockerfile)"
        exit 69
    fi
    missing=""
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            say "需要 root 权限安装：$missing"
            say "These packages are missing and there is no sudo; as root run: apt-get install -y$missing"
            exit 77
        fi
        as_root="sudo"
    fi
    say "安装依赖 installing:$missing"
    # A list of packages may be old or missing on a fresh machine: refresh it once when the first try fails.
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 && return 0
    $as_root apt-get update >&2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2
}

# build_dir DIR OPTIONS...: configured (again when its options changed) and ready for ninja.
build_dir() {
    dir=$1
    shift
    if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.options" 2>/dev/null)" = "$*" ]; then
        return 0
    fi
    rm -rf "$dir"
    meson setup "$dir" "$@" >&2
    printf '%s' "$*" >"$dir/.options"
}

# python_env DIR REQUIREMENTS: a virtual environment with what the file pins and nothing else; made anew when the file changed.
python_env() {
    cmp -s "$2" "$1/.requirements" && return 0
    rm -rf "$1"
    if /usr/bin/python3 -m venv "$1" &&
        "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$2" >&2; then
        cp "$2" "$1/.requirements"
        return 0
    fi
    say "无法用 pip 安装 $2 里的 Python 包（需要能访问 pip 的软件源）：用到官方 Stream SDK 的测试会失败。"
    say "pip could not install what $2 lists; is its package index within reach? The tests with the official Stream SDK will fail."
    return 1
}
