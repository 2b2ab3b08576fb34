//! Numbers as Go prints them, which is what people see everywhere in Prometheus.

/// The shortest text that reads back as the same number, without exponent: what sample values look like. Not a number
/// is `NaN`, infinities are `+Inf` and `-Inf`.
#[must_use]
pub fn format_f(value: f64) -> String {
    special(value).map_or_else(|| value.to_string(), str::to_owned)
}

/// As [`format_f`], with an exponent below 0.0001 and from a million on.
#[must_use]
pub fn format_g(value: f64) -> String {
    if let Some(word) = special(value) {
        return word.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_go_does() {
        let table = [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (1.0, "1", "1"),
            (0.1, "0.1", "0.1"),
            (123_456_789.0, "123456789", "1.23456789e+08"),
            (100_000.0, "100000", "100000"),
            (1e6, "1000000", "1e+06"),
            (1.5e-5, "0.000015", "1.5e-05"),
            (0.000_1, "0.0001", "0.0001"),
            (1e21, "1000000000000000000000", "1e+21"),
            (1e100, &format!("1{}", "0".repeat(100)), "1e+100"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ];
        for (value, plain, general) in table {
            assert_eq!(format_f(value), plain);
            assert_eq!(format_g(value), general);
        }
    }
}
