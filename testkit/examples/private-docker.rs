//! Holds a private dockerd until its standard input ends: to try `make demo` and `make run` on a machine without
//! Docker, or beside one that must not be touched.

use std::io::{Read as _, Write as _};

use hinomi_testkit::docker::PrivateDocker;

fn main() -> anyhow::Result<()> {
    let docker = PrivateDocker::start("by-hand")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "export DOCKER_HOST={}", docker.host())?;
    writeln!(
        out,
        "# its ports: nsenter --net={} or {}",
        docker.netns().display(),
        docker.address_of_ports()
    )?;
    out.flush()?;
    // Ends with the terminal or pipe that holds it.
    let mut rest = Vec::new();
    std::io::stdin().lock().read_to_end(&mut rest)?;
    Ok(())
}
