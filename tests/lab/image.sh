#!/bin/bash
# Builds the disk image of the lab's virtual machine: Debian with a real snapd, two stand-in snaps
# for what the Snap Store would give (the base core24 and snapd), and a kernel that runs as an
# ordinary process (User-mode Linux) and enforces AppArmor. Needs root and Debian's packages.
#
# usage: image.sh DIRECTORY PYTHON
#   DIRECTORY  gets root/ (what the kernel runs from), disk.img, id and id.pub (the way in by ssh)
#   PYTHON     a CPython 3.12, as core24 and Ubuntu 24.04 have it at /usr/bin/python3.12
set -euo pipefail

mkdir -p "$1"
dir=$(realpath "$1")
prefix=$("$2" -c 'import sys; print(sys.base_prefix)')
python_libraries=libssl3t64,libffi8,libsqlite3-0,libbz2-1.0,liblzma5,zlib1g,libreadline8t64,libncursesw6,libuuid1,libexpat1
suite=trixie

# This machine's own Debian mirror; on other systems that which mmdebstrap takes by itself.
source=()
if grep -q '^ID=debian' /etc/os-release; then
    own=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep /debian/ | head -1 || true)
    source=(${own:+"deb $own $suite main"})
fi

debian() { # debian VARIANT PACKAGES TARGET [mmdebstrap options]
    local variant=$1 packages=$2 target=$3
    shift 3
    mmdebstrap --quiet --variant="$variant" --include="$packages" "$@" "$suite" "$target" \
        "${source[@]}"
}

put_python() { # put_python ROOT: laid out as on Ubuntu; CPython finds its prefix by itself
    cp -a "$prefix/lib/python3.12" "$1/usr/lib/"
    rm -rf "$1"/usr/lib/python3.12/{test,idlelib,tkinter,ensurepip,config-*,site-packages/*}
    cp "$(realpath "$prefix/bin/python3.12")" "$1/usr/bin/python3.12"
    cp -a "$prefix"/lib/libpython3*.so* "$1/usr/lib/x86_64-linux-gnu/" 2>/dev/null || true
    chroot "$1" /usr/bin/python3.12 -c 'import ssl, sqlite3, ctypes, lzma, bz2, zlib'
}

pack() { # pack ROOT SNAP
    chmod 755 "$1"
    mksquashfs "$1" "$2" -noappend -comp zstd -Xcompression-level 3 -no-xattrs -no-fragments \
        -no-progress -quiet
}

stand_in_core24() { # a small userland with every directory that snap-confine mounts something on
    local base=$dir/base
    debian minbase "$python_libraries,ca-certificates,tzdata,openssl" "$base" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*'
    put_python "$base"
    ln -s python3.12 "$base/usr/bin/python3"
    rm -rf "$base"/var/cache/apt/* "$base"/var/lib/apt/lists/* "$base"/dev/* "$base"/boot/*
    mkdir -p "$base"/{dev,proc,sys,run/netns,tmp,snap,home,root,media,mnt,writable,meta} \
        "$base"/var/{snap,log,tmp,lib/snapd,cache} "$base"/usr/{src,lib/snapd,local} \
        "$base"/lib/{modules,firmware}
    ln -sf ../lib/snapd/snapctl "$base/usr/bin/snapctl"
    cat >"$base/meta/snap.yaml" <<'YAML'
name: core24
version: stand-in
summary: Stand-in for the base core24, made of Debian's packages
description: For tests only.
type: base
architectures: [amd64]
YAML
    pack "$base" "$dir/core24.snap"
    rm -rf "$base"
}

stand_in_snapd() { # what Debian's own snapd consists of
    local snap=$dir/snapd root=$dir/root version
    version=$(sed -n 's/^VERSION=//p' "$root/usr/lib/snapd/info" | tr -d "'")
    mkdir -p "$snap"/{usr/lib,usr/bin,etc/apparmor.d,meta}
    cp -a "$root/usr/lib/snapd" "$snap/usr/lib/"
    cp -a "$root/usr/bin/snap" "$snap/usr/bin/"
    cp -a "$root"/etc/apparmor.d/usr.lib.snapd* "$snap/etc/apparmor.d/"
    cat >"$snap/meta/snap.yaml" <<YAML
name: snapd
version: "$version"
summary: Stand-in for the snap snapd, made of Debian's package
description: For tests only.
type: snapd
architectures: [amd64]
YAML
    pack "$snap" "$root/root/snapd.snap"
    rm -rf "$snap"
}

download() { # download SUITE PACKAGE DIRECTORY: a package of another Debian, from the same mirror
    local suite_of_it=$1 package=$2 apt=$3
    mkdir -p "$apt"/{lists,cache}
    sed -n "s/^deb \(\[[^]]*\] \)\?\([^ ]*\) $suite .*/deb \2 $suite_of_it main/p" \
        "$dir/root/etc/apt/sources.list" | head -1 >"$apt/sources.list"
    (
        cd "$apt"
        options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
            -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root
            -o "Dir::Etc::trustedparts=$dir/root/etc/apt/trusted.gpg.d" -o APT::Architecture=amd64)
        apt-get "${options[@]}" -qq update
        apt-get "${options[@]}" -qq download "$package"
    )
}

