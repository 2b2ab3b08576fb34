//! Kinds of holes: what may stand in them, where they end, and what becomes of them.

/// What stands in a hole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Something of a simple type.
    Typed(Hole),
    /// A phrase of this section.
    Phrase(usize),
    /// A phrase of this section, or foreign text.
    Perhaps(usize),
    /// Phrases of this section or foreign texts, parted by `; `.
    List(usize),
}

/// A simple type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// A whole number.
    Number,
    /// `5 min 3 s`.
    Duration,
    /// `64 MiB`.
    Size,
    /// No blanks in it: a name, an image, a point in time.
    Word,
    /// Anything.
    Text,
}

/// Units of a duration, from large to small, and in Japanese.
const DURATION: [(&str, &str); 4] = [("d", "日"), ("h", "時間"), ("min", "分"), ("s", "秒")];
const SIZE: [&str; 4] = ["GiB", "MiB", "KiB", "B"];

impl Kind {
    /// It ends by itself, whatever follows.
    pub(crate) fn has_own_end(self) -> bool {
        matches!(self, Self::Typed(Hole::Number | Hole::Duration | Hole::Size))
    }
}

impl Hole {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "n" => Self::Number,
            "duration" => Self::Duration,
            "size" => Self::Size,
            "word" => Self::Word,
            "text" => Self::Text,
            _ => return None,
        })
    }

    /// Length of what stands at the begin of the text, for holes that end by themselves.
    pub(crate) fn length(self, text: &str) -> Option<usize> {
        match self {
            Self::Number => Some(digits(text)).filter(|length| *length > 0),
            Self::Duration => duration_length(text),
            Self::Size => measure(text, &SIZE).map(|(length, _)| length),
            Self::Word | Self::Text => None,
        }
    }

    /// What becomes of it; `None` if nothing.
    pub(crate) fn japanese(self, text: &str) -> Option<String> {
        if self != Self::Duration {
            return None;
        }
        let mut out = String::new();
        for word in text.split(' ') {
            let unit = DURATION.iter().find(|(english, _)| *english == word);
            out.push_str(unit.map_or(word, |(_, japanese)| japanese));
        }
        Some(out)
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// A number, a blank and one of the units: length of all, and which unit.
fn measure(text: &str, units: &[&str]) -> Option<(usize, usize)> {
    let whole = digits(text);
    let after = text.get(whole..)?;
    let tenths = after.strip_prefix('.').map_or(0, |tenths| 1 + digits(tenths));
    let number = whole + tenths;
    let unit = text.get(number..)?.strip_prefix(' ')?;
    let letters = unit.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let place = units.iter().position(|known| unit.get(..letters) == Some(*known))?;
    (whole > 0 && tenths != 1).then_some((number + 1 + letters, place))
}

fn duration_length(text: &str) -> Option<usize> {
    let units = DURATION.map(|(english, _)| english);
    let (first, place) = measure(text, &units)?;
    let second = text.get(first..).and_then(|rest| measure(rest.strip_prefix(' ')?, &units));
    Some(match second {
        Some((length, next)) if next > place => first + 1 + length,
        _ => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_end_where_they_end() {
        let table = [
            (Hole::Number, "12 times", Some("12")),
            (Hole::Number, "x", None),
            (Hole::Duration, "5 min 3 s, 3 times", Some("5 min 3 s")),
            (Hole::Duration, "0.3 s 4 d", Some("0.3 s")),
            (Hole::Duration, "6 h 0 min on average", Some("6 h 0 min")),
            (Hole::Duration, "5 mins", None),
            (Hole::Duration, "5. s", None),
            (Hole::Size, "1.5 GiB; the", Some("1.5 GiB")),
            (Hole::Size, "7 B", Some("7 B")),
        ];
        for (hole, text, want) in table {
            assert_eq!(hole.length(text).and_then(|length| text.get(..length)), want, "{text}");
        }
        assert_eq!(Hole::Duration.japanese("2 h 10 min").as_deref(), Some("2時間10分"));
        assert_eq!(Hole::Duration.japanese("0.3 s").as_deref(), Some("0.3秒"));
    }
}
