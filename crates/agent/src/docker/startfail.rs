//! Says in class words why a start failed. The runtime's own text stays the cause.

/// `State.Error` or an API error text → class words; `None`: no class fits.
pub(crate) fn classify(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let has = |needle: &str| text.contains(needle);
    // Order matters: the narrow before the wide. An OCI text about a mount also says "no such file or directory".
    if has("no space left on device") || has("disk quota exceeded") {
        Some("no space")
    } else if has("port is already allocated")
        || has("address already in use")
        || has("ports are not available")
    {
        Some("port taken")
    } else if has("bind source path does not exist")
        || has("error mounting")
        || has("error while mounting")
        || has("failed to mount")
        || has("mounts denied")
        || has("not a directory: unknown: are you trying to mount")
    {
        Some("bind source missing")
    } else if has("no such image") || has("unable to find image") || has("image not known") {
        Some("image gone")
    } else if has("executable file not found")
        || (has("exec:") && has("no such file or directory"))
        || (has("exec:") && has("permission denied"))
        || (has("exec ") && has("no such file or directory"))
        || has("exec format error")
    {
        Some("bad command")
    } else if has("network") && (has("not found") || has("endpoint with name")) {
        Some("network missing")
    } else if has("too many open files")
        || has("cannot allocate memory")
        || has("resource temporarily unavailable")
    {
        Some("no resources")
    } else if has("connection refused") || has("transport is closing") || has("unavailable") {
        Some("runtime broken")
    } else {
        None
    }
}

/// The reason field of a failed start.
pub(crate) fn reason(text: &str) -> &'static str {
    classify(text).unwrap_or("start failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        let table = [
            (
                r#"OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "/nosuch": stat /nosuch: no such file or directory: unknown"#,
                Some("bad command"),
            ),
            (
                r#"OCI runtime create failed: runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown"#,
                Some("bad command"),
            ),
            (
                r#"runc create failed: unable to start container process: exec: "/etc/passwd": permission denied: unknown"#,
                Some("bad command"),
            ),
            (
                "driver failed programming external connectivity on endpoint hk_p2 (aa): Bind for 0.0.0.0:18080 failed: port is already allocated",
                Some("port taken"),
            ),
            (
                "driver failed programming external connectivity: Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
                Some("port taken"),
            ),
            (
                r#"failed to create task for container: error mounting "/srv/x" to rootfs at "/x": stat /srv/x: no such file or directory: unknown"#,
                Some("bind source missing"),
            ),
            (
                "invalid mount config for type \"bind\": bind source path does not exist: /nosuch",
                Some("bind source missing"),
            ),
            ("No such image: bb:latest", Some("image gone")),
            ("mkdir /d/overlay2/x-init: no space left on device", Some("no space")),
            ("endpoint with name ra already exists in network none", Some("network missing")),
            ("network 3f5 not found", Some("network missing")),
            ("error loading seccomp filter: pipe2: too many open files", Some("no resources")),
            (
                "connection error: desc = \"transport: Error while dialing dial unix x: connect: connection refused\": unavailable",
                Some("runtime broken"),
            ),
            ("something new", None),
        ];
        for (text, want) in table {
            assert_eq!(classify(text), want, "{text}");
        }
    }
}
