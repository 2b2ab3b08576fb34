//! Network devices: `/proc/net/dev`, `/sys/class/net`, `/proc/net/arp`.

use std::collections::BTreeMap;

use hinomi_wire::{Head, Kind};

use super::Round;
use crate::metrics::files::{entries, number};

/// Most network devices.
pub(in crate::metrics) const DEVICES_MAX: usize = 1024;

/// Columns of `/proc/net/dev`, in order.
const COLUMNS: [Head<'_>; 16] = [
    Head::counter("node_network_receive_bytes_total", "Bytes received."),
    Head::counter("node_network_receive_packets_total", "Packets received."),
    Head::counter("node_network_receive_errs_total", "Packets received with errors."),
    Head::counter("node_network_receive_drop_total", "Packets received and dropped."),
    Head::counter("node_network_receive_fifo_total", "Packets lost because a receive queue was full."),
    Head::counter("node_network_receive_frame_total", "Packets received with errors in their frame."),
    Head::counter("node_network_receive_compressed_total", "Compressed packets received."),
    Head::counter("node_network_receive_multicast_total", "Multicast packets received."),
    Head::counter("node_network_transmit_bytes_total", "Bytes sent."),
    Head::counter("node_network_transmit_packets_total", "Packets sent."),
    Head::counter("node_network_transmit_errs_total", "Packets that could not be sent for errors."),
    Head::counter("node_network_transmit_drop_total", "Packets dropped instead of being sent."),
    Head::counter("node_network_transmit_fifo_total", "Packets lost because a send queue was full."),
    Head::counter("node_network_transmit_colls_total", "Collisions while sending."),
    Head::counter(
        "node_network_transmit_carrier_total",
        "Packets that could not be sent for want of a carrier.",
    ),
    Head::counter("node_network_transmit_compressed_total", "Compressed packets sent."),
];
const NO_HANDLER: Head<'_> =
    Head::counter("node_network_receive_nohandler_total", "Packets received that no protocol wanted.");
const UP: Head<'_> = Head::gauge("node_network_up", "1 if a device is up, 0 otherwise.");
const INFO: Head<'_> = Head::gauge("node_network_info", "What a device is; always 1.");
const SPEED: Head<'_> = Head::gauge("node_network_speed_bytes", "Speed of a device, bytes a second.");
const ARP: Head<'_> = Head::gauge("node_arp_entries", "Neighbours that are known, by device.");

