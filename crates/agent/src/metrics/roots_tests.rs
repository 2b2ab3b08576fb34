//! Whole rounds over folders that look like those of several kernels, and over nonsense.

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// A file and what it holds; `<id>` stands for the container's id.
type Content = (&'static str, &'static str);

/// Family, labels of a series in it, and its value; `None` if there is no such series.
type Case = (&'static str, &'static [(&'static str, &'static str)], Option<f64>);

const HOST: [Content; 34] = [
    (
        "proc/stat",
        "cpu  10 0 0 0\ncpu0 426103 52550 168906 857119 4252 0 1107 175 7 8\nintr 48013231 0 0\nctxt 131991756\nbtime 1795506998\nprocesses 1721090\nprocs_running 6\nprocs_blocked 0\n",
    ),
    ("proc/loadavg", "5.25 3.67 4.49 9/1217 7043\n"),
    (
        "proc/meminfo",
        "MemTotal:       24684100 kB\nActive(anon):       2236 kB\nHugePages_Total:       0\nSwapTotal: 0 kB\n",
    ),
    ("proc/vmstat", "nr_free_pages 2035873\npgpgin 36023380\noom_kill 3\npgmajfault 7\n"),
    ("proc/pressure/cpu", "some avg10=52.63 avg60=36.73 avg300=32.15 total=3501360308\n"),
    (
        "proc/pressure/io",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n",
    ),
    (
        "proc/pressure/memory",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=3\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=2\n",
    ),
    ("proc/pressure/irq", "full avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n"),
    (
        "proc/diskstats",
        " 254       0 vda 2269866 61426 71929322 1811177 7399449 1484343 226281640 2016063 0 449376 4079638 1247566 801 116112192 109846 1800912 142551\n   8       1 sda1 1 2 3 4 5 6 7 8 9 10 11\n",
    ),
    ("run/udev/data/b254:0", "E:ID_MODEL=Disk\nE:ID_SERIAL_SHORT=77\n"),
    (
        "proc/1/net/dev",
        "Inter-|\n face |\n  eth0: 1475390174   55063    0    0    0     0          0         0  3730647   39029    0    0    0     0       0          0\n veth1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
    ),
    ("sys/class/net/eth0/statistics/rx_nohandler", "9\n"),
    ("sys/class/net/eth0/operstate", "up\n"),
    ("sys/class/net/eth0/address", "02:fc:00:00:00:01\n"),
    ("sys/class/net/eth0/flags", "0x1003\n"),
    ("sys/class/net/eth0/speed", "10000\n"),
    ("sys/class/net/eth0/mtu", "1400\n"),
    (
        "proc/1/net/arp",
        "IP address HW type Flags HW address Mask Device\n10.0.2.2 0x1 0x2 52:55:0a:00:02:02 * eth0\n",
    ),
    ("proc/1/net/snmp", "Tcp: ActiveOpens InErrs\nTcp: 47553 0\nUdp: InDatagrams NoPorts\nUdp: 7953 0\n"),
    (
        "proc/1/net/netstat",
        "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 0 2\nIpExt: InOctets OutOctets\nIpExt: 5 6\n",
    ),
    ("proc/1/net/snmp6", "Ip6InOctets                     \t78755071\n"),
    ("proc/1/net/sockstat", "sockets: used 26\nTCP: inuse 3 orphan 0 tw 23 alloc 27 mem 53\n"),
    ("proc/1/net/softnet_stat", "000f1b55 00000000 00000001 00000000\n"),
    ("proc/1/net/stat/nf_conntrack", "entries  found new\n00000011  00000002 00000000\n"),
    ("proc/sys/net/netfilter/nf_conntrack_count", "17\n"),
    ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
    ("proc/sys/fs/file-nr", "4982\t0\t2466190\n"),
    ("proc/sys/kernel/random/entropy_avail", "256\n"),
    ("proc/sys/kernel/random/boot_id", "8e2b0b0c-0000-4000-8000-000000000001\n"),
    ("proc/uptime", "15239.40 16898.13\n"),
    (
        "proc/1/mounts",
        "/dev/vda / ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/gone /no/such/folder ext4 rw 0 0\n",
    ),
    ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nNAME=\"Debian\"\n"),
    ("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n"),
    ("sys/class/thermal/thermal_zone0/temp", "47000\n"),
];

