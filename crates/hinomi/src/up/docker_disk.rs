//! Asks Docker now and then what it takes on the disk; on a task of its own, for the answer may take minutes.

use std::time::Duration;

use hinomi_agent::docker::{self, DiskUse, disk_use};
use hinomi_base::task::Shutdown;
use hinomi_pipeline::{DockerDiskUse, Handle};

/// How often it is looked whether the time has come.
const LOOK: Duration = Duration::from_secs(30);

/// Until shutdown.
pub(super) async fn run(options: docker::Options, handle: Handle, mut shutdown: Shutdown) {
    let mut looks = tokio::time::interval(LOOK);
    // The first one would be at the start, when there is enough to do.
    looks.reset();
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            _ = looks.tick() => {}
        }
        if !handle.docker_disk_is_due() {
            continue;
        }
        let asked = tokio::select! {
            () = shutdown.wait() => return,
            asked = disk_use(&options) => asked,
        };
        match asked {
            Ok(found) => take(&handle, found).await,
            Err(error) => tracing::debug!(%error, "Docker does not say what it takes on the disk"),
        }
    }
}

async fn take(handle: &Handle, found: DiskUse) {
    let parts = [
        ("images", found.images),
        ("containers", found.containers),
        ("volumes", found.volumes),
        ("build_cache", found.build_cache),
    ];
    let uses =
        parts.map(|(kind, part)| DockerDiskUse { kind, bytes: part.bytes, unused_bytes: part.unused_bytes });
    let handle = handle.clone();
    let noted = tokio::task::spawn_blocking(move || handle.note_docker_disk(&uses, found.root)).await;
    if let Ok(Err(error)) = noted {
        tracing::warn!(%error, "what Docker takes on the disk is not stored");
    }
}