put_kernel() { # from sid, whose kernel traps system calls by seccomp: three times faster
    local apt=$dir/apt root=$dir/root modules
    download sid user-mode-linux "$apt"
    dpkg-deb -x "$apt"/user-mode-linux_*.deb "$apt/content"
    cp "$apt/content/usr/bin/linux.uml" "$root/usr/bin/"
    mkdir -p "$root/lib/modules"
    cp -a "$apt"/content/usr/lib/uml/modules/* "$root/lib/modules/"
    for modules in "$apt"/content/usr/lib/uml/modules/*; do
        chroot "$root" depmod "$(basename "$modules")"
    done
    printf '%s\n' loop squashfs overlay >"$root/etc/modules-load.d/snap.conf"
    rm -rf "$apt"
}

put_old_snapd() { # that of Debian 12, for the last tests
    download bookworm snapd "$dir/old"
    cp "$dir"/old/snapd_*.deb "$dir/root/opt/old-snapd.deb"
    rm -rf "$dir/old"
}

configure() { # root by key only; one address, no default route, so no other network
    local root=$dir/root
    echo lab >"$root/etc/hostname"
    printf '127.0.0.1 localhost lab\n' >"$root/etc/hosts"
    : >"$root/etc/fstab"
    mkdir -p "$root/root/.ssh" "$root/lab" "$root/etc/systemd/system.conf.d"
    cp "$dir/id.pub" "$root/root/.ssh/authorized_keys"
    chmod -R go= "$root/root/.ssh"
    printf '[Match]\nName=vec0\n[Network]\nAddress=10.77.0.2/28\nLinkLocalAddressing=no\n' \
        >"$root/etc/systemd/network/10-lab.network"
    printf '[Manager]\nDefaultTimeoutStartSec=600s\nDefaultDeviceTimeoutSec=600s\n' \
        >"$root/etc/systemd/system.conf.d/slow.conf"
    echo 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin' \
        >"$root/etc/environment"
    chroot "$root" systemctl -q enable systemd-networkd ssh
    chroot "$root" systemctl -q disable auditd # started by the test that listens
    chroot "$root" systemctl -q mask systemd-networkd-wait-online apt-daily.timer \
        apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer snapd.snap-repair.timer
}

rm -rf "$dir"/{root,base,core24.snap,disk.img,id,id.pub}
stand_in_core24 & # the other core has nothing to do meanwhile
core24=$!
ssh-keygen -q -t ed25519 -N '' -f "$dir/id"
debian minbase "systemd,systemd-sysv,dbus,udev,apparmor,auditd,snapd,openssh-server,python3,iproute2,procps,kmod,ca-certificates,debian-archive-keyring,$python_libraries" "$dir/root"
put_python "$dir/root"
put_kernel
put_old_snapd
configure
stand_in_snapd
wait "$core24"
mv "$dir/core24.snap" "$dir/root/root/"
mke2fs -q -t ext4 -d "$dir/root" -L root "$dir/disk.img" 4G
rm "$dir"/root/root/*.snap
