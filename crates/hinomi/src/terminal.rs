//! The terminal: colours or not, how wide, which time.

use std::io::{IsTerminal as _, Write as _};

use jiff::tz::TimeZone;

/// Width where there is no terminal.
const WIDTH_DEFAULT: usize = 100;
/// Wider lines are no longer read with ease.
const WIDTH_MAX: usize = 140;
const WIDTH_MIN: usize = 40;

/// How to print for the reader at hand.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Columns.
    pub(crate) width: usize,
    /// Colours may be used; never alone.
    pub(crate) colour: bool,
    /// The user's zone.
    pub(crate) zone: TimeZone,
    /// Now.
    pub(crate) now: jiff::Timestamp,
}

impl Page {
    /// For standard output.
    pub(crate) fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self {
            width: width(terminal),
            colour: terminal && colour_wanted(),
            zone: TimeZone::system(),
            now: jiff::Timestamp::now(),
        }
    }
}

/// Whether a log on standard error may be coloured.
pub(crate) fn stderr_colour() -> bool {
    std::io::stderr().is_terminal() && colour_wanted()
}

fn colour_wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn width(terminal: bool) -> usize {
    let size = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    let columns = if terminal { size().filter(|columns| *columns > 0) } else { None };
    columns.unwrap_or(WIDTH_DEFAULT).clamp(WIDTH_MIN, WIDTH_MAX)
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Says something beside the answer, on standard error.
pub(crate) fn say(text: &str) {
    // A closed standard error is the reader's wish.
    let _unread = writeln!(std::io::stderr(), "{text}");
}

/// Prints to standard output.
///
/// # Errors
///
/// When it is closed.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints JSON, indented, to standard output.
///
/// # Errors
///
/// When it is closed.
pub(crate) fn print_json(value: &serde_json::Value) -> std::io::Result<()> {
    print(&format!("{value:#}\n"))
}
