//! Fills a page: `{{name}}` becomes a value with what HTML would read as markup escaped, `{{&name}}` the value as it is.

use std::borrow::Cow;

/// Appends `template` to `out`, with the values that `value` gives for its names.
pub(super) fn fill<'a>(template: &str, out: &mut Vec<u8>, mut value: impl FnMut(&str) -> Cow<'a, str>) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.extend_from_slice(before.as_bytes());
        let Some((name, tail)) = after.split_once("}}") else { break };
        match name.strip_prefix('&') {
            Some(name) => out.extend_from_slice(value(name).as_bytes()),
            None => escape(&value(name), out),
        }
        rest = tail;
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Text, as it stands in an element or in an attribute between double quotes.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fill;
    use std::borrow::Cow;

    #[test]
    fn values_cannot_become_markup() {
        let mut out = Vec::new();
        fill("<p class=\"{{a}}\">{{b}}</p>{{&c}}.", &mut out, |name| {
            Cow::Borrowed(match name {
                "a" => "\" onload='x'",
                "b" => "<script>1 & 2</script>",
                _ => "<b>ours</b>",
            })
        });
        let expected =
            "<p class=\"&quot; onload=&#39;x&#39;\">&lt;script&gt;1 &amp; 2&lt;/script&gt;</p><b>ours</b>.";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
