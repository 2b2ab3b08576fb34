//! Network of a container: its devices, as its first process sees them.

use hinomi_wire::Head;

use super::ContainerRef;
use crate::metrics::Roots;
use crate::metrics::files::Files;
use crate::metrics::memo::Out;
use crate::metrics::net_devices;

/// Most devices of a container.
const DEVICES_MAX: usize = 64;
/// Devices that begin so are left out, as cAdvisor does: what runs inside of it, and its talk with itself.
const IGNORED: [&str; 4] = ["lo", "veth", "docker", "nerdctl"];

/// Column of `net/dev`, and what it becomes.
const COLUMNS: [(usize, Head<'_>); 8] = [
    (0, Head::counter("container_network_receive_bytes_total", "Bytes received.")),
    (1, Head::counter("container_network_receive_packets_total", "Packets received.")),
    (2, Head::counter("container_network_receive_errors_total", "Packets received with errors.")),
    (3, Head::counter("container_network_receive_packets_dropped_total", "Packets received and dropped.")),
    (8, Head::counter("container_network_transmit_bytes_total", "Bytes sent.")),
    (9, Head::counter("container_network_transmit_packets_total", "Packets sent.")),
    (
        10,
        Head::counter(
            "container_network_transmit_errors_total",
            "Packets that could not be sent for errors.",
        ),
    ),
    (
        11,
        Head::counter(
            "container_network_transmit_packets_dropped_total",
            "Packets dropped instead of being sent.",
        ),
    ),
];

pub(super) fn collect(files: &mut Files, roots: &Roots, one: &ContainerRef, out: &mut Out<'_>) {
    let file = format!("{}/net/dev", one.pid);
    let Some(text) = files.text("container: network", &roots.proc, &file) else { return };
    let wanted =
        net_devices(&text).filter(|(device, _)| !IGNORED.iter().any(|begin| device.starts_with(begin)));
    for (device, columns) in wanted.take(DEVICES_MAX) {
        for (column, head) in &COLUMNS {
            out.put_some(head, &[("interface", device)], columns.get(*column).copied());
        }
    }
}
