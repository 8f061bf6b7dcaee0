//! The header of a .npy file: the literal of a Python dictionary with three keys.
//!
//! ```text
//! header  = "{" [ entry { "," entry } [ "," ] ] "}"
//! entry   = string ":" value
//! value   = string | "True" | "False" | "(" integers ")" | type of several fields
//! integer = digits [ "L" ]
//! ```
//!
//! A string may have the prefix `u`. Python 2 wrote `L` behind integers of some sizes. White space may
//! be around every token. The type of several fields is skipped to its closing bracket. The parser
//! needs no memory except for what it returns, and does not recurse.

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) dtype: Dtype,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
}

/// The value of the key `descr`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    Plain(String),
    /// A type of several fields, or of an array per element.
    Structured,
}

impl Literal {
    /// Parses a header, or returns none where it is no such literal.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut parser = Parser { text };
        let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
        parser.expect(b'{')?;
        while !parser.take(b'}') {
            let key = parser.string()?;
            parser.expect(b':')?;
            match key {
                b"descr" => dtype = Some(parser.dtype()?),
                b"fortran_order" => fortran_order = Some(parser.boolean()?),
                b"shape" => shape = Some(parser.integers()?),
                _ => return None,
            }
            if !parser.take(b',') {
                parser.expect(b'}')?;
                break;
            }
        }
        parser.skip_space();
        let whole = parser.text.is_empty();
        whole.then_some(Self { dtype: dtype?, fortran_order: fortran_order?, shape: shape? })
    }
}

