//! "did you mean …?"

/// Longer words are no typing errors of a key; keeps the comparison cheap.
const WORD_MAX_CHARS: usize = 64;

/// The candidate that `word` most likely was meant to be; `None` when nothing is close.
#[must_use]
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word_chars = lower(word)?;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let Some(chars) = lower(candidate) else { continue };
        let distance = distance(&word_chars, &chars);
        let longer = word_chars.len().max(chars.len());
        // A third may be wrong, and a beginning or an end that stands alone counts as close.
        let part = word_chars.len().min(chars.len()) >= 4
            && (word_chars.starts_with(&chars) || chars.starts_with(&word_chars));
        let close = distance <= (longer / 3).max(1) && distance < longer;
        if (close || part) && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn lower(word: &str) -> Option<Vec<char>> {
    let chars: Vec<char> = word.chars().take(WORD_MAX_CHARS + 1).flat_map(char::to_lowercase).collect();
    (chars.len() <= WORD_MAX_CHARS).then_some(chars)
}

/// Edit distance in which a swap of neighbours counts one (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &to) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let keys = ["listen", "data_dir", "retention", "receivers", "routes", "memory_max"];
        for (word, meant) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("datadir", Some("data_dir")),
            ("data-dir", Some("data_dir")),
            ("recievers", Some("receivers")),
            ("receiver", Some("receivers")),
            ("route", Some("routes")),
            ("memory", Some("memory_max")),
            ("listen_address", Some("listen")),
            ("x", None),
            ("", None),
            ("scrape_configs", None),
        ] {
            assert_eq!(closest(word, keys), meant, "{word}");
        }
        assert_eq!(closest(&"a".repeat(1000), keys), None);
    }

    #[test]
    fn a_swap_is_one_edit() {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        for (a, b, edits) in [("", "", 0), ("ab", "ba", 1), ("kitten", "sitting", 3), ("", "abc", 3)] {
            assert_eq!(distance(&chars(a), &chars(b)), edits, "{a} {b}");
            assert_eq!(distance(&chars(b), &chars(a)), edits, "{b} {a}");
        }
    }
}
