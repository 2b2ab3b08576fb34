//! What images, containers, volumes and the build cache take on the disk.
//!
//! The engine walks through everything for the answer, for seconds or minutes on a large host: so whoever asks does it
//! rarely, and never on the way of an event. A connection of its own is used, and it is asked once at a time.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::client::{Address, Client};
use super::{Error, Options, activation};

/// How long the engine may count.
const COUNT_MAX: Duration = Duration::from_mins(2);
/// Longest answer: some 2 KiB for each of 16,000 things.
const ANSWER_MAX_BYTES: usize = 32 << 20;

/// What is on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// The engine's folder.
    pub root: PathBuf,
    /// Images; what they share counts once.
    pub images: Part,
    /// What containers wrote into their own layers.
    pub containers: Part,
    /// Volumes.
    pub volumes: Part,
    /// What building left.
    pub build_cache: Part,
}

/// One kind of things, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// All of them.
    pub bytes: u64,
    /// Those that nothing uses: images without a container, containers that do not run, volumes without a container,
    /// cache that no build uses now. Of images only what they share with no other.
    pub unused_bytes: u64,
}

/// Asks the engine of these options what is on its disk.
///
/// # Errors
///
/// It does not answer, or not within two minutes.
pub async fn disk_use(options: &Options) -> Result<DiskUse, Error> {
    let guard = activation::Guard::new(options.activation.clone(), options.proc_root.clone());
    let mut client = Client::new(Address::parse(&options.host)?, options.call_timeout, guard);
    client.negotiate().await?;
    let info: Info = client.get("/info", 1 << 20, options.call_timeout).await?;
    let df: Df = client.get("/system/df", ANSWER_MAX_BYTES, COUNT_MAX).await?;
    Ok(df.summed(info.root))
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "DockerRootDir", default)]
    root: PathBuf,
}

/// Docker Engine API, `GET /system/df`. Sizes are -1 where they are not known.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Df {
    layers_size: i64,
    #[serde(deserialize_with = "list")]
    images: Vec<Image>,
    #[serde(deserialize_with = "list")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "list")]
    volumes: Vec<Volume>,
    #[serde(deserialize_with = "list")]
    build_cache: Vec<Cache>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Image {
    size: i64,
    shared_size: i64,
    containers: i64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    size_rw: i64,
    state: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Volume {
    usage_data: Option<Usage>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Usage {
    size: i64,
    ref_count: i64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Cache {
    size: i64,
    in_use: bool,
    shared: bool,
}

/// `null` is an empty list.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

impl Df {
    fn summed(&self, root: PathBuf) -> DiskUse {
        let images = self.images.iter().map(|one| {
            let own = known(one.size).saturating_sub(known(one.shared_size));
            (0, if one.containers == 0 { own } else { 0 })
        });
        let mut images = sum(images);
        images.bytes = known(self.layers_size);
        images.unused_bytes = images.unused_bytes.min(images.bytes);
        let containers = self.containers.iter().map(|one| {
            let size = known(one.size_rw);
            (size, if matches!(one.state.as_str(), "running" | "paused" | "restarting") { 0 } else { size })
        });
        let volumes = self.volumes.iter().filter_map(|one| one.usage_data.as_ref()).map(|usage| {
            let size = known(usage.size);
            (size, if usage.ref_count == 0 { size } else { 0 })
        });
        // What is shared is an image's, and counted there.
        let cache = self.build_cache.iter().filter(|one| !one.shared).map(|one| {
            let size = known(one.size);
            (size, if one.in_use { 0 } else { size })
        });
        DiskUse { root, images, containers: sum(containers), volumes: sum(volumes), build_cache: sum(cache) }
    }
}

fn known(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}

fn sum(sizes: impl Iterator<Item = (u64, u64)>) -> Part {
    sizes.fold(Part::default(), |sum, (bytes, unused)| Part {
        bytes: sum.bytes.saturating_add(bytes),
        unused_bytes: sum.unused_bytes.saturating_add(unused),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn what_nothing_uses() {
        let text = r#"{
            "LayersSize": 1000,
            "Images": [
                { "Size": 700, "SharedSize": 300, "Containers": 2 },
                { "Size": 600, "SharedSize": 300, "Containers": 0 },
                { "Size": -1, "SharedSize": -1, "Containers": -1 }
            ],
            "Containers": [
                { "SizeRw": 10, "State": "running" }, { "SizeRw": 5, "State": "exited" }, { "State": "created" }
            ],
            "Volumes": [
                { "UsageData": { "Size": 40, "RefCount": 1 } }, { "UsageData": { "Size": 30, "RefCount": 0 } },
                { "UsageData": { "Size": -1, "RefCount": -1 } }, { "UsageData": null }
            ],
            "BuildCache": [
                { "Size": 8, "InUse": true }, { "Size": 4, "InUse": false }, { "Size": 2, "Shared": true }
            ],
            "BuilderSize": 12
        }"#;
        let df: Df = serde_json::from_str(text).unwrap();
        let part = |bytes, unused_bytes| Part { bytes, unused_bytes };
        let want = DiskUse {
            root: "/var/lib/docker".into(),
            images: part(1000, 300),
            containers: part(15, 5),
            volumes: part(70, 30),
            build_cache: part(12, 4),
        };
        assert_eq!(df.summed("/var/lib/docker".into()), want);
        let empty: Df = serde_json::from_str(r#"{ "Images": null, "Volumes": null }"#).unwrap();
        assert_eq!(empty.summed(PathBuf::new()), DiskUse::default());
    }
}