const PROCESS: [Content; 4] = [
    ("proc/77/stat", "77 (a (b) c) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 1500 1 2 3\n"),
    (
        "proc/77/limits",
        "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024                 524288               files\n",
    ),
    (
        "proc/77/net/dev",
        "Inter-|\n face |\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  eth0: 100 2 3 4 5 6 7 8 900 10 11 12 13 14 15 16\n",
    ),
    ("sys/dev/block/254:0/uevent", "MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\n"),
];

/// Linux 6.1 with version 2, systemd's driver.
const SECOND: [Content; 19] = [
    ("proc/77/cgroup", "0::/system.slice/docker-<id>.scope\n"),
    ("cgroup/system.slice/docker-<id>.scope/cgroup.events", "populated 1\nfrozen 0\n"),
    ("cgroup/system.slice/docker-<id>.scope/cgroup.procs", "77\n78\n"),
    (
        "cgroup/system.slice/docker-<id>.scope/cpu.stat",
        "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 50\nnr_throttled 40\nthrottled_usec 3000000\nnr_bursts 0\nburst_usec 0\n",
    ),
    ("cgroup/system.slice/docker-<id>.scope/cpu.max", "20000 100000\n"),
    ("cgroup/system.slice/docker-<id>.scope/cpu.weight", "39\n"),
    (
        "cgroup/system.slice/docker-<id>.scope/memory.stat",
        "anon 8192\nfile 4096\nkernel 1024\nfile_mapped 512\ninactive_file 1000\nactive_file 3096\npgfault 7\npgmajfault 1\n",
    ),
    ("cgroup/system.slice/docker-<id>.scope/memory.current", "13312\n"),
    ("cgroup/system.slice/docker-<id>.scope/memory.peak", "20000\n"),
    ("cgroup/system.slice/docker-<id>.scope/memory.max", "67108864\n"),
    ("cgroup/system.slice/docker-<id>.scope/memory.low", "0\n"),
    ("cgroup/system.slice/docker-<id>.scope/memory.swap.max", "max\n"),
    ("cgroup/system.slice/docker-<id>.scope/memory.swap.current", "0\n"),
    (
        "cgroup/system.slice/docker-<id>.scope/memory.events",
        "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n",
    ),
    (
        "cgroup/system.slice/docker-<id>.scope/io.stat",
        "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
    ),
    ("cgroup/system.slice/docker-<id>.scope/pids.current", "5\n"),
    ("cgroup/system.slice/docker-<id>.scope/pids.max", "max\n"),
    (
        "cgroup/system.slice/docker-<id>.scope/cpu.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=7000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=6000000\n",
    ),
    (
        "cgroup/system.slice/docker-<id>.scope/memory.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=5000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4000000\n",
    ),
];

