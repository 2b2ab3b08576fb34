//! The data folder: as asked, or where this user may write.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hinomi_pipeline::settings::Settings;
use rustix::fs::{Access, AtFlags, CWD};

use crate::exit::Usage;

/// The data folder to use.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Where.
    pub(crate) path: PathBuf,
    /// Why it is another than the default.
    pub(crate) note: Option<String>,
}

/// The option's folder, else the configured one; where that is the default and may not be written, the user's own.
///
/// # Errors
///
/// When the current folder is needed and gone.
pub(crate) fn data_dir(settings: &Settings, named: Option<&Path>) -> anyhow::Result<Folder> {
    if let Some(named) = named {
        if named.as_os_str().is_empty() {
            return Err(Usage("--data-dir: the name is empty; name a folder".to_owned()).into());
        }
        let path = std::path::absolute(named).context("find the current folder")?;
        return Ok(Folder { path, note: None });
    }
    let is_default = settings.data_dir == Settings::default().data_dir;
    if !is_default || writable(&settings.data_dir) {
        return Ok(Folder { path: settings.data_dir.clone(), note: None });
    }
    let env = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    Ok(match own(env("XDG_STATE_HOME"), env("HOME")) {
        Some(path) => {
            let note =
                format!("this user may not write {}, so the data is here", settings.data_dir.display());
            Folder { path, note: Some(note) }
        }
        // Opening it will say what is wrong.
        None => Folder { path: settings.data_dir.clone(), note: None },
    })
}

/// Makes the folder, for this user and its group only: logs of containers are in it.
///
/// # Errors
///
/// When it can't be made.
pub(crate) fn make(folder: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o750).create(folder);
    made.with_context(|| {
        format!(
            "cannot make the data folder {}; name another with --data-dir or `data_dir`",
            folder.display()
        )
    })
}

fn own(state: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    Some(state.or_else(|| Some(home?.join(".local/state")))?.join("hinomi"))
}

/// Whether the folder, or the nearest one above it that exists, may be written.
fn writable(folder: &Path) -> bool {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
    rustix::fs::accessat(CWD, existing, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_own_folder() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(own(path("/x/state"), path("/home/u")), path("/x/state/hinomi"));
        assert_eq!(own(None, path("/home/u")), path("/home/u/.local/state/hinomi"));
        assert_eq!(own(None, None), None);
    }

    #[test]
    fn what_is_named_is_used() -> anyhow::Result<()> {
        let folder = data_dir(&Settings::default(), Some(Path::new("data")))?;
        assert_eq!(folder.path, std::env::current_dir()?.join("data"));
        Ok(())
    }
}
