//! What is tried again, and what is said when.

use std::fs::File;

use super::*;

fn files(folder: &Path) -> Files {
    Files { certificate: folder.join("cert.pem"), key: folder.join("key.pem") }
}

/// A certificate and its key, as files that are put in the place of those before.
pub(crate) fn write(folder: &Path) -> io::Result<Files> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(io::Error::other)?;
    let files = files(folder);
    for (path, text) in
        [(&files.key, made.signing_key.serialize_pem()), (&files.certificate, made.cert.pem())]
    {
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, path)?;
    }
    Ok(files)
}

#[test]
fn what_has_another_cause_than_the_files_is_tried_again() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let tls = Tls::open(write(folder.path())?).map_err(io::Error::other)?;
    let first = Arc::clone(&tls.0.config.read().unwrap_or_else(PoisonError::into_inner));
    let key = write(folder.path())?.key;
    let good = fs::read(&key)?;
    let at = fs::metadata(&key)?.modified()?;
    // As when a right is missing: nothing in the file's stamp tells the time of failing from that of working.
    let as_it_was = |bytes: &[u8]| -> io::Result<()> {
        fs::write(&key, bytes)?;
        File::options().write(true).open(&key)?.set_modified(at)
    };
    as_it_was(&vec![b'x'; good.len()])?;
    let broken = stamp(&tls.0.files);
    tls.look();
    assert!(tls.status().ok, "files are replaced one after the other");
    for _ in 0..3 {
        tls.look();
        assert!(!tls.status().ok);
    }
    as_it_was(&good)?;
    assert_eq!(stamp(&tls.0.files), broken);
    tls.look();
    assert!(tls.status().ok, "{}", tls.status().detail);
    let second = Arc::clone(&tls.0.config.read().unwrap_or_else(PoisonError::into_inner));
    assert!(!Arc::ptr_eq(&first, &second), "the new one is in force");
    Ok(())
}

#[test]
fn a_file_that_can_not_be_read_says_how_it_could() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("key.pem");
    let said = |path: &Path| read(path).expect_err("it can't be read");
    assert!(
        said(&path).ends_with("; put it there, or mend its path under `tls` in hinomi.yaml"),
        "{}",
        said(&path)
    );
    assert!(said(folder.path()).ends_with("; name the file in it"), "{}", said(folder.path()));
    fs::write(&path, vec![b'x'; (1 << 20) + 1])?;
    assert!(said(&path).ends_with("so it is no PEM file of a certificate or key"), "{}", said(&path));
    // Whoever runs the tests may be one whom no right is missing.
    let denied = remedy(&io::ErrorKind::PermissionDenied.into());
    assert!(denied.contains("read it") && !denied.contains("write"), "{denied}");
    Ok(())
}