/// Linux 5.10 with version 1, where CPU and its accounting share a folder.
const FIRST: [Content; 16] = [
    (
        "proc/77/cgroup",
        "11:pids:/docker/<id>\n9:blkio:/docker/<id>\n5:memory:/docker/<id>\n4:cpu,cpuacct:/docker/<id>\n1:name=systemd:/docker/<id>\n0::/\n",
    ),
    ("cgroup/cpu,cpuacct/docker/<id>/cpu.shares", "1024\n"),
    (
        "cgroup/cpu,cpuacct/docker/<id>/cpu.stat",
        "nr_periods 50\nnr_throttled 40\nthrottled_time 3000000000\n",
    ),
    ("cgroup/cpu,cpuacct/docker/<id>/cpu.cfs_quota_us", "20000\n"),
    ("cgroup/cpu,cpuacct/docker/<id>/cpu.cfs_period_us", "100000\n"),
    ("cgroup/cpu,cpuacct/docker/<id>/cpuacct.usage", "2500000000\n"),
    ("cgroup/cpu,cpuacct/docker/<id>/cpuacct.stat", "user 200\nsystem 50\n"),
    ("cgroup/cpu,cpuacct/docker/<id>/cgroup.procs", "77\n78\n"),
    (
        "cgroup/memory/docker/<id>/memory.stat",
        "pgfault 7\ntotal_rss 8192\ntotal_cache 4096\ntotal_inactive_file 1000\ntotal_swap 0\n",
    ),
    ("cgroup/memory/docker/<id>/memory.usage_in_bytes", "13312\n"),
    ("cgroup/memory/docker/<id>/memory.limit_in_bytes", "67108864\n"),
    ("cgroup/memory/docker/<id>/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
    ("cgroup/blkio/docker/<id>/blkio.reset_stats", ""),
    (
        "cgroup/blkio/docker/<id>/blkio.throttle.io_service_bytes",
        "254:0 Read 4096\n254:0 Write 8192\n254:0 Total 12288\nTotal 12288\n",
    ),
    ("cgroup/blkio/docker/<id>/blkio.throttle.io_serviced", "254:0 Read 1\n254:0 Write 2\nTotal 3\n"),
    ("cgroup/pids/docker/<id>/pids.current", "5\n"),
];

fn id() -> String {
    "0a".repeat(32)
}

fn lay_out(root: &Path, contents: &[Content]) {
    for (path, text) in contents {
        write(root, path, text.replace("<id>", &id()).as_bytes());
    }
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path.replace("<id>", &id()));
    std::fs::create_dir_all(path.parent().expect("a folder above")).expect("made");
    std::fs::write(path, bytes).expect("written");
}

fn roots(root: &Path) -> Roots {
    let below = |name: &str| root.join(name);
    Roots { proc: below("proc"), sys: below("sys"), cgroup: below("cgroup"), root: root.to_owned() }
}

fn container() -> ContainerRef {
    let (name, image) = ("web".to_owned(), "web:1".to_owned());
    ContainerRef { id: id(), pid: 77, name, image, own_network: true, ..ContainerRef::default() }
}

/// The value of the only series that has all these pairs; `None` if there is none.
fn value(families: &Families, name: &str, pairs: &[(&str, &str)]) -> Option<f64> {
    let samples = &families.get(name)?.samples;
    let is_it = |sample: &&Sample| pairs.iter().all(|(key, value)| sample.labels.get(key) == Some(value));
    samples.iter().find(is_it).map(|sample| sample.value)
}

#[test]
fn a_host() {
    let root = tempfile::tempdir().expect("a folder");
    lay_out(root.path(), &HOST);
    let mut host = Host::new(roots(root.path()), Options::default());
    let mut families = Families::new();
    host.collect(5_000, &mut families);
    let cases: [Case; 20] = [
        ("node_cpu_seconds_total", &[("cpu", "0"), ("mode", "idle")], Some(8571.19)),
        ("node_forks_total", &[], Some(1_721_090.0)),
        ("node_memory_Active_anon_bytes", &[], Some(2_289_664.0)),
        ("node_vmstat_oom_kill", &[], Some(3.0)),
        ("node_pressure_irq_stalled_seconds_total", &[], Some(1.0)),
        ("node_disk_written_bytes_total", &[("device", "vda")], Some(115_856_199_680.0)),
        ("node_disk_written_bytes_total", &[("device", "sda1")], None),
        ("node_disk_info", &[("model", "Disk"), ("serial", "77"), ("major", "254")], Some(1.0)),
        ("node_network_transmit_packets_total", &[("device", "eth0")], Some(39_029.0)),
        ("node_network_transmit_packets_total", &[("device", "veth1")], None),
        ("node_network_receive_nohandler_total", &[("device", "eth0")], Some(9.0)),
        ("node_network_flags", &[], Some(4099.0)),
        ("node_network_speed_bytes", &[], Some(1.25e9)),
        ("node_netstat_Ip6_InOctets", &[], Some(78_755_071.0)),
        ("node_nf_conntrack_stat_found", &[], Some(2.0)),
        ("node_softnet_times_squeezed_total", &[("cpu", "0")], Some(1.0)),
        ("node_filesystem_device_error", &[("mountpoint", "/")], Some(0.0)),
        ("node_filesystem_device_error", &[("mountpoint", "/no/such/folder")], Some(1.0)),
        ("node_thermal_zone_temp", &[("zone", "0"), ("type", "x86_pkg_temp")], Some(47.0)),
        ("hinomi_host_info", &[("boot_id", "8e2b0b0c-0000-4000-8000-000000000001")], Some(1.0)),
    ];
    for (name, pairs, expected) in cases {
        assert_eq!(value(&families, name, pairs), expected, "{name} {pairs:?}");
    }
    assert_eq!(host.off(), []);
}

