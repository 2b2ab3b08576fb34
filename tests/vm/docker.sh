# shellcheck shell=bash
# Sourced by `run`: the machine with a real dockerd on a cgroup v2 kernel.

# A root file system with dockerd, the watcher and, if given, hinomi.
docker_root() {
    local root=$1 tool
    need dockerd containerd containerd-shim-runc-v2 runc docker docker-init ctr ip
    static_busybox "$root"
    mkdir -p "$root"/{proc,sys,dev,tmp,run,var/lib,etc/ssl,modules,root}
    ln -s /run "$root/var/run"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    printf 'root:x:0:\ndocker:x:101:\n' >"$root/etc/group"
    echo '127.0.0.1 localhost' >"$root/etc/hosts"
    for tool in dockerd containerd containerd-shim-runc-v2 runc docker docker-init ctr ip; do
        program "$(command -v "$tool")" "usr/bin/$tool" "$root"
    done
    program "$WATCHER" bin/oom_watch "$root"
    if [ -n "${HINOMI_BIN:-}" ]; then
        [ -x "$HINOMI_BIN" ] || skip "no program $HINOMI_BIN"
        program "$HINOMI_BIN" bin/hinomi "$root"
        # Strip what only a debugger reads: the disk image is copied into memory.
        ! command -v strip >/dev/null || strip -g "$root/bin/hinomi"
    fi
    module "$root/modules" overlay
    cp "$HERE/guest/lib.sh" "$root/lib.sh"
    install -m 755 "$HERE/guest/init-docker" "$root/init"
    # What containers are made of.
    mkdir -p "$WORK/box/bin" "$WORK/box/tmp"
    cp "$root/bin/busybox" "$WORK/box/bin/"
    for tool in sh sleep tail; do ln -s busybox "$WORK/box/bin/$tool"; done
    tar -C "$WORK/box" -cf "$root/box.tar" .
}

docker_machine() {
    local root=$WORK/root first=$WORK/first size
    docker_root "$root"
    size=$(du -sm "$root" | cut -f1)
    truncate -s "$((size + 160))M" "$WORK/root.img"
    mkfs.ext4 -q -F -d "$root" -O ^has_journal "$WORK/root.img"
    # runc cannot pivot_root on an initramfs: a first stage mounts the disk.
    static_busybox "$first"
    mkdir -p "$first"/{proc,dev,new}
    module "$first/modules" "${VIRTIO[@]}"
    install -m 755 "$HERE/guest/init-first" "$first/init"
    pack "$first" "$WORK/first.gz"
    SECONDS=0
    # One processor: emulated ones now and then lose the interrupts that they send each other.
    boot 240 -smp 1 -m 1536 -initrd "$WORK/first.gz" \
        -drive "file=$WORK/root.img,format=raw,if=virtio,cache=unsafe,snapshot=on" \
        -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all"
}
