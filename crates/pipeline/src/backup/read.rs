//! Reading an archive: every byte is a stranger's until the end.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};

use ring::digest::{Context, SHA256};
use zstd::stream::read::Decoder;

use super::RestoreError;
use super::frames::Summed;
use super::manifest::{
    Entry, FILES_MAX, FORMAT_VERSION, HEAD_BYTES_MAX, Head, MANIFEST_BYTES_MAX, Manifest, hex,
};
use super::names::{self, HEAD, MANIFEST};
use super::tar::{self, BLOCK, END_BYTES};

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// Frames that look back further than two to this power are refused: their decompression takes as much memory.
const WINDOW_LOG_MAX: u32 = 23;

/// What takes the files of an archive, in their order.
pub trait Keep {
    /// What is announced. Nothing of it is checked yet.
    ///
    /// # Errors
    ///
    /// When there is no room.
    fn begin(&mut self, head: &Head) -> Result<(), RestoreError>;

    /// The next file: its name, which is a plain one below a part of the data folder, and which no other file has.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    fn file(&mut self, name: &str) -> Result<(), RestoreError>;

    /// The next bytes of the file.
    ///
    /// # Errors
    ///
    /// When they can't be written.
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RestoreError>;

    /// The file is complete.
    ///
    /// # Errors
    ///
    /// When it can't be made durable.
    fn done(&mut self) -> Result<(), RestoreError>;
}

/// Reads an archive to its end. What `keep` took is what was backed up if, and only if, the answer is `Ok`.
///
/// # Errors
///
/// [`RestoreError`]: the first thing that is wrong, and where.
pub fn read(from: impl Read, keep: &mut dyn Keep) -> Result<Head, RestoreError> {
    let buffered = BufReader::with_capacity(BUFFER_BYTES, Summed::new(from));
    let mut frames = Decoder::with_buffer(buffered).map_err(RestoreError::io("set up", "zstd".as_ref()))?;
    frames.window_log_max(WINDOW_LOG_MAX).map_err(RestoreError::io("set up", "zstd".as_ref()))?;
    let mut reader = Reader { frames, file: None, buffer: vec![0; BUFFER_BYTES] };
    let read = reader.all(keep);
    read.map_err(|error| reader.explained(error))
}

struct Reader<R: Read> {
    frames: Decoder<'static, BufReader<Summed<R>>>,
    /// The file that is being read.
    file: Option<String>,
    buffer: Vec<u8>,
}

impl<R: Read> Reader<R> {
    fn all(&mut self, keep: &mut dyn Keep) -> Result<Head, RestoreError> {
        let head = self.head()?;
        keep.begin(&head)?;
        let mut contents = Vec::new();
        let mut taken = BTreeSet::new();
        let mut left = head.bytes;
        let manifest = loop {
            let (name, bytes) = self.header()?;
            if name == MANIFEST {
                break self.json(bytes, MANIFEST_BYTES_MAX)?;
            }
            names::check(&name).map_err(|why| self.refused(why))?;
            if !taken.insert(name.clone()) {
                return Err(self.refused(format!("{name} is in it twice")));
            }
            left = left.checked_sub(bytes).filter(|_| taken_len(&taken) <= head.files).ok_or_else(|| {
                self.refused(format!(
                    "it holds more than the {} bytes in {} files that it announces",
                    head.bytes, head.files
                ))
            })?;
            keep.file(&name)?;
            let sha256 = self.content(bytes, keep)?;
            keep.done()?;
            contents.push(Entry { name, bytes, sha256 });
        };
        self.file = None;
        if left > 0 || taken_len(&taken) != head.files {
            return Err(self.refused("it holds less than it announces".to_owned()));
        }
        self.agree(manifest, &head, &contents)?;
        self.end()?;
        Ok(head)
    }

    /// What was read was not checked yet: where the archive as a whole is damaged, nothing that it says is an explanation.
    fn explained(&mut self, error: RestoreError) -> RestoreError {
        use RestoreError::{Refused, Room, Version};
        if !matches!(error, Refused { .. } | Version { .. } | Room { .. }) {
            return error;
        }
        let damaged = self.damaged("the checksum of the whole does not match".to_owned());
        let rest = io::copy(self.frames.get_mut(), &mut io::sink());
        let sum = &self.frames.get_ref().get_ref().sum;
        if rest.is_ok() && sum.ends_as_an_archive() && !sum.is_whole() { damaged } else { error }
    }

    fn head(&mut self) -> Result<Head, RestoreError> {
        let (name, bytes) = self.header()?;
        if name != HEAD {
            return Err(self.refused(format!("it does not begin with {HEAD}")));
        }
        let head: Head = self.json(bytes, HEAD_BYTES_MAX)?;
        if head.format != FORMAT_VERSION {
            let by = head.hinomi.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(RestoreError::Version { found: head.format, by, known: FORMAT_VERSION });
        }
        if head.files > FILES_MAX {
            return Err(
                self.refused(format!("it announces {} files; at most {FILES_MAX} are taken", head.files))
            );
        }
        Ok(head)
    }

