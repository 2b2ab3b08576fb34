//! Network namespaces by thread, and the smallest HTTP client.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// An answer is read up to here.
const ANSWER_MAX: u64 = 64 << 20;

/// Moves the calling thread into a network namespace, for good: sockets that it makes belong there.
///
/// # Errors
///
/// Without the right to, or when the namespace is gone.
pub fn enter(netns: &Path) -> Result<()> {
    let file = std::fs::File::open(netns).with_context(|| format!("open {}", netns.display()))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("enter {}", netns.display()))
}

/// Runs `body` in a network namespace (`None`: where we are), on a thread of its own.
///
/// # Errors
///
/// As [`enter`], and what `body` returns.
pub fn within<T: Send>(netns: Option<&Path>, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let Some(netns) = netns else { return body() };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("netns".into()).spawn_scoped(scope, || {
            enter(netns)?;
            body()
        })?;
        thread.join().map_err(|_| anyhow!("the thread in {} panicked", netns.display()))?
    })
}

/// A port of 127.0.0.1 that is free at this moment.
///
/// # Errors
///
/// When there is none.
pub fn free_port(netns: Option<&Path>) -> Result<u16> {
    within(netns, || Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port()))
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Status line and headers, as they came.
    pub head: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// When it is none; the message shows its beginning.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| {
            let shown: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
            format!("status {} and no JSON: {shown}", self.status)
        })
    }
}

/// One request over HTTP/1.0, which keeps answers in one piece.
///
/// # Errors
///
/// When nothing listens, or the answer does not come within `limit` or is no HTTP.
pub fn request(
    netns: Option<&Path>,
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    limit: Duration,
) -> Result<Answer> {
    within(netns, || {
        let mut stream =
            TcpStream::connect_timeout(&to, limit).with_context(|| format!("connect to {to}"))?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let mut head =
            format!("{method} {path} HTTP/1.0\r\nHost: {to}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut bytes = Vec::new();
        stream
            .take(ANSWER_MAX)
            .read_to_end(&mut bytes)
            .with_context(|| format!("answer to {method} {path}"))?;
        parse(&bytes).with_context(|| format!("{method} {path}: no HTTP in the answer"))
    })
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: bytes.get(end + 4..)?.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_an_answer() {
        let answer = parse(b"HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!((answer.status, answer.json().unwrap()["a"].as_i64()), (429, Some(1)));
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }
}
