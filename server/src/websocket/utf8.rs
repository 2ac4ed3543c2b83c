//! UTF-8 validation of a text that arrives in pieces, each byte looked at once.

/// The longest encoding of a character, in bytes.
const LONGEST: usize = 4;

/// Validates a text piece by piece. A character may be cut anywhere.
#[derive(Debug, Default)]
pub struct Utf8Validator {
    /// The first bytes of a character whose others have not arrived.
    partial: [u8; LONGEST],
    /// How many they are.
    length: u8,
}

/// The text is not UTF-8, whatever follows.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl Utf8Validator {
    /// Validates the next piece.
    ///
    /// # Errors
    /// [`InvalidUtf8`] at the first byte that makes the text invalid.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.length > 0 {
            let Some((byte, rest)) = piece.split_first() else { return Ok(()) };
            let length = usize::from(self.length);
            self.partial[length] = *byte;
            piece = rest;
            match std::str::from_utf8(&self.partial[..=length]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_none() => self.length += 1,
                Err(_) => return Err(InvalidUtf8),
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                let tail = &piece[error.valid_up_to()..];
                self.partial[..tail.len()].copy_from_slice(tail);
                // At most three: four bytes are a character or invalid.
                self.length = u8::try_from(tail.len()).unwrap_or_default();
                Ok(())
            }
            Err(_) => Err(InvalidUtf8),
        }
    }

    /// Ends the text. The next piece begins another one.
    ///
    /// # Errors
    /// [`InvalidUtf8`] where the text ends within a character.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        match std::mem::take(&mut self.length) {
            0 => Ok(()),
            _ => Err(InvalidUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the text is valid when it arrives in pieces of `size` bytes.
    fn is_valid(text: &[u8], size: usize) -> bool {
        let mut validator = Utf8Validator::default();
        text.chunks(size).all(|piece| validator.push(piece).is_ok()) && validator.finish().is_ok()
    }

    #[test]
    fn the_verdict_does_not_depend_on_the_cuts() {
        let texts: [&[u8]; 8] = [
            b"",
            "κόσμε, 世界, 🦀".as_bytes(),
            b"\xed\xa0\x80",
            b"\xf4\x8f\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"ab\xc0\xaf",
            b"\xf0\x90\x80",
            b"\xe2\x82 ",
        ];
        for text in texts {
            for size in 1..=5 {
                assert_eq!(is_valid(text, size), std::str::from_utf8(text).is_ok(), "{text:?}");
            }
        }
    }

    #[test]
    fn the_first_invalid_byte_is_refused() {
        let mut validator = Utf8Validator::default();
        assert_eq!(validator.push(b"\xf4"), Ok(()));
        assert_eq!(validator.push(b"\x90"), Err(InvalidUtf8));
    }
}
