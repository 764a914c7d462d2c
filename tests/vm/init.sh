#!/bin/busybox sh
# The guest's first program. It lays an overlay in memory over the host's files, which QEMU gives read-only, makes
# that the root, and runs the agent. GUEST_MODULES, GUEST_PYTHON and GUEST_AGENT come from the kernel's command line,
# whose unknown NAME=VALUE words become variables of the first program.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in $($b cat /modules/order); do $b insmod "$module"; done

$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose host /host
$b mount -t tmpfs -o mode=755 upper /upper
$b mkdir /upper/files /upper/work
$b mount -t overlay -o lowerdir=/host,upperdir=/upper/files,workdir=/upper/work root /new
$b mount -t tmpfs -o mode=755 run /new/run
$b mkdir -m 755 /new/run/lock /new/run/user /new/run/pcscd /new/run/dbus
$b mkdir -m 700 /new/run/user/0
$b mkdir -m 1777 /new/run/tmp
$b mkdir -p /new/lib/modules
$b ln -s "$GUEST_MODULES" /new/lib/modules/
$b mkdir -p /new/etc/modprobe.d
echo "options dummy_hcd num=4" >/new/etc/modprobe.d/vukey-guest.conf  # controllers: keys at once

for each in proc sys dev; do $b mount --move /$each /new/$each; done
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts devpts /new/dev/pts
$b mount -t tmpfs -o mode=1777 shm /new/dev/shm
$b ln -s /proc/self/fd /new/dev/fd
for each in 0:stdin 1:stdout 2:stderr; do $b ln -s /proc/self/fd/${each%:*} /new/dev/${each#*:}; done
$b hostname vukey-guest
$b ip link set lo up

# The shell stays as process 1, because it waits for orphans too.
exec $b switch_root /new /bin/sh -c '
    /lib/systemd/systemd-udevd --daemon  # pcscd and libusb hear of devices from it alone
    "$GUEST_PYTHON" -I -S "$GUEST_AGENT" /dev/vport*
    echo o >/proc/sysrq-trigger
    sleep 60
'
