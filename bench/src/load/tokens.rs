//! Tokens with their zones, in memory and in files.
//!
//! A token file has one line a token, `zone token`, so that one file can spread a load over many zones. All
//! text lies in one allocation; 10 million tokens would otherwise be 20 million small strings.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{BenchError, Result};
use crate::limit::{NAME_BYTES_MAX, TOKENS_MAX};

/// A list of tokens, each with its zone.
#[derive(Debug, Default, Clone)]
pub struct Tokens {
    text: String,
    ends: Vec<usize>,
}

impl Tokens {
    /// Adds one. Refused past [`TOKENS_MAX`], or where a name would break the file's lines.
    pub fn push(&mut self, zone: &str, token: &str) -> Result<()> {
        if self.ends.len() >= TOKENS_MAX {
            return Err(BenchError::Argument(format!("more than {TOKENS_MAX} tokens")));
        }
        let printable = |name: &str| {
            (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !printable(zone) || !printable(token) {
            return Err(BenchError::Argument(format!("not a zone and a token: {zone:?} {token:?}")));
        }
        self.text.extend([zone, " ", token, "\n"]);
        self.ends.push(self.text.len());
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Zone and token at `at`, or `None` past the end.
    pub fn get(&self, at: usize) -> Option<(&str, &str)> {
        let end = *self.ends.get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        self.text[start..end].trim_end().split_once(' ')
    }

    /// Writes a token file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let doing = || format!("writing the token file {}", path.display());
        let file = fs::File::create(path).map_err(BenchError::io(doing()))?;
        let mut file = BufWriter::new(file);
        file.write_all(self.text.as_bytes()).and_then(|()| file.flush()).map_err(BenchError::io(doing()))
    }

    /// Reads a token file.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text =
            fs::read_to_string(path).map_err(BenchError::io(format!("reading the token file {shown}")))?;
        let mut tokens = Self::default();
        for (number, line) in text.lines().enumerate() {
            let pair = line.split_once(' ');
            let (zone, token) = pair.ok_or_else(|| malformed(path, number))?;
            tokens.push(zone, token).map_err(|_| malformed(path, number))?;
        }
        if tokens.is_empty() {
            return Err(BenchError::Argument(format!("the token file {shown} is empty")));
        }
        Ok(tokens)
    }
}

fn malformed(path: &Path, line: usize) -> BenchError {
    BenchError::Argument(format!(
        "{}:{}: expected a line `zone token`, at most {TOKENS_MAX} of them",
        path.display(),
        line + 1
    ))
}

#[cfg(test)]
mod tests {
    use super::Tokens;

    #[test]
    fn a_file_keeps_zones_and_tokens() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tokens");
        let mut tokens = Tokens::default();
        tokens.push("shop", "aaa").expect("fits");
        tokens.push("fair:1", "bbb").expect("fits");
        tokens.save(&path).expect("writes");
        let read = Tokens::read(&path).expect("reads");
        assert_eq!(
            (read.get(0), read.get(1), read.get(2)),
            (Some(("shop", "aaa")), Some(("fair:1", "bbb")), None)
        );
    }

    #[test]
    fn a_malformed_file_names_the_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tokens");
        for (text, expected) in
            [("shop aaa\nshop\n", ":2: expected"), ("a b c\n", ":1: expected"), ("", "empty")]
        {
            std::fs::write(&path, text).expect("writes");
            let error = Tokens::read(&path).expect_err("malformed").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
