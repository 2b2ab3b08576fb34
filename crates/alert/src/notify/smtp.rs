//! One try to hand a mail to its server.
//!
//! # Invariants
//!
//! - With `starttls` or `implicit` nothing of the mail, and no password, is said before TLS stands.
//! - One wrong address holds back nobody else: who was accepted is told, once; who is to be asked later is asked later.
//!   Who was told is known to this process only: after a restart a mail that waited goes to all its recipients again.
//! - What the server took is taken: nothing that follows (`QUIT`, a broken connection) makes a failure of it.
//! - The password is in no error text, in none of the forms in which it crosses the wire.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hinomi_base::task::spawn;
use hinomi_config::decode::duration_text;
use hinomi_model::Message;
use hinomi_words::Language;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use super::attempt::{Verdict, cleaned, worth_hiding};
use super::mail::mail;
use crate::settings::{Email, Security};

/// A polite end gets no longer than this; nobody waits for it.
const GOODBYE: Duration = Duration::from_secs(1);
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A mail made ready.
pub(super) struct Mail<'a> {
    email: &'a Email,
    bytes: Result<Vec<u8>, String>,
    secrets: Vec<String>,
    open: Mutex<Open>,
}

/// Who is still to be told.
struct Open {
    recipients: Vec<Address>,
    /// Somebody was told by an earlier try.
    told: bool,
}

/// Why a try ended early.
struct Fault {
    why: String,
    /// The server says that it is wrong, not that it has no time.
    refused: bool,
}

/// What the server said to each recipient.
#[derive(Default)]
struct Answers {
    accepted: Vec<Address>,
    later: Vec<(Address, String)>,
    refused: Vec<(Address, String)>,
}

impl<'a> Mail<'a> {
    pub(super) fn new(email: &'a Email, message: &Message, language: Language) -> Self {
        let recipients = email.to.iter().map(|to| to.email.clone()).collect();
        Self {
            email,
            bytes: mail(email, message, language),
            secrets: secrets(email),
            open: Mutex::new(Open { recipients, told: false }),
        }
    }

    pub(super) async fn run(&self) -> Verdict {
        let limit = self.email.timeout;
        match tokio::time::timeout(limit, self.try_once()).await {
            Ok(Ok((verdict, connection))) => {
                drop(spawn("smtp-goodbye", goodbye(connection)));
                verdict
            }
            Ok(Err(Fault { why, refused: true })) => Verdict::Refused { why },
            Ok(Err(Fault { why, refused: false })) => Verdict::Later { why, retry_after: None },
            Err(_) => {
                let why =
                    format!("no answer from {} within {}", self.email.smtp.address(), duration_text(limit));
                Verdict::Later { why, retry_after: None }
            }
        }
    }

    /// What the server's answers come to, and the connection, for its end.
    async fn try_once(&self) -> Result<(Verdict, AsyncSmtpConnection), Fault> {
        let bytes = self.bytes.as_ref().map_err(|why| Fault { why: why.clone(), refused: true })?;
        let mut connection = self.connect().await?;
        let recipients = self.open().recipients.clone();
        let answers = self.ask(&mut connection, recipients).await?;
        let mut said = String::new();
        if !answers.accepted.is_empty() {
            connection.command(Data).await.map_err(|error| self.fault("the mail", &error))?;
            let answer = connection.message(bytes).await.map_err(|error| self.fault("the mail", &error))?;
            let words: Vec<&str> = answer.message().collect();
            said = cleaned(&format!("answered {} {}", answer.code(), words.join(" ")), &self.secrets);
        }
        Ok((self.judge(answers, said), connection))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Fault> {
        let smtp = &self.email.smtp;
        let tls = match smtp.tls {
            Security::None => None,
            Security::Starttls | Security::Implicit => Some(self.tls()?),
        };
        let (at_once, later) = match smtp.tls {
            Security::Implicit => (tls, None),
            Security::Starttls | Security::None => (None, tls),
        };
        let hello = ClientId::default();
        let server = (smtp.host.as_str(), smtp.port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.email.timeout), &hello, at_once, None);
        let mut connection = connected.await.map_err(|error| self.cannot_connect(&error))?;
        if let Some(tls) = later {
            connection.starttls(tls, &hello).await.map_err(|error| self.fault("STARTTLS", &error))?;
        }
        if let Some((username, password)) = &smtp.login {
            let login = Credentials::new(username.clone(), password.expose().to_owned());
            let answer = connection.auth(&MECHANISMS, &login).await;
            answer.map_err(|error| self.fault("the user name and password", &error))?;
        }
        Ok(connection)
    }

