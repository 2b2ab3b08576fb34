//! Which names files of an archive may have.

/// What of the data folder is in an archive. The lock and the sessions of browsers are not: whoever restores logs in anew.
pub(super) const PARTS: [&str; 2] = ["metrics", "records"];
/// The first file of an archive.
pub(super) const HEAD: &str = "hinomi-backup.json";
/// The last file of an archive.
pub(super) const MANIFEST: &str = "hinomi-backup-manifest.json";
/// Longest name, bytes: what fits into a header of tar.
pub(super) const NAME_BYTES_MAX: usize = 100;
/// Names of folders in a name at most.
const FOLDERS_MAX: usize = 3;

/// Whether a file of that name may be made: below one of [`PARTS`], by plain names only.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn check(name: &str) -> Result<(), String> {
    let shown = || hinomi_series::quote(&name.chars().take(NAME_BYTES_MAX).collect::<String>());
    if name.starts_with('/') {
        return Err(format!("{} is an absolute path", shown()));
    }
    let parts: Vec<&str> = name.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return Err(format!("{} leads elsewhere", shown()));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() > NAME_BYTES_MAX || !parts.iter().all(|part| part.chars().all(plain)) {
        return Err(format!("{} is no name that Hinomi gives", shown()));
    }
    let is_part = parts.first().is_some_and(|first| PARTS.contains(first));
    if !is_part || parts.len() < 2 || parts.len() > FOLDERS_MAX.saturating_add(1) {
        return Err(format!("{} is no part of what Hinomi stores", shown()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_below_a_part() {
        for good in ["metrics/catalogue", "records/journal/0000000000000001.log", "metrics/a/b/c-d_e.f"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = format!("metrics/{}", "x".repeat(100));
        let table = [
            ("/etc/passwd", "absolute"),
            ("metrics/../../etc/passwd", "elsewhere"),
            ("../metrics/x", "elsewhere"),
            ("metrics//x", "elsewhere"),
            ("metrics/./x", "elsewhere"),
            ("metrics/", "elsewhere"),
            ("", "elsewhere"),
            ("metrics", "no part"),
            ("sessions", "no part"),
            ("LOCK", "no part"),
            ("etc/passwd", "no part"),
            ("metrics/a/b/c/d", "no part"),
            ("metrics/a\nb", "no name"),
            ("metrics/a\\b", "no name"),
            ("metrics/火", "no name"),
            (long.as_str(), "no name"),
        ];
        for (name, want) in table {
            let why = check(name).unwrap_err();
            assert!(why.contains(want) && !why.contains('\n'), "{name:?}: {why}");
        }
    }
}
