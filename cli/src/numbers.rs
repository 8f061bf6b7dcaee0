//! How numbers are printed for people.

/// A number with `decimals` decimals.
///
/// | value | printed as |
/// |---|---|
/// | too small for two significant digits in the decimals | as `8.9e-2`, with two digits and an exponent |
/// | below 1, and the decimals would round it up to 1 | with enough decimals to show a number below 1 |
/// | exactly 0 | `0` |
/// | infinite or not a number | `inf`, `-inf`, `NaN` |
pub fn number(value: f64, decimals: usize) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    // The last but one decimal. Below it, the decimals show at most one significant digit.
    let least = 10f64.powi(1 - decimals.max(2) as i32);
    // Rounding to two digits may give that decimal.
    let two_digits = format!("{value:.1e}");
    if magnitude < least && two_digits.parse().is_ok_and(|rounded: f64| rounded.abs() < least) {
        return two_digits;
    }
    // An f64 below 1 differs from 1 within 17 decimals.
    let rounds_to_one = |decimals: &usize| format!("{magnitude:.decimals$}").starts_with('1');
    let decimals = if magnitude < 1.0 {
        (decimals..=17).find(|decimals| !rounds_to_one(decimals)).unwrap_or(decimals)
    } else {
        decimals
    };
    format!("{value:.decimals$}")
}

/// A number without decimals, with separated thousands. A number that would round to 0 has decimals.
pub fn grouped(number: f64) -> String {
    if number.abs() < 1.0 {
        return self::number(number, 2);
    }
    let digits = format!("{number:.0}");
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits;
    }
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time in seconds, or in milliseconds if it is below a second.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        long if long >= 1.0 => format!("{} s", number(long, 1)),
        short if short >= 0.01 => format!("{:.0} ms", short * 1e3),
        shorter => format!("{} ms", number(shorter * 1e3, 2)),
    }
}

/// How many times smaller codes are than what they encode, or how many times larger.
pub fn smaller(ratio: f64) -> String {
    let times = number(ratio.max(ratio.recip()), 1);
    match ratio {
        _ if times == number(1.0, 1) => "as large as".to_owned(),
        ratio if ratio > 1.0 => format!("{times} times smaller than"),
        _ => format!("{times} times larger than"),
    }
}

/// A count with separated thousands.
pub fn count(number: usize) -> String {
    grouped(number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_keep_two_digits() {
        for (value, decimals, text) in [
            (0.0888, 2, "8.9e-2"),
            (0.01, 2, "1.0e-2"),
            (0.0994, 2, "9.9e-2"),
            (0.0999, 2, "0.10"),
            (-0.0123, 2, "-1.2e-2"),
            (0.096, 3, "0.096"),
            (0.0096, 3, "9.6e-3"),
            (0.00123, 4, "0.0012"),
            (0.00012, 4, "1.2e-4"),
            (1.234e-9, 4, "1.2e-9"),
            (0.04, 0, "4.0e-2"),
        ] {
            assert_eq!(number(value, decimals), text, "{value}");
        }
        assert!(number(5e-324, 4).ends_with("e-324"));
    }

    #[test]
    fn other_numbers_have_the_decimals_asked_for() {
        for (value, decimals, text) in [
            (0.1, 4, "0.1000"),
            (0.23963, 4, "0.2396"),
            (0.95, 3, "0.950"),
            (1.0, 4, "1.0000"),
            (24.0, 1, "24.0"),
            (-2.71, 1, "-2.7"),
            (1234.5, 1, "1234.5"),
        ] {
            assert_eq!(number(value, decimals), text, "{value}");
        }
    }

    #[test]
    fn almost_one_is_not_one() {
        for (value, text) in [
            (0.99996, "0.99996"),
            (0.99994, "0.9999"),
            (0.999_999_96, "0.99999996"),
            (1.0, "1.0000"),
        ] {
            assert_eq!(number(value, 4), text, "{value}");
        }
        assert_eq!(number(-0.99999, 2), "-0.99999");
        assert_ne!(number(1.0 - f64::EPSILON / 2.0, 4), "1.0000");
    }

    #[test]
    fn zero_infinities_and_nan() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value, 4), text);
        }
    }

    #[test]
    fn times_have_two_digits_at_least() {
        for (value, text) in [
            (75.04, "75.0 s"),
            (1.0, "1.0 s"),
            (0.9994, "999 ms"),
            (0.0123, "12 ms"),
            (0.009_96, "9.96 ms"),
            (1e-6, "1.0e-3 ms"),
            (0.0, "0 ms"),
        ] {
            assert_eq!(seconds(value), text, "{value}");
        }
    }

    #[test]
    fn ratios_are_said_in_words() {
        for (ratio, text) in [
            (24.0, "24.0 times smaller than"),
            (1.06, "1.1 times smaller than"),
            (1.04, "as large as"),
            (0.97, "as large as"),
            (0.5, "2.0 times larger than"),
            (1e-3, "1000.0 times larger than"),
        ] {
            assert_eq!(smaller(ratio), text, "{ratio}");
        }
    }

    #[test]
    fn thousands_are_separated() {
        for (value, text) in [
            (0.0, "0"),
            (0.4, "0.40"),
            (0.004, "4.0e-3"),
            (999.4, "999"),
            (1000.0, "1,000"),
            (1_234_567.8, "1,234,568"),
        ] {
            assert_eq!(grouped(value), text);
        }
        assert_eq!(grouped(f64::INFINITY), "inf");
        assert_eq!(count(20_000), "20,000");
    }
}