    /// The manifest says what was read.
    fn agree(&self, manifest: Manifest, head: &Head, contents: &[Entry]) -> Result<(), RestoreError> {
        if manifest.head == *head && manifest.contents == contents {
            return Ok(());
        }
        let other = manifest.contents.iter().zip(contents).find(|(said, found)| said != found);
        let which = other.map_or("the list of files", |(_, found)| found.name.as_str());
        Err(self.damaged(format!("{which} is not as {MANIFEST} says")))
    }

    /// Two blocks of zeros, nothing behind them, and the checksum of all.
    fn end(&mut self) -> Result<(), RestoreError> {
        let mut zeros = [0; END_BYTES];
        self.exactly(&mut zeros)?;
        let mut more = [0];
        let more = self.frames.read(&mut more).map_err(|error| self.unreadable(error))?;
        if zeros.iter().any(|byte| *byte != 0) || more > 0 {
            return Err(self.refused(format!("something follows {MANIFEST}")));
        }
        let sum = &self.frames.get_ref().get_ref().sum;
        match (sum.is_whole(), sum.ends_as_an_archive()) {
            (true, _) => Ok(()),
            (false, true) => Err(self.damaged("the checksum of the whole does not match".to_owned())),
            (false, false) => Err(RestoreError::Cut { at: sum.bytes(), file: None }),
        }
    }

    /// The next file's name and size.
    fn header(&mut self) -> Result<(String, u64), RestoreError> {
        let mut block = [0; BLOCK];
        self.exactly(&mut block)?;
        match tar::parse(&block).map_err(|why| self.refused(why))? {
            tar::Entry::File(name, bytes) => {
                self.file = Some(name.clone());
                Ok((name, bytes))
            }
            tar::Entry::End => Err(self.refused(format!("there is no {MANIFEST} in it"))),
        }
    }

    /// The content of a small file.
    fn json<T: serde::de::DeserializeOwned>(&mut self, bytes: u64, max: u64) -> Result<T, RestoreError> {
        if bytes > max {
            return Err(self.refused(format!("a list of {bytes} bytes; at most {max} are taken")));
        }
        let mut text = Vec::new();
        self.pieces(bytes, &mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        })?;
        serde_json::from_slice(&text)
            .map_err(|error| self.refused(format!("it can't be understood: {error}")))
    }

    /// Shows a file's content and returns its SHA-256.
    fn content(&mut self, bytes: u64, keep: &mut dyn Keep) -> Result<String, RestoreError> {
        let mut sum = Context::new(&SHA256);
        self.pieces(bytes, &mut |piece| {
            sum.update(piece);
            keep.piece(piece)
        })?;
        Ok(hex(sum.finish().as_ref()))
    }

    fn pieces(
        &mut self,
        bytes: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        let mut left = bytes;
        let mut buffer = std::mem::take(&mut self.buffer);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let piece = buffer.get_mut(..most).unwrap_or_default();
            self.exactly(piece)?;
            take(piece)?;
            left = left.saturating_sub(u64::try_from(most).unwrap_or(left));
        }
        self.buffer = buffer;
        let mut padding = [0; BLOCK];
        let padding = padding.get_mut(..tar::padding(bytes)).unwrap_or_default();
        self.exactly(padding)?;
        if padding.iter().any(|byte| *byte != 0) {
            Err(self.damaged("no zeros behind it".to_owned()))
        } else {
            Ok(())
        }
    }

    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), RestoreError> {
        self.frames.read_exact(buffer).map_err(|error| self.unreadable(error))
    }

    fn unreadable(&self, error: io::Error) -> RestoreError {
        if error.raw_os_error().is_some() {
            return RestoreError::io("read", "the archive".as_ref())(error);
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return RestoreError::Cut { at: self.at(), file: self.file.clone() };
        }
        self.damaged(error.to_string())
    }

    /// How far the archive was read, bytes.
    fn at(&self) -> u64 {
        let buffered = self.frames.get_ref();
        let ahead = u64::try_from(buffered.buffer().len()).unwrap_or(0);
        buffered.get_ref().sum.bytes().saturating_sub(ahead)
    }

    fn damaged(&self, why: String) -> RestoreError {
        RestoreError::Damaged { at: self.at(), file: self.file.clone(), why }
    }

    fn refused(&self, why: String) -> RestoreError {
        RestoreError::Refused { at: self.at(), why }
    }
}

fn taken_len(taken: &BTreeSet<String>) -> u64 {
    u64::try_from(taken.len()).unwrap_or(u64::MAX)
}
