//! Counts of the network stack: `snmp`, `netstat`, `snmp6`, `sockstat`, `softnet_stat`, connection tracking.

use std::fmt::Write as _;

use hinomi_wire::{Head, Kind};

use super::Round;
use crate::metrics::files::number;

/// Most fields of a file that become families.
const FIELDS_MAX: usize = 256;
/// Most CPUs; as the kernel's own limit on x86.
const CPUS_MAX: usize = 8192;

const SOFTNET: [(usize, Head<'_>); 3] = [
    (0, Head::counter("node_softnet_processed_total", "Packets that a CPU processed.")),
    (
        1,
        Head::counter("node_softnet_dropped_total", "Packets that a CPU dropped because its queue was full."),
    ),
    (
        2,
        Head::counter(
            "node_softnet_times_squeezed_total",
            "Times that a CPU had more packets than time for them.",
        ),
    ),
];
/// The CPU's number stands here since Linux 5.10.
const SOFTNET_CPU: usize = 12;

const TRACKED: Head<'_> = Head::gauge("node_nf_conntrack_entries", "Connections that are tracked.");
const TRACKED_MAX: Head<'_> =
    Head::gauge("node_nf_conntrack_entries_limit", "Most connections that can be tracked.");
/// Columns of `net/stat/nf_conntrack`, summed over the CPUs. Gauges, as node_exporter has them.
const TRACKING: [(&str, Head<'_>); 8] = [
    ("found", Head::gauge("node_nf_conntrack_stat_found", "Searches that found an entry.")),
    ("invalid", Head::gauge("node_nf_conntrack_stat_invalid", "Packets that cannot be tracked.")),
    ("ignore", Head::gauge("node_nf_conntrack_stat_ignore", "Packets that already had an entry.")),
    ("insert", Head::gauge("node_nf_conntrack_stat_insert", "Entries that were added.")),
    (
        "insert_failed",
        Head::gauge("node_nf_conntrack_stat_insert_failed", "Entries that could not be added."),
    ),
    (
        "drop",
        Head::gauge("node_nf_conntrack_stat_drop", "Packets dropped because they could not be tracked."),
    ),
    (
        "early_drop",
        Head::gauge("node_nf_conntrack_stat_early_drop", "Entries dropped to make room for others."),
    ),
    (
        "search_restart",
        Head::gauge(
            "node_nf_conntrack_stat_search_restart",
            "Searches begun anew because the table was resized.",
        ),
    ),
];

pub(super) fn netstat(round: &mut Round<'_>) {
    let Some(text) = round.files.text("netstat", round.net, "snmp") else { return };
    let mut name = String::new();
    let mut put = |out: &mut crate::metrics::memo::Out<'_>, protocol: &str, field: &str, value| {
        if !is_wanted(protocol, field) {
            return;
        }
        name.clear();
        let _infallible = write!(name, "node_netstat_{protocol}_{field}");
        let head = Head { name: &name, kind: Kind::Unknown, help: "A count of the network stack." };
        out.put(&head, &[], value);
    };
    for (protocol, field, value) in tables(&text).take(FIELDS_MAX * 4) {
        put(&mut round.out, protocol, field, value);
    }
    if let Some(text) = round.files.optional(round.net, "netstat") {
        for (protocol, field, value) in tables(&text).take(FIELDS_MAX * 4) {
            put(&mut round.out, protocol, field, value);
        }
    }
    if let Some(text) = round.files.optional(round.net, "snmp6") {
        for (protocol, field, value) in version_6(&text).take(FIELDS_MAX * 4) {
            put(&mut round.out, protocol, field, value);
        }
    }
}

/// Pairs of lines: `Tcp: names…` and `Tcp: values…`.
fn tables(text: &str) -> impl Iterator<Item = (&str, &str, f64)> {
    let heads = text.lines().step_by(2);
    let values = text.lines().skip(1).step_by(2);
    heads.zip(values).filter(|(head, values)| head.split(':').next() == values.split(':').next()).flat_map(
        |(head, values)| {
            let protocol = head.split(':').next().unwrap_or_default();
            let names = head.split_whitespace().skip(1);
            let values = values.split_whitespace().skip(1).map(number);
            names.zip(values).filter_map(move |(name, value)| Some((protocol, name, value?)))
        },
    )
}

/// Lines `Ip6InReceives 11171`: the protocol's name ends with the first 6.
fn version_6(text: &str) -> impl Iterator<Item = (&str, &str, f64)> {
    crate::metrics::files::pairs(text).filter_map(|(key, value)| {
        let (protocol, field) = key.split_at_checked(key.find('6')? + 1)?;
        Some((protocol, field, value))
    })
}

/// As node_exporter's default for `--collector.netstat.fields`.
fn is_wanted(protocol: &str, field: &str) -> bool {
    if ["InErrors", "InErrs"].contains(&field) {
        return true;
    }
    let fields: &[&str] = match protocol {
        "Ip" => &["Forwarding"],
        "Ip6" | "IpExt" => &["InOctets", "OutOctets"],
        "Icmp" | "Icmp6" => &["InMsgs", "OutMsgs"],
        "TcpExt" => {
            return ["Listen", "Syncookies"].iter().any(|begin| field.starts_with(begin))
                || ["TCPSynRetrans", "TCPTimeouts", "TCPOFOQueue", "TCPRcvQDrop"].contains(&field);
        }
        "Tcp" => &["ActiveOpens", "InSegs", "OutSegs", "OutRsts", "PassiveOpens", "RetransSegs", "CurrEstab"],
        "Udp" | "Udp6" => &["InDatagrams", "OutDatagrams", "NoPorts", "RcvbufErrors", "SndbufErrors"],
        _ => &[],
    };
    fields.contains(&field)
}

pub(super) fn sockstat(round: &mut Round<'_>) {
    let page = rustix::param::page_size() as f64;
    let Some(text) = round.files.text("sockstat", round.net, "sockstat") else { return };
    sockets(&mut round.out, &text, page);
    if let Some(text) = round.files.optional(round.net, "sockstat6") {
        sockets(&mut round.out, &text, page);
    }
}

fn sockets(out: &mut crate::metrics::memo::Out<'_>, text: &str, page: f64) {
    let mut name = String::new();
    for (protocol, field, value) in socket_fields(text).take(FIELDS_MAX) {
        name.clear();
        let _infallible = write!(name, "node_sockstat_{protocol}_{field}");
        out.put(&Head::gauge(&name, "A field of the socket counts."), &[], value);
        if field == "mem" {
            name.push_str("_bytes");
            out.put(&Head::gauge(&name, "Memory that sockets use."), &[], value * page);
        }
    }
}

/// Lines `TCP: inuse 3 orphan 0`.
fn socket_fields(text: &str) -> impl Iterator<Item = (&str, &str, f64)> {
    text.lines().filter_map(|line| line.split_once(':')).flat_map(|(protocol, rest)| {
        let names = rest.split_whitespace().step_by(2);
        let values = rest.split_whitespace().skip(1).step_by(2);
        names.zip(values).filter_map(move |(name, value)| Some((protocol, name, number(value)?)))
    })
}

pub(super) fn softnet(round: &mut Round<'_>) {
    let Some(text) = round.files.text("softnet", round.net, "softnet_stat") else { return };
    let mut name = String::new();
    for (cpu, counts) in processed(&text).take(CPUS_MAX) {
        name.clear();
        let _infallible = write!(name, "{cpu}");
        for ((_, head), count) in SOFTNET.iter().zip(counts) {
            round.out.put(head, &[("cpu", &name)], count);
        }
    }
}

/// CPU, and the columns of [`SOFTNET`].
fn processed(text: &str) -> impl Iterator<Item = (u64, [f64; 3])> {
    text.lines().zip(0_u64..).filter_map(|(line, row)| {
        let mut counts = [0.0; 3];
        for (count, (column, _)) in counts.iter_mut().zip(&SOFTNET) {
            *count = u64::from_str_radix(line.split(' ').nth(*column)?, 16).ok()? as f64;
        }
        let cpu = line.split(' ').nth(SOFTNET_CPU).and_then(|word| u64::from_str_radix(word, 16).ok());
        Some((cpu.unwrap_or(row), counts))
    })
}

pub(super) fn conntrack(round: &mut Round<'_>) {
    let Some(text) = round.files.text("conntrack", &round.roots.proc, "sys/net/netfilter/nf_conntrack_count")
    else {
        return;
    };
    round.out.put_some(&TRACKED, &[], number(&text));
    let most = round.files.number(&round.roots.proc, "sys/net/netfilter/nf_conntrack_max");
    round.out.put_some(&TRACKED_MAX, &[], most);
    let Some(text) = round.files.optional(round.net, "stat/nf_conntrack") else { return };
    for (column, head) in &TRACKING {
        round.out.put_some(head, &[], sum(&text, column));
    }
}

/// Sum of a column of hexadecimal numbers below a line of names.
fn sum(text: &str, column: &str) -> Option<f64> {
    let at = text.lines().next()?.split_whitespace().position(|name| name == column)?;
    let cell = |line: &str| u64::from_str_radix(line.split_whitespace().nth(at)?, 16).ok();
    Some(text.lines().skip(1).take(CPUS_MAX).filter_map(cell).map(|count| count as f64).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_protocols() {
        let text = "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: MaxConn InErrs\nTcp: -1 7\nOdd: A\nEven: 1\n";
        let found: Vec<_> = tables(text).collect();
        let expected = [
            ("Ip", "Forwarding", 2.0),
            ("Ip", "DefaultTTL", 64.0),
            ("Tcp", "MaxConn", -1.0),
            ("Tcp", "InErrs", 7.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn version_6_has_its_name_in_front() {
        let text = "Ip6InOctets                     \t78755071\nIcmp6InMsgs 2\nUdpLite6InErrors 0\nNone 1\n";
        let found: Vec<_> = version_6(text).collect();
        assert_eq!(
            found,
            [("Ip6", "InOctets", 78_755_071.0), ("Icmp6", "InMsgs", 2.0), ("UdpLite6", "InErrors", 0.0)]
        );
    }

    #[test]
    fn wanted_fields() {
        let wanted =
            [("Tcp", "CurrEstab"), ("TcpExt", "ListenDrops"), ("UdpLite6", "InErrors"), ("Ip", "Forwarding")];
        let others = [("Tcp", "MaxConn"), ("TcpExt", "DelayedACKs"), ("Ip", "InOctets"), ("Udp6", "InMsgs")];
        assert!(wanted.into_iter().all(|(protocol, field)| is_wanted(protocol, field)));
        assert!(!others.into_iter().any(|(protocol, field)| is_wanted(protocol, field)));
    }

    #[test]
    fn socket_counts() {
        let text = "sockets: used 26\nTCP: inuse 3 orphan 0 mem 53\nFRAG6: inuse 0 memory x\n";
        let found: Vec<_> = socket_fields(text).collect();
        let expected = [
            ("sockets", "used", 26.0),
            ("TCP", "inuse", 3.0),
            ("TCP", "orphan", 0.0),
            ("TCP", "mem", 53.0),
            ("FRAG6", "inuse", 0.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn softnet_by_cpu() {
        // 6.18 names the CPU (of which some may be away), 3.10 has eleven columns.
        let new = "000f1b55 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 \
                   00000000 00000003 00000000 00000000\n";
        let old = "00000010 00000000 00000000 0 0 0 0 0 0 0 0\nbad\n";
        assert_eq!(processed(new).collect::<Vec<_>>(), [(3, [990_037.0, 1.0, 2.0])]);
        assert_eq!(processed(old).collect::<Vec<_>>(), [(0, [16.0, 0.0, 0.0])]);
    }

    #[test]
    fn tracking_is_summed() {
        let text = "entries  clashres found new\n0000000a  00000000 00000001 00000000\n0000000a  00000000 0000000f 0\n";
        assert_eq!(sum(text, "found"), Some(16.0));
        assert_eq!(sum(text, "ignore"), None);
        assert_eq!(sum("", "found"), None);
    }
}
