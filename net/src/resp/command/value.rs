//! How the answer to an operation on keys looks in RESP.

use crate::resp::encode::{Proto, Writer};
use sluice_engine::stream::entries::{Entries, EntryRef};
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::value::Value;

/// Appends a value.
///
/// ```
/// use sluice_engine::stream::value::Value;
/// use sluice_net::resp::{command::encode_value, encode::Proto};
/// let mut out = Vec::new();
/// let map = Value::Map(vec![(Value::Word("length".into()), Value::Integer(1))]);
/// encode_value(&map, Proto::Resp2, &mut out);
/// assert_eq!(out, b"*2\r\n$6\r\nlength\r\n:1\r\n");
/// ```
pub fn encode_value(value: &Value, proto: Proto, out: &mut Vec<u8>) {
    let mut reply = Writer::new(out, proto);
    match value {
        Value::Null => reply.null(),
        // A read that may not wait is told as if there were nothing.
        Value::NullArray | Value::Nothing(_) => reply.null_array(),
        Value::Done => reply.ok(),
        Value::Integer(number) => reply.integer(*number),
        Value::Double(number) => reply.double(*number),
        Value::Word(word) => reply.bulk(word.as_bytes()),
        Value::Simple(word) => reply.simple(word),
        Value::Text(text) => reply.bulk(text),
        Value::Id(id) => id_of(*id, &mut reply),
        Value::Added(added) => id_of(added.id, &mut reply),
        Value::Array(values) => {
            reply.array(values.len());
            values.iter().for_each(|value| encode_value(value, proto, out));
        }
        Value::Map(pairs) => {
            reply.map(pairs.len());
            for (name, value) in pairs {
                encode_value(name, proto, out);
                encode_value(value, proto, out);
            }
        }
        Value::Entries(entries) => entries_of(entries, proto, out),
        Value::Streams(streams) => {
            encode_streams_head(streams.len(), proto, out);
            for (key, entries) in streams {
                encode_stream_head(key, proto, out);
                entries_of(entries, proto, out);
            }
        }
        // No command of RESP follows by number.
        Value::Followed(_) => reply.null(),
        Value::Error(text) => reply.error(text),
    }
}

/// In front of the entries of so many streams: pairs in RESP2, a map in RESP3.
pub(crate) fn encode_streams_head(streams: usize, proto: Proto, out: &mut Vec<u8>) {
    let mut reply = Writer::new(out, proto);
    match proto {
        Proto::Resp2 => reply.array(streams),
        Proto::Resp3 => reply.map(streams),
    }
}

/// In front of the entries of one of several streams.
pub(crate) fn encode_stream_head(key: &[u8], proto: Proto, out: &mut Vec<u8>) {
    let mut reply = Writer::new(out, proto);
    if proto == Proto::Resp2 {
        reply.array(2);
    }
    reply.bulk(key);
}

fn entries_of(entries: &Entries, proto: Proto, out: &mut Vec<u8>) {
    Writer::new(out, proto).array(entries.len());
    entries.iter().for_each(|entry| encode_entry(entry, proto, out));
}

/// Appends one entry: its id, and its fields in one array.
pub(crate) fn encode_entry(entry: EntryRef<'_>, proto: Proto, out: &mut Vec<u8>) {
    let reply = &mut Writer::new(out, proto);
    reply.array(2);
    id_of(entry.id, reply);
    match entry.fields {
        None => reply.null_array(),
        Some(fields) => {
            reply.array(fields.count());
            fields.texts().for_each(|text| reply.bulk(text));
        }
    }
}

/// Two numbers of at most twenty digits, and what stands between them.
const ID_BYTES_MAX: usize = 41;

fn id_of(id: StreamId, reply: &mut Writer<'_>) {
    let mut text = [0; ID_BYTES_MAX];
    let mut len = 0;
    let mut numbers = [itoa::Buffer::new(), itoa::Buffer::new()];
    let [ms, seq] = &mut numbers;
    for part in [ms.format(id.ms), "-", seq.format(id.seq)] {
        text[len..len + part.len()].copy_from_slice(part.as_bytes());
        len += part.len();
    }
    reply.bulk(&text[..len]);
}

#[cfg(test)]
mod tests {
    use super::encode_value;
    use crate::resp::encode::Proto;
    use sluice_engine::stream::entries::Entries;
    use sluice_engine::stream::fields::Fields;
    use sluice_engine::stream::id::StreamId;
    use sluice_engine::stream::text::Text;
    use sluice_engine::stream::value::Value;

    fn wire(value: &Value, proto: Proto) -> String {
        let mut out = Vec::new();
        encode_value(value, proto, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn streams_are_pairs_in_resp2_and_a_map_in_resp3() {
        let mut entries = Entries::default();
        entries.push(StreamId { ms: 1, seq: 2 }, 1, Some(Fields::pack([&b"a"[..], b"b"]).as_ref()));
        let value = Value::Streams(vec![(Text::from(b"k"), entries)]);
        let inner = "*1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        assert_eq!(wire(&value, Proto::Resp2), format!("*1\r\n*2\r\n$1\r\nk\r\n{inner}"));
        assert_eq!(wire(&value, Proto::Resp3), format!("%1\r\n$1\r\nk\r\n{inner}"));
    }

    #[test]
    fn the_longest_id_and_a_removed_entry() {
        let mut entries = Entries::default();
        entries.push(StreamId::MAX, 1, None);
        let expected = "*1\r\n*2\r\n$41\r\n18446744073709551615-18446744073709551615\r\n*-1\r\n";
        assert_eq!(wire(&Value::Entries(entries), Proto::Resp2), expected);
        assert_eq!(wire(&Value::Nothing(vec![]), Proto::Resp3), "_\r\n");
    }
}
