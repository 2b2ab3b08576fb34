//! What a container's first process tells: where it stands, since when it runs, what it may open.

use hinomi_wire::Head;

use super::{ContainerRef, Membership};
use crate::metrics::Roots;
use crate::metrics::files::{Files, value_of};
use crate::metrics::memo::Out;
use crate::oom::parse::start_ticks;

/// The unit of a process's start is fixed at 1/100 s on every architecture that containers run on (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

const OPEN_FILES: Head<'_> = Head::gauge(
    "container_ulimits_soft",
    "Soft limits of the container's first process; -1 where there is none.",
);

/// Where the container's first process stands; `None` when there is none, or it is not the container's any more.
pub(super) fn membership(files: &mut Files, roots: &Roots, one: &ContainerRef) -> Option<Membership> {
    if one.pid == 0 || one.id.len() < 12 {
        return None;
    }
    let text = files.optional(&roots.proc, &format!("{}/cgroup", one.pid))?;
    text.contains(&one.id).then(|| Membership::parse(&text))
}

/// When it started, in whole seconds since 1970: the same each time that it is asked.
pub(super) fn started(files: &mut Files, roots: &Roots, pid: u32) -> Option<f64> {
    let boot = value_of(&files.optional(&roots.proc, "stat")?, "btime")?;
    let ticks = start_ticks(&files.optional(&roots.proc, &format!("{pid}/stat"))?)?;
    Some((boot + ticks as f64 / TICKS_PER_SECOND).floor())
}

pub(super) fn limits(files: &mut Files, roots: &Roots, one: &ContainerRef, out: &mut Out<'_>) {
    let Some(text) = files.optional(&roots.proc, &format!("{}/limits", one.pid)) else { return };
    out.put_some(&OPEN_FILES, &[("ulimit", "max_open_files")], open_files(&text));
}

/// The soft limit of the line `Max open files  1024  524288  files`.
fn open_files(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(-1.0),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_open_files() {
        let head = "Limit                     Soft Limit           Hard Limit           Units     \n";
        let cases = [
            (
                "Max open files            1024                 524288               files     \n",
                Some(1024.0),
            ),
            ("Max open files            unlimited            unlimited            files     \n", Some(-1.0)),
            ("Max locked memory         8388608              8388608              bytes     \n", None),
            ("Max open files\n", None),
        ];
        for (line, expected) in cases {
            assert_eq!(open_files(&format!("{head}{line}")), expected, "{line}");
        }
    }
}
