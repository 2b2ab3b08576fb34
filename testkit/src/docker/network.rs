//! The own network namespace of a private dockerd: the host's iptables, links and bridges stay as they are.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::slot::{self, Slot};
use crate::process;

/// `ip netns` makes this folder a mount of itself the first time.
const NETNS: &str = "/run/netns";
/// Present while [`NETNS`] is there because of a test; on `/run`, so that it does not outlive a reboot.
const NETNS_MADE: &str = "/run/hinomi-test-made-netns";

/// The namespace's file.
pub(super) fn file(slot: &Slot) -> PathBuf {
    Path::new(NETNS).join(slot.name())
}

/// Makes the namespace, the link into it and the routes to its containers.
pub(super) fn up(slot: &Slot) -> Result<()> {
    let (outside, inside) = slot.links();
    let name = slot.name();
    {
        let _lock = slot::shared_lock()?;
        if !Path::new(NETNS).exists() {
            std::fs::write(NETNS_MADE, b"")?;
        }
        ip(&["netns", "add", &name])?;
    }
    ip(&["link", "add", &outside, "type", "veth", "peer", "name", &inside, "netns", &name])?;
    ip(&["addr", "add", &format!("{}/30", slot.address(1)), "dev", &outside])?;
    ip(&["link", "set", &outside, "up"])?;
    ip(&["-n", &name, "link", "set", "lo", "up"])?;
    ip(&["-n", &name, "addr", "add", &format!("{}/30", slot.address(2)), "dev", &inside])?;
    ip(&["-n", &name, "link", "set", &inside, "up"])?;
    // No default route: a name that cannot be resolved fails at once instead of hanging.
    for range in [bridge_range(slot), user_range(slot)] {
        ip(&["route", "add", &range, "via", &slot.address(2)])?;
    }
    Ok(())
}

/// Removes the namespace and with it bridges, links, rules and listeners.
pub(super) fn down(slot: &Slot) {
    let Ok(_lock) = slot::shared_lock() else { return };
    let _gone = ip(&["link", "del", &slot.links().0]);
    if file(slot).exists() {
        let _gone = ip(&["netns", "del", &slot.name()]);
    }
    let empty = std::fs::read_dir(NETNS).is_ok_and(|mut entries| entries.next().is_none());
    if empty && Path::new(NETNS_MADE).exists() {
        let _not_mounted = rustix::mount::unmount(NETNS, rustix::mount::UnmountFlags::DETACH);
        let _kept = std::fs::remove_dir(NETNS);
        let _kept = std::fs::remove_file(NETNS_MADE);
    }
}

/// Addresses of the default bridge; its own is the first.
pub(super) fn bridge_range(slot: &Slot) -> String {
    format!("{}/26", slot.address(64))
}

/// Addresses from which user networks take theirs.
pub(super) fn user_range(slot: &Slot) -> String {
    format!("{}/25", slot.address(128))
}

fn ip(args: &[&str]) -> Result<()> {
    process::run("ip", args).map(drop)
}
