//! A reply on standard output: lines for a person, JSON for a machine.

use std::io::Write as _;

use serde_json::{Map, Number, Value as Json};
use sluice_net::resp::reply::Value;

/// Writes to standard output. Whoever reads it may have seen enough and be gone (`| head`): that is no failure.
pub(crate) fn show(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// As one line of JSON.
pub(crate) fn json(reply: &Value<'_>) -> Json {
    let list = |items: &[Value<'_>]| Json::Array(items.iter().map(json).collect());
    match reply {
        Value::Null => Json::Null,
        Value::Boolean(truth) => Json::Bool(*truth),
        Value::Integer(number) => Json::Number((*number).into()),
        Value::Double(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => list(items),
        Value::Map(pairs) => {
            let entry = |(key, value): &(Value<'_>, Value<'_>)| (text(key), json(value));
            Json::Object(pairs.iter().map(entry).collect::<Map<_, _>>())
        }
        other => Json::String(text(other)),
    }
}

/// As lines: `key: value` for a map, one element a line for a list. Maps within maps are indented.
pub(crate) fn lines(reply: &Value<'_>) -> String {
    let mut out = String::new();
    write(reply, 0, &mut out);
    out
}

fn write(reply: &Value<'_>, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match reply {
        Value::Map(pairs) => {
            for (key, value) in pairs {
                match value {
                    Value::Map(_) | Value::Array(_) | Value::Set(_) | Value::Push(_) => {
                        out.push_str(&format!("{indent}{}:\n", text(key)));
                        write(value, depth + 1, out);
                    }
                    _ => out.push_str(&format!("{indent}{}: {}\n", text(key), text(value))),
                }
            }
        }
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter().for_each(|item| write(item, depth, out));
        }
        _ => out.push_str(&format!("{indent}{}\n", text(reply))),
    }
}

/// One value without structure. Control characters are escaped: a reply must not steer the terminal.
fn text(value: &Value<'_>) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        other => {
            let text = String::from_utf8_lossy(other.bytes().unwrap_or_default());
            text.chars()
                .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{json, lines};
    use sluice_net::resp::reply::{Reply, Value, decode};

    fn check(wire: &str, as_lines: &str, as_json: &str) {
        let Ok(Reply::Value { value, .. }) = decode(wire.as_bytes()) else { panic!("{wire}") };
        assert_eq!(lines(&value), as_lines);
        assert_eq!(json(&value).to_string(), as_json);
    }

    #[test]
    fn replies_are_shown_both_ways() {
        check("+OK\r\n", "OK\n", "\"OK\"");
        check("*2\r\n+a\r\n+b\r\n", "a\nb\n", r#"["a","b"]"#);
        check("%2\r\n+n\r\n:-1\r\n+s\r\n+x\r\n", "n: -1\ns: x\n", r#"{"n":-1,"s":"x"}"#);
        check("%1\r\n+title\r\n%1\r\n+en\r\n+Hi\r\n", "title:\n  en: Hi\n", r#"{"title":{"en":"Hi"}}"#);
    }

    #[test]
    fn a_reply_cannot_steer_the_terminal() {
        assert_eq!(lines(&Value::Bulk(b"\x1b[2Jx")), "\\u{1b}[2Jx\n");
    }
}