#[test]
fn what_is_missing_is_off_and_said_once() {
    let root = tempfile::tempdir().expect("a folder");
    lay_out(root.path(), &HOST);
    std::fs::remove_dir_all(root.path().join("proc/pressure")).expect("removed");
    std::fs::remove_file(root.path().join("proc/diskstats")).expect("removed");
    let mut host = Host::new(roots(root.path()), Options::default());
    let mut families = Families::new();
    for _ in 0..2 {
        families.clear();
        host.collect(5_000, &mut families);
    }
    let off: Vec<_> = host.off().into_iter().map(|off| off.feature).collect();
    assert_eq!(off, ["diskstats", "pressure"]);
    assert!(families.get("node_disk_io_now").is_none());
    assert!(families.get("node_load1").is_some());
    let success = |name| value(&families, "node_scrape_collector_success", &[("collector", name)]);
    assert_eq!((success("diskstats"), success("meminfo")), (Some(0.0), Some(1.0)));
}

#[test]
fn rights_say_what_is_missing() {
    let root = tempfile::tempdir().expect("a folder");
    let on = |root: &Path| {
        rights(&roots(root)).into_iter().map(|right| (right.feature, right.on)).collect::<Vec<_>>()
    };
    assert_eq!(on(root.path()), [("host metrics", false), ("container metrics", false)]);
    lay_out(root.path(), &HOST);
    assert_eq!(on(root.path()), [("host metrics", true), ("container metrics", false)]);
    lay_out(root.path(), &[("proc/1/cgroup", "0::/\n"), ("cgroup/cgroup.controllers", "cpu memory\n")]);
    assert_eq!(on(root.path()), [("host metrics", true), ("container metrics", true)]);
}

#[test]
fn a_container_by_either_version() {
    let same: [Case; 20] = [
        ("container_cpu_usage_seconds_total", &[("cpu", "total")], Some(2.5)),
        ("container_cpu_user_seconds_total", &[], Some(2.0)),
        ("container_cpu_cfs_throttled_periods_total", &[], Some(40.0)),
        ("container_cpu_cfs_throttled_seconds_total", &[], Some(3.0)),
        ("container_spec_cpu_quota", &[], Some(20_000.0)),
        ("container_spec_cpu_period", &[], Some(100_000.0)),
        ("container_memory_usage_bytes", &[], Some(13_312.0)),
        ("container_memory_working_set_bytes", &[], Some(12_312.0)),
        ("container_memory_rss", &[], Some(8192.0)),
        ("container_memory_cache", &[], Some(4096.0)),
        (
            "container_memory_failures_total",
            &[("failure_type", "pgfault"), ("scope", "container")],
            Some(7.0),
        ),
        ("container_spec_memory_limit_bytes", &[], Some(67_108_864.0)),
        ("container_oom_events_total", &[], Some(1.0)),
        ("container_processes", &[], Some(2.0)),
        ("container_threads", &[], Some(5.0)),
        ("container_fs_writes_bytes_total", &[("device", "/dev/vda")], Some(8192.0)),
        ("container_blkio_device_usage_total", &[("operation", "Read"), ("major", "254")], Some(4096.0)),
        ("container_network_transmit_bytes_total", &[("interface", "eth0")], Some(900.0)),
        ("container_ulimits_soft", &[("ulimit", "max_open_files")], Some(1024.0)),
        ("container_start_time_seconds", &[], Some(1_795_507_013.0)),
    ];
    let second: [Case; 6] = [
        ("container_info", &[("cgroup_version", "2")], Some(1.0)),
        ("container_spec_cpu_shares", &[], Some(998.0)),
        ("container_memory_max_usage_bytes", &[], Some(20_000.0)),
        ("container_memory_failcnt", &[], Some(12.0)),
        ("container_threads_max", &[], Some(0.0)),
        ("container_pressure_cpu_waiting_seconds_total", &[], Some(7.0)),
    ];
    let first: [Case; 2] = [
        ("container_info", &[("cgroup_version", "1")], Some(1.0)),
        ("container_pressure_cpu_waiting_seconds_total", &[], None),
    ];
    for (contents, own) in [(&SECOND[..], &second[..]), (&FIRST[..], &first[..])] {
        let root = tempfile::tempdir().expect("a folder");
        lay_out(root.path(), &HOST);
        lay_out(root.path(), &PROCESS);
        lay_out(root.path(), contents);
        let mut containers = Containers::new(roots(root.path()), Options::default());
        let mut families = Families::new();
        containers.collect(&[container()], 5_000, &mut families);
        for (name, pairs, expected) in same.iter().chain(own) {
            assert_eq!(value(&families, name, pairs), *expected, "{name} {pairs:?}");
        }
        assert_eq!(value(&families, "container_scrape_error", &[]), Some(0.0));
        assert_eq!(containers.off(), []);
    }
}

