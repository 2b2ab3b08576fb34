//! What the host is: name, release, clock, uptime, boot; and how warm.

use hinomi_wire::Head;

use super::Round;
use crate::metrics::files::{entries, number};

/// Most zones or clocks.
const ENTRIES_MAX: usize = 256;

const UNAME: Head<'_> = Head::gauge("node_uname_info", "What the kernel says about itself; always 1.");
const OS: Head<'_> = Head::gauge("node_os_info", "What the distribution says about itself; always 1.");
const OS_VERSION: Head<'_> = Head::gauge("node_os_version", "Major and minor version of the distribution.");
const TIME: Head<'_> = Head::gauge("node_time_seconds", "The host's time, in seconds since 1970.");
const CLOCK: Head<'_> =
    Head::gauge("node_time_clocksource_current_info", "The kernel's source of time; always 1.");
const CLOCKS: Head<'_> = Head::gauge(
    "node_time_clocksource_available_info",
    "What could be the kernel's source of time; always 1.",
);
const ZONE: Head<'_> = Head::gauge("node_thermal_zone_temp", "Temperature of a zone, degrees Celsius.");
const COOLING: Head<'_> =
    Head::gauge("node_cooling_device_cur_state", "How much a device cools or throttles.");
const COOLING_MAX: Head<'_> =
    Head::gauge("node_cooling_device_max_state", "Most that a device can cool or throttle.");
const UPTIME: Head<'_> = Head::gauge("hinomi_host_uptime_seconds", "Time since the host started.");
const HOST: Head<'_> = Head::gauge("hinomi_host_info", "Which boot of which machine this is; always 1.");

const RELEASE: [(&str, &str); 12] = [
    ("build_id", "BUILD_ID"),
    ("id", "ID"),
    ("id_like", "ID_LIKE"),
    ("image_id", "IMAGE_ID"),
    ("image_version", "IMAGE_VERSION"),
    ("name", "NAME"),
    ("pretty_name", "PRETTY_NAME"),
    ("variant", "VARIANT"),
    ("variant_id", "VARIANT_ID"),
    ("version", "VERSION"),
    ("version_codename", "VERSION_CODENAME"),
    ("version_id", "VERSION_ID"),
];

pub(super) fn uname(round: &mut Round<'_>) {
    let name = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let (system, node, release) = (text(name.sysname()), text(name.nodename()), text(name.release()));
    let (version, machine, domain) = (text(name.version()), text(name.machine()), text(name.domainname()));
    let labels = [
        ("domainname", &*domain),
        ("machine", &*machine),
        ("nodename", &*node),
        ("release", &*release),
        ("sysname", &*system),
        ("version", &*version),
    ];
    round.out.put(&UNAME, &labels, 1.0);
}

pub(super) fn release(round: &mut Round<'_>) {
    let root = &round.roots.root;
    let text = round.files.optional(root, "etc/os-release").map(std::borrow::Cow::into_owned);
    let text = match text {
        Some(text) => {
            round.files.note("os", None);
            text
        }
        None => match round.files.text("os", root, "usr/lib/os-release") {
            Some(text) => text.into_owned(),
            None => return,
        },
    };
    let get = |key: &str| assignment(&text, key).unwrap_or_default();
    let labels = RELEASE.map(|(label, key)| (label, get(key)));
    round.out.put(&OS, &labels, 1.0);
    let labels = [("id", get("ID")), ("id_like", get("ID_LIKE")), ("name", get("NAME"))];
    round.out.put_some(&OS_VERSION, &labels, version(get("VERSION_ID")));
}

/// The value of a line `KEY=value` or `KEY="value"`.
fn assignment<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches(['"', '\'']))
}

/// Major and minor part as one number.
fn version(id: &str) -> Option<f64> {
    let end = id.match_indices('.').nth(1).map_or(id.len(), |(at, _)| at);
    number(id.get(..end)?)
}

pub(super) fn time(round: &mut Round<'_>) {
    round.out.put(&TIME, &[], round.now_ms as f64 / 1000.0);
    let folder = round.roots.sys.join("devices/system/clocksource");
    for entry in entries(&folder, ENTRIES_MAX) {
        let Some(device) = entry.strip_prefix("clocksource").filter(|number| !number.is_empty()) else {
            continue;
        };
        let folder = folder.join(&entry);
        let current = round.files.line(&folder, "current_clocksource");
        if !current.is_empty() {
            round.out.put(&CLOCK, &[("clocksource", &current), ("device", device)], 1.0);
        }
        let all = round.files.line(&folder, "available_clocksource");
        for source in all.split_whitespace() {
            round.out.put(&CLOCKS, &[("clocksource", source), ("device", device)], 1.0);
        }
    }
}

pub(super) fn thermal(round: &mut Round<'_>) {
    let folder = round.roots.sys.join("class/thermal");
    for entry in entries(&folder, ENTRIES_MAX) {
        let of_entry = folder.join(&entry);
        let kind = round.files.line(&of_entry, "type");
        if let Some(zone) = entry.strip_prefix("thermal_zone") {
            // In thousandths; a zone that is not ready cannot be read.
            let temperature = round.files.number(&of_entry, "temp").map(|thousandths| thousandths / 1000.0);
            round.out.put_some(&ZONE, &[("type", &kind), ("zone", zone)], temperature);
        } else if let Some(device) = entry.strip_prefix("cooling_device") {
            let labels = [("name", device), ("type", &*kind)];
            let state = round.files.number(&of_entry, "cur_state");
            round.out.put_some(&COOLING, &labels, state);
            let most = round.files.number(&of_entry, "max_state");
            round.out.put_some(&COOLING_MAX, &labels, most);
        }
    }
}

pub(super) fn host(round: &mut Round<'_>) {
    let uptime = round.files.text("host", &round.roots.proc, "uptime").and_then(|text| uptime(&text));
    round.out.put_some(&UPTIME, &[], uptime);
    let boot = round.files.line(&round.roots.proc, "sys/kernel/random/boot_id");
    let machine = round.files.line(&round.roots.root, "etc/machine-id");
    round.out.put(&HOST, &[("boot_id", &boot), ("machine_id", &machine)], 1.0);
}

fn uptime(text: &str) -> Option<f64> {
    number(text.split(' ').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID='12'\n# ID=other\n";
        assert_eq!(assignment(text, "PRETTY_NAME"), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(assignment(text, "ID"), Some("debian"));
        assert_eq!(assignment(text, "VERSION_ID"), Some("12"));
        assert_eq!(assignment(text, "NAME"), None);
    }

    #[test]
    fn versions_are_numbers() {
        let cases = [
            ("12", Some(12.0)),
            ("22.04", Some(22.04)),
            ("3.18.4", Some(3.18)),
            ("rolling", None),
            ("", None),
        ];
        for (id, expected) in cases {
            assert_eq!(version(id), expected, "{id:?}");
        }
    }

    #[test]
    fn uptimes() {
        assert_eq!(uptime("15239.40 16898.13\n"), Some(15_239.4));
        assert_eq!(uptime(""), None);
    }
}