    /// Sender and recipients; the server may take some of them.
    async fn ask(&self, connection: &mut AsyncSmtpConnection, to: Vec<Address>) -> Result<Answers, Fault> {
        let from = &self.email.from.email;
        let bytes = self.bytes.as_deref().unwrap_or_default();
        let has = |extension| connection.server_info().supports_feature(extension);
        let mut parameters = Vec::new();
        if !bytes.is_ascii() && has(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let foreign = |address: &Address| !address.to_string().is_ascii();
        if to.iter().chain([from]).any(foreign) && has(Extension::SmtpUtfEight) {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let mail_from = MailFrom::new(Some(from.clone()), parameters);
        connection.command(mail_from).await.map_err(|error| self.fault("the sender", &error))?;
        let mut answers = Answers::default();
        for address in to {
            let command = Rcpt::new(address.clone(), Vec::new());
            match connection.command(command).await {
                Ok(_) => answers.accepted.push(address),
                Err(error) if error.is_permanent() => {
                    let why = self.fault(address.as_ref(), &error).why;
                    answers.refused.push((address, why));
                }
                Err(error) if error.is_transient() => {
                    let why = self.fault(address.as_ref(), &error).why;
                    answers.later.push((address, why));
                }
                Err(error) => return Err(self.fault(address.as_ref(), &error)),
            }
        }
        Ok(answers)
    }

    /// Notes who is still to be told.
    fn judge(&self, answers: Answers, mut said: String) -> Verdict {
        let Answers { accepted, later, refused } = answers;
        let mut open = self.open();
        open.told |= !accepted.is_empty();
        let whys = |list: &[(Address, String)]| {
            list.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>().join("; ")
        };
        let (why_later, why_refused) = (whys(&later), whys(&refused));
        if open.told && !refused.is_empty() {
            tracing::warn!(
                server = self.email.smtp.address(),
                error = why_refused,
                "a recipient was refused for good"
            );
            said.push_str(&format!("; {why_refused}"));
        }
        let given_up = if open.told { Vec::new() } else { refused };
        open.recipients = later.into_iter().chain(given_up).map(|(address, _)| address).collect();
        match (open.recipients.is_empty(), why_later.is_empty()) {
            (true, _) => Verdict::Accepted { said },
            (false, false) => Verdict::Later { why: why_later, retry_after: None },
            (false, true) => Verdict::Refused { why: why_refused },
        }
    }

    fn tls(&self) -> Result<TlsParameters, Fault> {
        let smtp = &self.email.smtp;
        let builder = TlsParameters::builder(smtp.host.clone());
        let builder = match &smtp.ca_file {
            None => builder,
            Some(file) => {
                let root = crate::settings::certificates(file);
                let root = root.map_err(|why| Fault { why, refused: false })?;
                builder.certificate_store(CertificateStore::None).add_root_certificate(root)
            }
        };
        builder.build_rustls().map_err(|error| Fault {
            why: format!("cannot set up TLS: {}; {}", innermost(&error), super::client::ROOTS_REMEDY),
            refused: false,
        })
    }

    fn cannot_connect(&self, error: &Error) -> Fault {
        let host = self.email.smtp.address();
        if error.is_transient() || error.is_permanent() {
            return self.fault("the connection", error);
        }
        let cause = cleaned(&innermost(error), &self.secrets);
        Fault { why: format!("cannot connect to {host}: {cause}"), refused: false }
    }

    /// `what` the server did not take, and its words.
    fn fault(&self, what: &str, error: &Error) -> Fault {
        let host = self.email.smtp.address();
        let cause = innermost(error);
        let said = match error.status() {
            Some(code) => format!("{host} does not take {what}: {code} {cause}"),
            None => format!("{host}, {what}: {cause}"),
        };
        Fault { why: cleaned(&said, &self.secrets), refused: error.is_permanent() }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How that goes changes nothing.
async fn goodbye(mut connection: AsyncSmtpConnection) {
    let _ended = tokio::time::timeout(GOODBYE, connection.quit()).await;
}

/// What the system or the server said.
fn innermost(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The password, and every form in which it crosses the wire.
fn secrets(email: &Email) -> Vec<String> {
    let Some((username, password)) = &email.smtp.login else { return Vec::new() };
    let password = password.expose();
    worth_hiding(vec![
        password.to_owned(),
        STANDARD.encode(password),
        STANDARD.encode(format!("\0{username}\0{password}")),
    ])
}
