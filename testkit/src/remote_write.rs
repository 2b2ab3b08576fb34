//! Remote write 1.0 by hand, over a connection that is kept: nothing of Hinomi's encodes what Hinomi is judged by.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::net::Answer;

/// Longest answer to a write.
const ANSWER_MAX: usize = 1 << 20;

/// A write request that grows.
#[derive(Clone, Debug, Default)]
pub struct Request {
    raw: Vec<u8>,
    samples: usize,
}

fn varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

fn field(to: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(to, number << 3 | 2);
    varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

impl Request {
    /// Adds samples (milliseconds since the epoch, value) of a series. Its labels have to be sorted by name.
    pub fn series(&mut self, labels: &[(&str, &str)], samples: &[(i64, f64)]) {
        let (mut series, mut inner) = (Vec::new(), Vec::new());
        for (name, value) in labels {
            inner.clear();
            field(&mut inner, 1, name.as_bytes());
            field(&mut inner, 2, value.as_bytes());
            field(&mut series, 1, &inner);
        }
        for (at_ms, value) in samples {
            inner.clear();
            inner.push(1 << 3 | 1);
            inner.extend(value.to_bits().to_le_bytes());
            inner.push(2 << 3);
            varint(&mut inner, at_ms.cast_unsigned());
            field(&mut series, 2, &inner);
        }
        field(&mut self.raw, 1, &series);
        self.samples += samples.len();
    }

    /// How many samples it carries.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// As it is sent: Snappy, in literals only, which is as valid as any.
    #[must_use]
    pub fn packed(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len() + 64);
        varint(&mut out, self.raw.len() as u64);
        for part in self.raw.chunks(1 << 16) {
            let len = (part.len() - 1).to_le_bytes();
            out.extend([61 << 2, len[0], len[1]]);
            out.extend_from_slice(part);
        }
        out
    }
}

/// A sender with a connection of its own, made when it is needed.
#[derive(Debug)]
pub struct Sender {
    to: SocketAddr,
    tenant: Option<String>,
    limit: Duration,
    connection: Option<BufReader<TcpStream>>,
}

impl Sender {
    /// One that waits so long for each answer. `tenant`: whose samples it sends; `None`: the default one's.
    #[must_use]
    pub fn new(to: SocketAddr, tenant: Option<&str>, limit: Duration) -> Self {
        Self { to, tenant: tenant.map(str::to_owned), limit, connection: None }
    }

    /// Sends a packed request.
    ///
    /// # Errors
    ///
    /// When the answer does not come: then nobody knows what became of the samples. A bad status is no error.
    pub fn send(&mut self, packed: &[u8]) -> Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let tenant =
            self.tenant.as_ref().map_or_else(String::new, |name| format!("X-Scope-OrgID: {name}\r\n"));
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\n\
             Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n{tenant}Content-Length: {}\r\n\r\n",
            self.to,
            packed.len()
        );
        let stream = connection.get_mut();
        // In one piece, so that a small request is one packet.
        stream.write_all(&[head.as_bytes(), packed].concat())?;
        let answer = answer(&mut connection)?;
        if !answer.head.to_ascii_lowercase().contains("connection: close") {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.to, self.limit)
            .with_context(|| format!("connect to {}", self.to))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.limit))?;
        stream.set_write_timeout(Some(self.limit))?;
        Ok(BufReader::new(stream))
    }
}

fn answer(connection: &mut BufReader<TcpStream>) -> Result<Answer> {
    let mut head = String::new();
    loop {
        let before = head.len();
        connection.read_line(&mut head)?;
        ensure!(head.len() > before, "the connection ended within an answer");
        ensure!(head.len() < ANSWER_MAX, "an answer without an end");
        if head.ends_with("\r\n\r\n") {
            break;
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no HTTP: {head}"))?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0).min(ANSWER_MAX)];
    connection.read_exact(&mut body)?;
    Ok(Answer { status, head, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_byte_by_byte() {
        let mut request = Request::default();
        request.series(&[("a", "b")], &[(300, 1.0)]);
        let label = [0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b'];
        let sample = [0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02];
        let raw = [&[0x0a, 22][..], &label, &sample].concat();
        assert_eq!(request.packed(), [&[24, 61 << 2, 23, 0][..], &raw].concat());
        assert_eq!(request.samples(), 1);
    }
}
