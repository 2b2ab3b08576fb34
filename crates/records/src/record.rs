//! One record and its bytes: a fixed head, so that time and kind are known without reading the JSON behind it.

use hinomi_model::{Incident, Message, Nanos, StateChange};
use serde::{Deserialize, Serialize};

/// Version of the record format that is written.
pub const FORMAT_VERSION: u8 = 1;

/// Bytes before the JSON: version, kind, stamp.
pub(crate) const HEAD_BYTES: usize = 10;

/// What is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A state change.
    Change(StateChange),
    /// An incident as it is from now on.
    Incident(Box<Incident>),
    /// A message to a receiver was queued: it is owed until a [`Record::Delivered`] follows.
    Queued(Message),
    /// What became of a queued message.
    Delivered(Delivered),
    /// Hinomi was alive and saw: a gap begins here at the earliest.
    Alive(Alive),
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// When.
    pub at: Nanos,
}

/// The end of a queued message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Name of the receiver.
    pub receiver: String,
    /// The incident's key.
    pub incident: String,
    /// Number of the message within the incident.
    pub sequence: u32,
    /// When it ended.
    pub at: Nanos,
    /// How.
    pub status: DeliveryStatus,
    /// The last error on the way, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Tries since the start of the process that ended it; 0 when there was none, or it is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The receiver took it.
    Accepted,
    /// Nobody took it in the time there was.
    GaveUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Change = 1,
    Incident = 2,
    Queued = 3,
    Delivered = 4,
    Alive = 5,
}

/// Why a payload is no record.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A newer program wrote it.
    Unknown,
    /// Its JSON is not what it should be.
    Bad(serde_json::Error),
}

/// What the head says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) at: Nanos,
}

impl Record {
    /// The steady time that orders it: when a change was observed, an incident updated, a message queued or ended.
    #[must_use]
    pub fn at(&self) -> Nanos {
        match self {
            Self::Change(change) => change.observed_at,
            Self::Incident(incident) => incident.updated_at,
            Self::Queued(message) => message.queued_at,
            Self::Delivered(delivered) => delivered.at,
            Self::Alive(alive) => alive.at,
        }
    }

    pub(crate) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(FORMAT_VERSION);
        bytes.push(match self {
            Self::Change(_) => Kind::Change as u8,
            Self::Incident(_) => Kind::Incident as u8,
            Self::Queued(_) => Kind::Queued as u8,
            Self::Delivered(_) => Kind::Delivered as u8,
            Self::Alive(_) => Kind::Alive as u8,
        });
        bytes.extend_from_slice(&self.at().0.to_le_bytes());
        match self {
            Self::Change(change) => serde_json::to_writer(&mut bytes, change),
            Self::Incident(incident) => serde_json::to_writer(&mut bytes, incident),
            Self::Queued(message) => serde_json::to_writer(&mut bytes, message),
            Self::Delivered(delivered) => serde_json::to_writer(&mut bytes, delivered),
            Self::Alive(alive) => serde_json::to_writer(&mut bytes, alive),
        }?;
        Ok(bytes)
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Fault> {
        let (head, json) = split(payload).ok_or(Fault::Unknown)?;
        match head.kind {
            Kind::Change => serde_json::from_slice(json).map(Self::Change),
            Kind::Incident => serde_json::from_slice(json).map(Self::Incident),
            Kind::Queued => serde_json::from_slice(json).map(Self::Queued),
            Kind::Delivered => serde_json::from_slice(json).map(Self::Delivered),
            Kind::Alive => serde_json::from_slice(json).map(Self::Alive),
        }
        .map_err(Fault::Bad)
    }
}

/// Head and JSON; `None` for a version or kind that is not known here.
pub(crate) fn split(payload: &[u8]) -> Option<(Head, &[u8])> {
    let (head, json) = payload.split_first_chunk::<HEAD_BYTES>()?;
    let [version, kind, stamp @ ..] = head;
    let kind = match (*version, *kind) {
        (FORMAT_VERSION, 1) => Kind::Change,
        (FORMAT_VERSION, 2) => Kind::Incident,
        (FORMAT_VERSION, 3) => Kind::Queued,
        (FORMAT_VERSION, 4) => Kind::Delivered,
        (FORMAT_VERSION, 5) => Kind::Alive,
        _ => return None,
    };
    Some((Head { kind, at: Nanos(i64::from_le_bytes(*stamp)) }, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered() -> Record {
        Record::Delivered(Delivered {
            receiver: "oncall".into(),
            incident: "k".into(),
            sequence: 2,
            at: Nanos(258),
            status: DeliveryStatus::GaveUp,
            detail: String::new(),
            tries: 0,
        })
    }

    #[test]
    fn bytes_are_as_documented() {
        let bytes = delivered().encode().unwrap();
        assert_eq!(bytes[..HEAD_BYTES], [1, 4, 2, 1, 0, 0, 0, 0, 0, 0]);
        let json = r#"{"receiver":"oncall","incident":"k","sequence":2,"at":258,"status":"gave_up"}"#;
        assert_eq!(std::str::from_utf8(&bytes[HEAD_BYTES..]).unwrap(), json);
        assert_eq!(Record::decode(&bytes).unwrap(), delivered());
    }

    #[test]
    fn strange_bytes_are_told_apart() {
        let good = delivered().encode().unwrap();
        for (at, byte) in [(0, 2), (1, 0), (1, 99)] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert!(matches!(Record::decode(&bytes), Err(Fault::Unknown)), "byte {at} = {byte}");
        }
        assert!(matches!(Record::decode(&good[..9]), Err(Fault::Unknown)));
        assert!(matches!(Record::decode(&good[..30]), Err(Fault::Bad(_))));
    }
}