/// The text that is still to be parsed.
struct Parser<'a> {
    text: &'a [u8],
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        self.text = self.text.trim_ascii_start();
    }

    /// Takes a token of one byte, if it is next.
    fn take(&mut self, token: u8) -> bool {
        self.skip_space();
        match self.text.split_first() {
            Some((first, after)) if *first == token => {
                self.text = after;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, token: u8) -> Option<()> {
        self.take(token).then_some(())
    }

    /// Takes bytes for as long as they fit.
    fn take_while(&mut self, fits: impl Fn(&u8) -> bool) -> &'a [u8] {
        let end = self.text.iter().position(|b| !fits(b)).unwrap_or(self.text.len());
        let (taken, after) = self.text.split_at(end);
        self.text = after;
        taken
    }

    /// A string without escapes, which NumPy does not write in headers of plain types.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'u');
        let quote = if self.take(b'\'') {
            b'\''
        } else {
            self.expect(b'"')?;
            b'"'
        };
        let text = self.take_while(|b| *b != quote && *b != b'\\' && *b != b'\n');
        self.text = self.text.strip_prefix(&[quote])?;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.skip_space();
        match self.take_while(u8::is_ascii_alphabetic) {
            b"True" => Some(true),
            b"False" => Some(false),
            _ => None,
        }
    }

    /// A tuple of integers. The tuple of one integer has a comma behind it.
    fn integers(&mut self) -> Option<Vec<u64>> {
        self.expect(b'(')?;
        let mut integers = Vec::new();
        let mut comma = true;
        while !self.take(b')') {
            if !comma {
                return None;
            }
            integers.push(self.integer()?);
            comma = self.take(b',');
        }
        (integers.len() != 1 || comma).then_some(integers)
    }

    fn integer(&mut self) -> Option<u64> {
        self.skip_space();
        let digits = self.take_while(u8::is_ascii_digit);
        if let Some(after) = self.text.strip_prefix(b"L") {
            self.text = after;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn dtype(&mut self) -> Option<Dtype> {
        self.skip_space();
        match self.text.first()? {
            b'[' | b'(' => self.skip_brackets().map(|()| Dtype::Structured),
            _ => {
                let name = String::from_utf8_lossy(self.string()?);
                Some(Dtype::Plain(name.trim().to_owned()))
            }
        }
    }

    /// Skips what is in brackets. Field names may hold brackets and escaped quotes.
    fn skip_brackets(&mut self) -> Option<()> {
        let (mut depth, mut quote, mut escaped) = (0usize, None, false);
        for (at, byte) in self.text.iter().enumerate() {
            match (quote, byte) {
                (Some(_), _) if escaped => escaped = false,
                (Some(_), b'\\') => escaped = true,
                (Some(open), close) if open == close => quote = None,
                (Some(_), _) => {}
                (None, b'\'' | b'"') => quote = Some(byte),
                (None, b'(' | b'[') => depth += 1,
                (None, b')' | b']') => {
                    depth -= 1;
                    if depth == 0 {
                        self.text = &self.text[at + 1..];
                        return Some(());
                    }
                }
                (None, _) => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(dtype: &str, fortran_order: bool, shape: &[u64]) -> Option<Literal> {
        let dtype = Dtype::Plain(dtype.to_owned());
        Some(Literal { dtype, fortran_order, shape: shape.to_vec() })
    }

    #[test]
    fn headers_of_every_numpy_are_read() {
        for (text, expected) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (90, 12), }   \n",
                plain("<f4", false, &[90, 12]),
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (90L, 12L), }",
                plain("<f4", false, &[90, 12]),
            ),
            (
                "{\"shape\":(90,),\"fortran_order\":True,\"descr\":\"float32\"}",
                plain("float32", true, &[90]),
            ),
            (
                " { u'shape' : ( 0 , 3 , 4 ) , 'descr' : u'|u1' , 'fortran_order' : True } \t\r\n",
                plain("|u1", true, &[0, 3, 4]),
            ),
            ("{'descr': '', 'fortran_order': False, 'shape': ()}", plain("", false, &[])),
            (
                "{'descr': 'f4', 'fortran_order': False, 'shape': (18446744073709551615, 2)}",
                plain("f4", false, &[u64::MAX, 2]),
            ),
            (
                "{'descr': [('a)', '<f4', (2,)), ('\\'', [('c', '|u1')])], \
                 'fortran_order': False, 'shape': (3,)}",
                Some(Literal { dtype: Dtype::Structured, fortran_order: false, shape: vec![3] }),
            ),
        ] {
            assert_eq!(Literal::parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_header() {
        let whole = "{'descr': '<f4', 'fortran_order': False, 'shape': (90, 12), }";
        for end in 0..whole.len() {
            assert_eq!(Literal::parse(&whole.as_bytes()[..end]), None, "{}", &whole[..end]);
        }
        for (from, to) in [
            ("(90, 12)", "(90, -12)"),
            ("(90, 12)", "(90, 12.0)"),
            ("(90, 12)", "(90 12)"),
            ("(90, 12)", "(90,, 12)"),
            ("(90, 12)", "(,)"),
            ("(90, 12)", "(90)"),
            ("(90, 12)", "[90, 12]"),
            ("(90, 12)", "(9+9, 12)"),
            ("(90, 12)", "(90LL, 12)"),
            ("(90, 12)", "(18446744073709551616, 12)"),
            ("(90, 12)", "((90, 12))"),
            ("False", "0"),
            ("False", "Falsely"),
            ("'<f4'", "4"),
            ("'<f4'", "'<f4"),
            ("'<f4'", "'<\\x664'"),
            ("'<f4'", "[[("),
            ("'<f4'", "[)])"),
            ("'shape'", "'order'"),
            ("'shape'", "shape"),
            (", }", ", } {}"),
            (", }", ", 'more': 1}"),
        ] {
            let text = whole.replacen(from, to, 1);
            assert_ne!(text, whole);
            assert_eq!(Literal::parse(text.as_bytes()), None, "{text}");
        }
        for text in ["(".repeat(9000), "{'descr':".to_owned() + &"[".repeat(9000)] {
            assert_eq!(Literal::parse(text.as_bytes()), None);
        }
    }
}