#[test]
fn a_container_without_a_cgroup_is_an_error_and_one_that_ended_is_none() {
    let root = tempfile::tempdir().expect("a folder");
    lay_out(root.path(), &PROCESS);
    lay_out(root.path(), &SECOND[..1]);
    let mut containers = Containers::new(roots(root.path()), Options::default());
    let mut families = Families::new();
    containers.collect(&[container()], 0, &mut families);
    assert_eq!(value(&families, "container_scrape_error", &[]), Some(1.0));
    let off: Vec<_> = containers.off().into_iter().map(|off| off.feature).collect();
    assert_eq!(off, ["container: cgroup", "machine"]);
    // Its cgroup appears: it is found at the next search, not before.
    lay_out(root.path(), &SECOND);
    let mut seen_at = |now_ms| {
        families.clear();
        containers.collect(&[container()], now_ms, &mut families);
        value(&families, "container_last_seen", &[])
    };
    assert_eq!((seen_at(59_000), seen_at(60_000), seen_at(61_000)), (None, Some(60.0), Some(61.0)));
    // Its process number is another's now.
    lay_out(root.path(), &[("proc/77/cgroup", "0::/system.slice/ssh.service\n")]);
    assert_eq!(seen_at(62_000), None);
    containers.collect::<ContainerRef>(&[], 63_000, &mut families);
    assert_eq!(value(&families, "container_scrape_error", &[]), Some(0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Any file may hold anything, or begin as a real one does.
    #[test]
    fn nonsense_is_no_panic(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..40)),
            1..12,
        ),
        first in any::<bool>(),
    ) {
        let root = tempfile::tempdir().expect("a folder");
        let own = if first { &FIRST[..] } else { &SECOND[..] };
        let all: Vec<Content> = [&HOST[..], &PROCESS[..], own].concat();
        lay_out(root.path(), &all);
        for (file, cut, bytes) in changes {
            let (path, text) = file.get(&all);
            let text = text.replace("<id>", &id()).into_bytes();
            let kept = text.get(..cut.index(text.len() + 1)).unwrap_or_default();
            write(root.path(), path, &[kept, &bytes, text.get(kept.len()..).unwrap_or_default()].concat());
        }
        let mut host = Host::new(roots(root.path()), Options::default());
        let mut containers = Containers::new(roots(root.path()), Options::default());
        let mut families = Families::new();
        for now_ms in [0, 1_000] {
            families.clear();
            host.collect(now_ms, &mut families);
            containers.collect(&[container()], now_ms, &mut families);
        }
        prop_assert_eq!(families.shed(), 0);
        for sample in families.iter().flat_map(|family| &family.samples) {
            prop_assert!(sample.value.is_finite(), "{} {}", sample.labels, sample.value);
        }
    }
}
