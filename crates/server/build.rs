//! Puts the web page into the program: every file of `ui/dist` with its compressed forms, as the table `FILES`.
//!
//! Without `ui/dist/index.html` the table is empty, and the server answers with a placeholder.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let ui = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../ui");
    let dist = ui.join("dist");
    // Cargo looks for changes only of what is there. The folder is the one that the page is built into.
    if ui.join("package.json").exists() && !dist.exists() {
        let _read_only_sources = fs::create_dir(&dist);
    }
    let mut paths = Vec::new();
    if dist.exists() {
        println!("cargo:rerun-if-changed={}", dist.display());
        if dist.join("index.html").exists() {
            walk(&dist, &mut paths)?;
        }
    }
    paths.sort();
    let mut table = String::from("static FILES: &[File] = &[\n");
    for (number, path) in paths.iter().enumerate() {
        table.push_str(&row(&out, &dist, path, number)?);
    }
    table.push_str("];\n");
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, paths)?;
        } else if path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')) {
            paths.push(path);
        }
    }
    Ok(())
}

/// One line of the table; the forms lie beside it.
fn row(out: &Path, dist: &Path, path: &Path, number: usize) -> Result<String> {
    let plain = fs::read(path)?;
    let name = path.strip_prefix(dist)?.to_str().ok_or("a file's name is not UTF-8")?;
    let mut row = String::new();
    write!(row, "File {{ path: {:?}, kind: {:?}, ", format!("/{name}"), kind(name))?;
    write!(row, "etag: \"{:016x}\", plain: {}, ", hash(&plain), form(out, number, "plain", &plain)?)?;
    for (field, bytes) in [("gzip", gzip(&plain)?), ("brotli", brotli(&plain)?)] {
        // What is hardly shorter (pictures, fonts) is sent as it is.
        let form = if bytes.len() < plain.len() / 10 * 9 {
            format!("Some({})", form(out, number, field, &bytes)?)
        } else {
            "None".to_owned()
        };
        write!(row, "{field}: {form}, ")?;
    }
    row.push_str("},\n");
    Ok(row)
}

fn form(out: &Path, number: usize, name: &str, bytes: &[u8]) -> Result<String> {
    let file = out.join(format!("{number}.{name}"));
    fs::write(&file, bytes)?;
    Ok(format!("include_bytes!({file:?})"))
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let released = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let params = brotli::enc::BrotliEncoderParams {
        // The best form takes its time; while one works on the program a good one will do.
        quality: if released { 11 } else { 5 },
        ..Default::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &params)?;
    Ok(packed)
}

/// FNV-1a, 64 bits: tells versions of a file apart, and is the same with every compiler.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