/// Files of `/sys/class/net/<device>` that hold a number.
const PROPERTIES: [(&str, Head<'_>); 16] = [
    ("addr_assign_type", Head::gauge("node_network_address_assign_type", "How a device got its address.")),
    ("carrier", Head::gauge("node_network_carrier", "1 if a device has a carrier, 0 otherwise.")),
    (
        "carrier_changes",
        Head::counter("node_network_carrier_changes_total", "Times that the carrier came or went."),
    ),
    (
        "carrier_up_count",
        Head::counter("node_network_carrier_up_changes_total", "Times that the carrier came."),
    ),
    (
        "carrier_down_count",
        Head::counter("node_network_carrier_down_changes_total", "Times that the carrier went."),
    ),
    ("dev_id", Head::gauge("node_network_device_id", "Tells apart devices that share an address.")),
    ("dormant", Head::gauge("node_network_dormant", "1 if a device waits for something else to be up.")),
    ("flags", Head::gauge("node_network_flags", "The device's flags, as the kernel has them.")),
    ("ifindex", Head::gauge("node_network_iface_id", "The kernel's number of a device.")),
    ("iflink", Head::gauge("node_network_iface_link", "Number of the device below it, or its own.")),
    ("link_mode", Head::gauge("node_network_iface_link_mode", "How a device follows its link.")),
    ("mtu", Head::gauge("node_network_mtu_bytes", "Largest packet.")),
    ("name_assign_type", Head::gauge("node_network_name_assign_type", "How a device got its name.")),
    ("netdev_group", Head::gauge("node_network_net_dev_group", "Group that a device is in.")),
    ("tx_queue_len", Head::gauge("node_network_transmit_queue_length", "Packets that may wait to be sent.")),
    ("type", Head::gauge("node_network_protocol_type", "Kind of the link layer, by number.")),
];

fn is_ignored(round: &Round<'_>, device: &str) -> bool {
    round.options.ignored_devices.iter().any(|begin| device.starts_with(begin.as_str()))
}

pub(super) fn traffic(round: &mut Round<'_>) {
    let Some(text) = round.files.text("netdev", round.net, "dev") else { return };
    let text = text.into_owned();
    let wanted = devices(&text).filter(|(device, _)| !is_ignored(round, device)).take(DEVICES_MAX);
    for (device, columns) in wanted.collect::<Vec<_>>() {
        for (head, value) in COLUMNS.iter().zip(columns) {
            round.out.put(head, &[("device", device)], value);
        }
        let file = format!("class/net/{device}/statistics/rx_nohandler");
        let count = if device.contains('/') { None } else { round.files.number(&round.roots.sys, &file) };
        round.out.put_some(&NO_HANDLER, &[("device", device)], count);
    }
}

/// Devices of a `net/dev` file and their columns.
pub(in crate::metrics) fn devices(text: &str) -> impl Iterator<Item = (&str, [f64; 16])> {
    text.lines().skip(2).filter_map(|line| {
        // A device's name may hold a colon (an alias), its numbers never do.
        let (device, numbers) = line.rsplit_once(':')?;
        let mut columns = [0.0; 16];
        let mut words = numbers.split_whitespace();
        for column in &mut columns {
            *column = number(words.next()?)?;
        }
        Some((device.trim(), columns))
    })
}

pub(super) fn properties(round: &mut Round<'_>) {
    let folder = round.roots.sys.join("class/net");
    let names = entries(&folder, DEVICES_MAX);
    let missing = names.is_empty().then(|| format!("{} holds no devices", folder.display()));
    round.files.note("netclass", missing);
    for device in names.iter().filter(|name| *name != "bonding_masters") {
        if !is_ignored(round, device) {
            of_device(round, device, &folder.join(device));
        }
    }
}

fn of_device(round: &mut Round<'_>, device: &str, folder: &std::path::Path) {
    let label = [("device", device)];
    let state = round.files.line(folder, "operstate");
    if state.is_empty() {
        return;
    }
    round.out.put(&UP, &label, if state == "up" { 1.0 } else { 0.0 });
    for (file, head) in &PROPERTIES {
        let value = round.files.number(folder, file);
        round.out.put_some(head, &label, value);
    }
    // In millions of bits; -1 where nobody knows.
    let speed = round.files.number(folder, "speed").filter(|speed| *speed >= 0.0);
    round.out.put_some(&SPEED, &label, speed.map(|megabits| megabits * 1e6 / 8.0));
    let address = round.files.line(folder, "address");
    let broadcast = round.files.line(folder, "broadcast");
    let duplex = round.files.line(folder, "duplex");
    let alias = round.files.line(folder, "ifalias");
    let labels = [
        ("device", device),
        ("address", &address),
        ("broadcast", &broadcast),
        ("duplex", &duplex),
        ("operstate", &state),
        ("ifalias", &alias),
    ];
    round.out.put(&Head { kind: Kind::Gauge, ..INFO }, &labels, 1.0);
}

pub(super) fn arp(round: &mut Round<'_>) {
    let Some(text) = round.files.text("arp", round.net, "arp") else { return };
    let text = text.into_owned();
    for (device, count) in neighbours(&text) {
        if !is_ignored(round, device) {
            round.out.put(&ARP, &[("device", device)], count);
        }
    }
}

/// Entries by device.
fn neighbours(text: &str) -> BTreeMap<&str, f64> {
    let mut counts = BTreeMap::new();
    for device in text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(5)) {
        if counts.len() < DEVICES_MAX || counts.contains_key(device) {
            *counts.entry(device).or_insert(0.0) += 1.0;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1316794709  576456    0    0    0     0          0         0 1316794709  576456    0    0    0     0       0          0
eth0:1:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
 short: 1 2 3
   bad: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x
";

    #[test]
    fn columns_of_devices() {
        let found: Vec<_> = devices(DEV).map(|(device, columns)| (device, columns[0], columns[9])).collect();
        assert_eq!(found, [("lo", 1_316_794_709.0, 576_456.0), ("eth0:1", 1.0, 10.0)]);
    }

    #[test]
    fn neighbours_by_device() {
        let text = "IP address       HW type     Flags       HW address            Mask     Device\n\
                    10.0.2.2         0x1         0x2         52:55:0a:00:02:02     *        eth0\n\
                    10.0.2.3         0x1         0x2         52:55:0a:00:02:03     *        eth0\n\
                    10.0.3.3         0x1         0x0         00:00:00:00:00:00     *        br0\nshort\n";
        let found: Vec<_> = neighbours(text).into_iter().collect();
        assert_eq!(found, [("br0", 1.0), ("eth0", 2.0)]);
    }
}
