//! One configured value, and how it is read as what a key expects.
//!
//! A file says what type a value has; the environment and the command line carry text only, and the key decides. Each
//! reader returns a reason that completes the sentence "`key` …".

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::memory::MemoryMax;
use super::size;
use crate::limit;

/// A value before its key has judged it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Switch(bool),
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
    /// Text of the environment or of a flag, which may stand for any type.
    Untyped(String),
    /// A float, a date, or a number beyond 64 bits: nothing here is one of these.
    Other,
}

/// What a reader returns: the value, or why not.
pub(crate) type Read<T> = Result<T, String>;

impl Value {
    pub(crate) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(digits) => {
                i64::from_str_radix(digits.as_str(), digits.radix()).map_or(Value::Other, Value::Integer)
            }
            DeValue::Boolean(switch) => Value::Switch(*switch),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| Value::from_toml(item.get_ref())).collect())
            }
            DeValue::Table(table) => {
                let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                    let key: &toml::de::DeString<'_> = key.get_ref();
                    (key.to_string(), Value::from_toml(value.get_ref()))
                };
                Value::Table(table.iter().map(entry).collect())
            }
            DeValue::Float(_) | DeValue::Datetime(_) => Value::Other,
        }
    }

    pub(crate) fn text(&self) -> Read<String> {
        match self {
            Value::Text(text) | Value::Untyped(text) => Ok(text.clone()),
            _ => Err("must be text in quotes".to_owned()),
        }
    }

    pub(crate) fn path(&self) -> Read<PathBuf> {
        match self.text()? {
            text if text.is_empty() => Err("must not be empty".to_owned()),
            text => Ok(PathBuf::from(text)),
        }
    }

    pub(crate) fn switch(&self) -> Read<bool> {
        match self {
            Value::Switch(switch) => Ok(*switch),
            Value::Untyped(text) if text == "true" || text == "1" => Ok(true),
            Value::Untyped(text) if text == "false" || text == "0" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        }
    }

    /// A whole number within `range`.
    pub(crate) fn number(&self, range: RangeInclusive<u64>) -> Read<u64> {
        let number = match self {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Untyped(text) => text.parse().ok(),
            _ => None,
        };
        let fits = number.filter(|number| range.contains(number));
        fits.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }

    pub(crate) fn count(&self, range: RangeInclusive<usize>) -> Read<usize> {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let number = self.number(wide(*range.start())..=wide(*range.end()))?;
        usize::try_from(number).map_err(|_| "is too large for this machine".to_owned())
    }

    pub(crate) fn number_u32(&self, range: RangeInclusive<u32>) -> Read<u32> {
        let number = self.number(u64::from(*range.start())..=u64::from(*range.end()))?;
        u32::try_from(number).map_err(|_| "is too large".to_owned())
    }

    pub(crate) fn address(&self) -> Read<SocketAddr> {
        let text = self.text()?;
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let parsed = numeric.as_deref().unwrap_or(&text).parse();
        parsed.map_err(|_| format!("must be IP:PORT such as \"127.0.0.1:7379\", not {text:?}"))
    }

    pub(crate) fn number_u16(&self, range: RangeInclusive<u16>) -> Read<u16> {
        let number = self.number(u64::from(*range.start())..=u64::from(*range.end()))?;
        u16::try_from(number).map_err(|_| "is too large".to_owned())
    }

    /// A host: a name or an address, without a port.
    pub(crate) fn host(&self) -> Read<String> {
        let text = self.text()?;
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        let is_name = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            !text.is_empty() && text.len() <= limit::HOST_BYTES_MAX && text.chars().all(plain)
        };
        if is_address || is_name(&text) {
            return Ok(text);
        }
        Err(format!("must be a host such as \"10.0.0.1\" or \"node1.example\", not {text:?}"))
    }

    /// `host:port`, looked up when it is used.
    pub(crate) fn endpoint(&self) -> Read<String> {
        let text = self.text()?;
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let host = parts.map(|(host, _)| host.trim_start_matches('[').trim_end_matches(']'));
        if host.is_some_and(|host| Value::Text(host.to_owned()).host().is_ok()) {
            return Ok(text);
        }
        Err(format!("must be HOST:PORT such as \"10.0.0.1:7382\", not {text:?}"))
    }

    /// A number of bytes, or one with its unit: `"64MiB"`.
    pub(crate) fn bytes(&self, range: RangeInclusive<u64>) -> Read<u64> {
        let wrong =
            || format!("must be bytes from {} to {}, or such as \"64MiB\"", range.start(), range.end());
        let Ok(text) = self.text() else { return self.number(range.clone()).map_err(|_| wrong()) };
        size::parse(&text).filter(|bytes| range.contains(bytes)).ok_or_else(wrong)
    }

    /// A duration within `range_ms`.
    pub(crate) fn time(&self, range_ms: RangeInclusive<u64>) -> Read<Duration> {
        let time = self.duration(*range_ms.end())?;
        if time >= Duration::from_millis(*range_ms.start()) {
            return Ok(time);
        }
        Err(format!("must be at least {} ms", range_ms.start()))
    }

    /// `"250ms"`, `"5s"`, `"2m"`: a number without its unit is refused.
    pub(crate) fn duration(&self, max_ms: u64) -> Read<Duration> {
        let wrong = || format!("must be a time such as \"250ms\", \"5s\" or \"2m\", at most {max_ms} ms");
        let text = self.text().map_err(|_| wrong())?;
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (digits, unit) = text.split_at(digits_end);
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return Err(wrong()),
        };
        let time_ms = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
        let fits = time_ms.filter(|ms| *ms <= max_ms);
        fits.map(Duration::from_millis).ok_or_else(wrong)
    }

    /// A list of texts; commas part them where there are no brackets.
    pub(crate) fn texts(&self) -> Read<Vec<String>> {
        match self {
            Value::List(items) => items.iter().map(Value::text).collect(),
            Value::Untyped(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
            _ => Err("must be a list of texts in brackets".to_owned()),
        }
    }

    pub(crate) fn memory(&self) -> Read<MemoryMax> {
        let parsed = match self {
            Value::Integer(bytes) => u64::try_from(*bytes).ok().and_then(MemoryMax::from_bytes),
            Value::Text(text) | Value::Untyped(text) => MemoryMax::parse(text),
            _ => None,
        };
        parsed.ok_or_else(|| {
            "must be a size such as \"2GiB\" or a number of bytes, 16 MiB or more, or a share such as \"75%\"".to_owned()
        })
    }

    /// One of `words`, each with what it stands for.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Read<T> {
        let text = self.text().ok();
        let met = words.iter().find(|(word, _)| text.as_deref() == Some(word));
        met.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("must be one of: {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Value;
    use std::time::Duration;

    fn untyped(text: &str) -> Value {
        Value::Untyped(text.to_owned())
    }

    #[test]
    fn a_number_needs_its_type_and_its_range() {
        assert_eq!(Value::Integer(7).number(1..=9), Ok(7));
        assert_eq!(untyped("7").number(1..=9), Ok(7));
        for wrong in [Value::Integer(10), Value::Integer(-1), Value::Text("7".to_owned()), untyped("7x")] {
            assert_eq!(wrong.number(1..=9), Err("must be a whole number from 1 to 9".to_owned()));
        }
    }

    #[test]
    fn a_time_needs_its_unit() {
        assert_eq!(untyped("250ms").duration(1_000), Ok(Duration::from_millis(250)));
        assert_eq!(untyped("1s").duration(1_000), Ok(Duration::from_secs(1)));
        assert_eq!(untyped("2m").duration(120_000), Ok(Duration::from_secs(120)));
        for wrong in ["", "5", "s", "5 s", "-5s", "5h", "2s", "99999999999999999999s", "9999999999999999999s"]
        {
            assert!(untyped(wrong).duration(1_000).is_err(), "{wrong}");
        }
        assert!(Value::Integer(5).duration(1_000).is_err());
    }

    #[test]
    fn an_address_is_an_ip_and_a_port() {
        assert_eq!(untyped("[::1]:80").address(), Ok("[::1]:80".parse().unwrap()));
        assert_eq!(untyped("localhost:80").address(), Ok("127.0.0.1:80".parse().unwrap()));
        for wrong in ["", "80", ":80", "127.0.0.1", "example.org:80", "127.0.0.1:65536"] {
            assert!(untyped(wrong).address().is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_may_have_a_unit() {
        for (text, bytes) in [("4096", 4_096), ("4 KiB", 4_096), ("1MiB", 1 << 20), ("1GiB", 1 << 30)] {
            assert_eq!(untyped(text).bytes(1..=1 << 30), Ok(bytes), "{text}");
        }
        assert_eq!(Value::Integer(7).bytes(1..=9), Ok(7));
        for wrong in ["", "MiB", "1MB", "0", "2GiB", "99999999999999999999GiB", "18446744073709551615GiB"] {
            assert!(untyped(wrong).bytes(1..=1 << 30).is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_node_is_a_host_and_a_port() {
        for text in ["10.0.0.1:7382", "node-1.example:1", "[::1]:80", "localhost:7382"] {
            assert_eq!(untyped(text).endpoint(), Ok(text.to_owned()));
        }
        for wrong in ["", "node", ":80", "node:x", "node:70000", "http://node:80", "a b:1"] {
            assert!(untyped(wrong).endpoint().is_err(), "{wrong}");
        }
        assert!(untyped("::1").host().is_ok());
        assert!(untyped("node:80").host().is_err());
    }

    #[test]
    fn a_list_is_written_with_brackets_or_commas() {
        let both = Ok(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(untyped("a, b").texts(), both);
        assert_eq!(Value::List(vec![Value::Text("a".to_owned()), Value::Text("b".to_owned())]).texts(), both);
        assert!(Value::List(vec![Value::Integer(1)]).texts().is_err());
        assert!(Value::Text("a".to_owned()).texts().is_err());
    }
}
